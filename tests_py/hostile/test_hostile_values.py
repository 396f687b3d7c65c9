"""Values with methods that raise or lie: they get their errors, and the cache stays as it was.

How such objects make keys is compared with 0.5.4 in tests_py/compat/compat_scenarios/hostile.py.
"""

import enum
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickcache import MemoryCache, TieredCache, UncacheableValueError, get_quickcache

LIMIT = 20  # seconds after which something hangs

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


class StopError(BaseException):
    """No Exception."""


METHODS = [
    "__eq__", "__hash__", "__bool__", "__str__", "__repr__", "__len__", "__iter__", "__getitem__",
    "__reduce__", "__reduce_ex__", "__getstate__", "__deepcopy__", "__copy__", "__getattr__",
    "__getattribute__", "__class__", "__sizeof__", "__index__", "__int__", "__float__", "__del__",
]  # fmt: skip
BASES = {
    object: (), str: ("text",), bytes: (b"bytes",), int: (5,), float: (5.5,), list: ([1],), tuple: ((1,),),
    dict: ({"a": 1},), set: ({1},), frozenset: ({1},),
}  # fmt: skip
RAISED = [ZeroDivisionError, RecursionError, MemoryError, StopIteration, KeyboardInterrupt, StopError]
LIES = [None, -1, "a lie"]


def hostile(base, name, deed):
    """An object that can be pickled but for its one method, which does what it should not."""

    def method(*_):
        if isinstance(deed, type) and issubclass(deed, BaseException):
            raise deed("in a method")
        return deed

    members = {name: property(method) if name == "__class__" else method}
    cls = globals()["Hostile"] = type("Hostile", (base,), {"__module__": __name__, **members})
    return cls(*BASES[base])


WAYS = {
    "alone": lambda value: value,
    "in a list": lambda value: [1, value],
    "in plain data": lambda value: {"a": [(value,)], "b": {}},
    "as a key": lambda value: {value: []},
    "in a set": lambda value: {value},
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
@pytest.mark.parametrize("isolate", [True, False], ids=["kept apart", "shared"])
def test_hostile_values_leave_the_cache_as_it_was(isolate, base):
    """Either such a value is kept, or it is refused by its own error or by ours, and not counted."""
    cache = MemoryCache(isolate=isolate)

    @get_quickcache(cache=TieredCache([cache]))(["x"])
    def f(x):
        return made[0] if x == "hostile" else x

    kept = refused = 0
    for name in METHODS:
        for deed in [ZeroDivisionError, RecursionError, StopError, *LIES]:
            for way in WAYS.values():
                try:
                    value = way(hostile(base, name, deed))
                except BaseException:  # noqa: BLE001, S112  such a value never comes to a cache
                    continue
                made = [value]
                for keep in (f, f.set_cached_value("hostile").to):
                    f.clear("hostile")
                    before = len(cache)
                    own = type(deed) is type and issubclass(deed, BaseException)
                    accepted = (UncacheableValueError, AttributeError, TypeError, *((deed,) if own else ()))
                    try:
                        keep("hostile" if keep is f else value)
                    except accepted:
                        refused += 1
                        assert (before, ...) == (len(cache), f.get_cached_value("hostile"))
                    else:
                        kept += 1
                        assert before + 1 == len(cache)
                        if not isolate:
                            assert f("hostile") is value
                assert (7, 7) == (f(7), f.get_cached_value(7))
    assert kept > 100
    assert (refused > 100) == isolate


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("raised", RAISED)
def test_errors_while_a_kept_value_is_read_are_a_miss_or_passed_on(raised):
    """What cannot be unpickled is computed anew; only what is no Exception goes to the caller."""
    cache = MemoryCache()
    cache.set("k", Unreadable())
    globals()["raised_by_unpickling"] = [None]

    @get_quickcache(cache=cache)(["x"])
    def f(x):
        return Unreadable()

    f(1)
    globals()["raised_by_unpickling"] = [raised]
    if issubclass(raised, Exception):
        assert type(f(1)) is Unreadable
        assert cache.get("k") is None
        assert 2 == cache.stats()["undecodable"]
    else:
        for use in (lambda: f(1), lambda: cache.get("k"), lambda: TieredCache([cache]).get("k")):
            with pytest.raises(raised):
                use()
        assert 0 == cache.stats()["undecodable"]
    globals()["raised_by_unpickling"] = [None]
    assert type(f(1)) is Unreadable
    # What is wrong with the value itself stays so: another may be put there.
    is_removed = issubclass(raised, Exception) and raised not in {RecursionError, MemoryError}
    assert cache.add("k", 1) == is_removed
    assert type(cache.get("k")) is (int if is_removed else Unreadable)
    assert 2 == len(cache)


def read():
    if raised_by_unpickling[0]:  # noqa: F821  set by the test
        raise raised_by_unpickling[0]("unpickling")  # noqa: F821
    return Unreadable()


class Unreadable:
    def __reduce__(self):
        return read, ()


WELL = {"hash": object.__hash__, "eq": lambda it, other: it is other}
behaviour = dict(WELL)


class Member(enum.Enum):
    """One whose hash and equality are told by the test."""

    A = 1
    B = 2
    C = 3

    def __hash__(self):
        return behaviour["hash"](self)

    def __eq__(self, other):
        return behaviour["eq"](self, other)


@pytest.fixture(autouse=True)
def well_behaved():
    behaviour.update(WELL)


class TestKeysOfADictThatAreHostile:
    """Members of an enumeration are kept as they are, and so are the keys of plain data that is copied."""

    @pytest.mark.parametrize("raised", [ZeroDivisionError, KeyboardInterrupt, RecursionError])
    @pytest.mark.parametrize("what", ["hash", "eq"])
    def test_by_raising_while_they_are_copied(self, what, raised):
        cache = MemoryCache()
        value = {Member.A: [1], Member.B: [2]}

        def fail(*_):
            raise raised("in a key")

        if what == "eq":
            behaviour["hash"] = lambda _: 1
            value = {Member.A: [1], Member.B: [2]}
        behaviour[what] = fail
        try:
            cache.set("k", value)
        except raised:
            assert 0 == len(cache)
        else:
            assert 1 == len(cache)
        behaviour.update(WELL)
        cache.set("k", [5])
        assert [5] == cache.get("k")

    def test_by_raising_while_they_are_read(self):
        """A miss, as whatever else can't be read."""
        cache = MemoryCache()
        cache.set("k", {Member.A: [1]})

        def fail(*_):
            raise ZeroDivisionError

        behaviour["hash"] = fail
        assert cache.get("k") is None
        assert 1 == cache.stats()["undecodable"]

    def test_by_another_hash_than_before(self):
        """Such a dict is not what it was for its owner either; its copies are nobody else's."""
        cache = MemoryCache()
        value = {Member.A: [1], Member.B: [2]}
        behaviour["hash"] = lambda it: -object.__hash__(it)
        try:
            cache.set("k", value)
        except UncacheableValueError:
            return
        one, other = cache.get("k"), cache.get("k")
        assert {id(item) for item in one.values()}.isdisjoint(id(item) for item in other.values())
        assert {id(item) for item in one.values()}.isdisjoint(id(item) for item in value.values())

    def test_by_using_the_cache(self):
        cache = MemoryCache()
        value = {Member.A: [1], Member.B: [2]}

        def use(it):
            behaviour["hash"] = object.__hash__
            cache.clear()
            cache.set("k", "from a hash")
            cache.delete("k")
            return object.__hash__(it)

        behaviour["hash"] = use
        cache.set("k", value)
        assert {Member.A: [1], Member.B: [2]} == cache.get("k")


class TestSizesThatAreHostile:
    @pytest.mark.parametrize("size", [2**64 - 1, 2**63, 2**200, -1, "big", None, math.inf])
    def test_whatever_they_are_the_cache_keeps_its_bounds(self, size):
        class Sized:
            def __sizeof__(self):
                return size

        cache = MemoryCache(isolate=False, max_bytes=10_000)
        for value in (Sized(), (Sized(), Sized()), [Sized(), [Sized()]]):
            cache.set("k", value)
            assert cache.get("k") in (value, None)
            cache.set("small", 5)
            assert 5 == cache.get("small")
            assert cache.stats()["bytes"] <= 10_000

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, StopError])
    def test_what_is_no_exception_is_passed_on(self, raised):
        class Sized:
            def __sizeof__(self):
                raise raised

        cache = MemoryCache(isolate=False)
        with pytest.raises(raised):
            cache.set("k", [Sized()])
        assert 0 == len(cache)


def nested(depth, make):
    value = make(None)
    for _ in range(depth):
        value = make(value)
    return value


DEEP = {
    "lists": lambda value: [value],
    "tuples": lambda value: (value,),
    "dicts": lambda value: {"a": value},
    "frozensets": lambda value: frozenset([value]),
    "lists in tuples": lambda value: ([value],),
}


class TestDepth:
    # A frozenset of more levels than this ends the process in hash() itself.
    @pytest.mark.parametrize(
        ("make", "depth"),
        [(make, depth) for make in DEEP for depth in (99, 100, 101, 1_000, 100_000)
         if (make, depth) != ("frozensets", 100_000)],
    )  # fmt: skip
    def test_of_a_value_is_no_crash(self, make, depth):
        """It is kept, or a RecursionError says that it is not; the next one is."""
        for isolate in (True, False):
            cache = MemoryCache(isolate=isolate)

            @get_quickcache(cache=cache)(["x"])
            def f(x):
                return value if x else "shallow"  # noqa: B023

            value = nested(depth, DEEP[make])
            try:
                f(1)
            except RecursionError:
                assert isolate
                assert 0 == len(cache)
            else:
                assert type(value) is type(f.get_cached_value(1))
            assert "shallow" == f(0)

    @pytest.mark.parametrize("make", DEEP.values(), ids=DEEP)
    def test_of_an_argument_is_no_crash(self, make):
        cache = MemoryCache()

        @get_quickcache(cache=cache)(["x"])
        def f(x):
            return "value"

        for use in (f, f.clear, f.get_cached_value, f.set_cached_value, f.get_cache_key):
            with pytest.raises(RecursionError, match="more than 1000 containers"):
                use(nested(1_001, make))
        assert 0 == len(cache)
        assert "value" == f(nested(450, make)) == f(nested(450, make))
        assert 1 == len(cache)

    def test_of_a_cycle_is_no_crash(self):
        @get_quickcache(cache=MemoryCache())(["x"])
        def f(x):
            return x

        cycle = []
        cycle.append({"a": (cycle,)})
        with pytest.raises(RecursionError, match="contains itself"):
            f(cycle)


class TestNumbersAndTexts:
    def test_an_int_of_many_digits_is_refused_as_an_argument_and_kept_as_a_value(self):
        """As CPython has it: 4,300 digits at most become text."""
        cache = MemoryCache()
        huge = 10**100_000

        @get_quickcache(cache=cache)(["x"])
        def f(x):
            return huge

        for argument in (huge, -huge, [huge], {"a": huge}):
            with pytest.raises(ValueError, match="4300 digits"):
                f(argument)
        assert huge == f(1) == f(1)
        assert 1 == len(cache)

    @pytest.mark.parametrize(
        "wrap", [lambda x: x, lambda x: [x], lambda x: {"a": x}], ids=["", "list", "dict"]
    )
    def test_numbers_that_are_equal_but_not_the_same_have_their_own_values(self, wrap):
        @get_quickcache(cache=MemoryCache())(["x"])
        def f(x):
            return repr(x)

        for x in (0, 0.0, -0.0, False, 1, 1.0, True, math.nan, math.inf, 2**53, 2.0**53):
            for _ in range(4):
                assert repr(wrap(x)) == f(wrap(x))

    @pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc80" * 100])
    def test_lone_surrogates_are_refused_as_arguments_and_kept_as_values(self, text):
        cache = MemoryCache()

        @get_quickcache(cache=cache)(["x"])
        def f(x):
            return text

        for argument in (text, [text], {text: 1}):
            with pytest.raises(UnicodeEncodeError):
                f(argument)
        assert text == f(1) == f(1)
        cache.set(text, 5)
        assert 5 == cache.get(text)

    def test_subclasses_with_methods_of_their_own_do_not_answer_for_others(self):
        """A text that says it equals any other, as a key of a cache."""

        class Any(str):
            __slots__ = ()

            def __eq__(self, other):
                return True

            def __hash__(self):
                return hash("b")

        cache = MemoryCache()
        cache.set("b", "value of b")
        assert cache.get(Any("a")) is None
        cache.set(Any("a"), "value of a")
        assert ("value of a", "value of b") == (cache.get("a"), cache.get("b"))


class TestContainersThatChangeInAnotherThread:
    @pytest.mark.parametrize("isolate", [True, False])
    def test_make_a_key_and_a_copy_of_some_moment_or_an_error(self, isolate):
        cache = MemoryCache(isolate=isolate)
        shared = {"list": [], "dict": {}, "set": set()}
        ends = threading.Event()

        @get_quickcache(cache=cache)(["x"])
        def f(x):
            return shared

        def change():
            n = 0
            while not ends.is_set():
                n += 1
                shared["list"].append(n)
                shared["dict"][n] = [n]
                shared["set"].add(n)
                if n % 50 == 0:
                    shared["list"].clear()
                    shared["dict"].clear()
                    shared["set"].clear()

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for turn in range(300):
                for use in (lambda: f(shared), lambda turn=turn: f(turn), lambda: f.clear(shared)):
                    try:
                        use()
                    except RuntimeError as error:
                        assert "changed size during iteration" in str(error)  # noqa: PT017
        finally:
            ends.set()
            thread.join(LIMIT)
        assert f(1) == f(1)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(Member),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.sampled_from(Member), inner, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=plain, other=plain)
def test_what_comes_back_is_what_was_kept(value, other):
    """Any plain data; and what is done to it reaches nobody else."""
    behaviour.update(WELL)
    cache = MemoryCache()

    told = repr(value)

    @get_quickcache(cache=cache)(["x"])
    def f(x):
        return value

    f(1)
    for _ in range(3):
        found = f(1)
        assert told == repr(found)
        if isinstance(found, list | dict):
            found.clear()
    assert told == repr(value)
    f.set_cached_value(1).to(other)
    assert repr(other) == repr(f(1))
