"""A second call finds the first one's value if their wire keys are equal, and never if they are not."""

import enum
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quickcache import MemoryCache, get_quickcache

EDGES = [
    sign * (1 << bits) + delta
    for bits in (0, 7, 8, 15, 16, 29, 30, 31, 32, 59, 60, 62, 63, 64, 90, 127, 128)
    for sign in (1, -1)
    for delta in (-1, 0, 1)
]


class Int(int):
    pass


class Str(str):
    __slots__ = ()


class Bytes(bytes):
    pass


class Float(float):
    pass


class List(list):
    pass


class Tuple(tuple):
    __slots__ = ()


class Dict(dict):
    pass


class Set(set):
    pass


class Frozen(frozenset):
    pass


class Moment(datetime):
    pass


class Uuid(uuid.UUID):
    pass


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Word(enum.StrEnum):
    A = "a"


class Liar:
    """Says that it is of another class: lazy proxies do."""

    def __init__(self, value):
        self.value = value

    @property
    def __class__(self):
        return type(self.value)

    def __str__(self):
        return str(self.value)

    def encode(self, *args):
        return str(self.value).encode(*args)

    def __iter__(self):
        return iter(self.value)

    def __bool__(self):
        return bool(self.value)

    def __repr__(self):
        return f"Liar({self.value!r})"


BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = [
    datetime(2024, 1, 2, 3, 4, 5),
    datetime(2024, 1, 2, 3, 4, 5, 6),
    datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(0))),
    datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(0), "name")),
    datetime(2024, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 10, 27, 2, 30),
    datetime(2024, 10, 27, 2, 30, fold=1),
    datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 30, tzinfo=UTC, fold=1),
    datetime.min,
    datetime.max,
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    Moment(2024, 1, 2, 3, 4, 5),
    Moment(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
]
ID = uuid.UUID("12345678123456781234567812345678")
VALUES = [
    *EDGES,
    None,
    True,
    False,
    0.0,
    -0.0,
    1.0,
    2.0,
    1.5,
    1e16,
    1e22,
    float(1 << 53),
    math.nan,
    -math.nan,
    math.inf,
    -math.inf,
    5e-324,
    "",
    "\0",
    "\0\0",
    "a",
    "a\0",
    "1",
    "b1",
    "n1",
    "N",
    "\x7f",
    "\x80",
    "\xe9",
    "e\u0301",
    "\u20ac",
    "\uffff",
    "\U0001f600",
    "x" * 94,
    "x" * 95,
    "x" * 96,
    "x" * 300,
    "\xe9" * 300,
    b"",
    b"\0",
    b"a",
    b"a\0",
    b"x" * 96,
    b"\x80",
    b"\xff\xfe",
    "\xe9".encode(),
    "\xe9".encode("latin-1"),
    (),
    [],
    {},
    set(),
    frozenset(),
    (1,),
    [1],
    [True],
    [1.0],
    ["1"],
    {1},
    frozenset({1}),
    {1: 1},
    {1: None},
    {1: 2, 3: 4},
    {3: 4, 1: 2},
    {1, 2},
    (1, 2),
    (2, 1),
    ((1,), 2),
    (1, (2,)),
    ((1, 2),),
    [[1], [2]],
    [[1, 2]],
    [[], [1, 2]],
    [[1, 2], []],
    [[[[[[[[[[1]]]]]]]]]],
    [[[[[[[[[[2]]]]]]]]]],
    ("a", "b"),
    ("ab",),
    ("a\0", "b"),
    ("a", "\0b"),
    {"a": {"b": [1, {2}]}},
    ID,
    Uuid(ID.hex),
    uuid.UUID(int=0),
    str(ID),
    ID.bytes,
    ID.int,
    *MOMENTS,
    Int(1),
    Int(1 << 40),
    Str("a"),
    Bytes(b"a"),
    Float(1.0),
    List([1]),
    Tuple((1,)),
    Dict({1: 2}),
    Set({1}),
    Frozen({1}),
    Number.ONE,
    Number.TWO,
    Word.A,
    Liar("a"),
    Liar("b"),
    [Liar("a")],
    Liar([1]),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3),
    st.sampled_from(EDGES),
    st.floats(),
    st.integers(-3, 3).map(float),
    st.text("a\x7f\x80\xff\u0100\uffff\U00010000\U0010ffff", max_size=6),
    st.text("ab\0\xe9\u20ac\U0001f600", max_size=12),
    st.binary(max_size=5),
    st.text("ab1", max_size=3).map(str.encode),
    st.sampled_from([ID, Uuid(ID.hex), *MOMENTS, Int(1), Str("a"), Bytes(b"a"), Float(1.0), Number.ONE]),
    st.datetimes(timezones=st.sampled_from([None, UTC, BERLIN, timezone(timedelta(hours=1))])),
    st.uuids(),
)


def of_containers(values):
    hashable = st.one_of(st.integers(-3, 3), st.text("ab", max_size=2), st.booleans(), st.none())
    return st.one_of(
        st.lists(values, max_size=3),
        st.lists(values, max_size=3).map(tuple),
        st.dictionaries(hashable, values, max_size=3),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
        st.lists(values, max_size=2).map(List),
        st.lists(values, max_size=2).map(Tuple),
    )


values = st.recursive(scalars, of_containers, max_leaves=6)


def probes():
    """Decorated functions that bind their value in each of the ways of a hit."""
    computed = []
    quickcache = get_quickcache(cache=MemoryCache())

    def count(*args, **kwargs):
        computed.append(1)
        return len(computed)

    @quickcache(["x"])
    def by_place(x):
        return count()

    @quickcache(["x.value"])
    def by_attribute(x):
        return count()

    @quickcache(lambda x: [x])
    def by_list(x):
        return count()

    @quickcache(lambda x: (x,))
    def by_tuple(x):
        return count()

    @quickcache(["a", "x", "b"])
    def among_others(a, x, b):
        return count()

    class Owner:
        def __init__(self, value):
            self.value = value

    ways = {
        "place": (by_place, lambda x: ((x,), {})),
        "name": (by_place, lambda x: ((), {"x": x})),
        "attribute": (by_attribute, lambda x: ((Owner(x),), {})),
        "list": (by_list, lambda x: ((x,), {})),
        "tuple": (by_tuple, lambda x: ((x,), {})),
        "others": (among_others, lambda x: (("a", x, 1), {})),
    }
    return {name: (way[0], way[1], {}) for name, way in ways.items()}


def check(probe, value):
    """Call with a value, several times, and compare with all calls before by their wire keys."""
    cached, form, known = probe
    args, kwargs = form(value)
    key = cached.get_cache_key(*args, **kwargs)
    answers = [cached(*args, **kwargs) for _ in range(4)]
    expected = known.setdefault(key, answers[0])
    assert [expected] * 4 == answers, value
    assert len(known) == len(set(known.values())), value


WAYS = ["place", "name", "attribute", "list", "tuple", "others"]


@pytest.mark.parametrize("way", WAYS)
class TestEqualKeys:
    def test_are_what_the_values_at_the_edges_need_to_meet(self, way):
        probe = probes()[way]
        for _ in range(3):
            for value in VALUES:
                check(probe, value)
        for value in reversed(VALUES):
            check(probe, value)

    def test_are_what_generated_values_need_to_meet(self, way):
        probe = probes()[way]

        @settings(
            max_examples=120,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(st.lists(values, min_size=1, max_size=6))
        def run(given_values):
            for value in given_values:
                check(probe, value)

        run()


@pytest.mark.parametrize("way", WAYS)
class TestWhatHasNoKey:
    """A value that is refused is refused each time, whatever lies next to it in the front."""

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            ("\ud800", UnicodeEncodeError),
            (["\ud800"], UnicodeEncodeError),
            (object(), ValueError),
            ([object()], ValueError),
            ({1: object}, ValueError),
        ],
        ids=["surrogate", "in a list", "object", "object in a list", "type in a dict"],
    )
    def test_is_refused_hot_and_cold(self, way, value, error):
        cached, form, _ = probes()[way]
        for _ in range(4):
            args, kwargs = form(1)
            cached(*args, **kwargs)
            args, kwargs = form(value)
            with pytest.raises(error):
                cached(*args, **kwargs)

    def test_lone_surrogates_are_refused_as_their_key_is(self, way):
        cached, form, _ = probes()[way]
        args, kwargs = form("\udfff\ud800")
        with pytest.raises(UnicodeEncodeError):
            cached.get_cache_key(*args, **kwargs)
        with pytest.raises(UnicodeEncodeError):
            cached(*args, **kwargs)


class TestSplitsOfTexts:
    def test_between_arguments_are_told_apart(self):
        """Two texts that read alike one after the other are two keys, at each length about the edges."""

        @get_quickcache(cache=MemoryCache())(["a", "b"])
        def cached(a, b):
            return a, b

        for _ in range(4):
            for length in (0, 1, 7, 8, 9, 15, 16, 39, 40, 41, 94, 95, 96, 97, 255, 256, 257, 600):
                for alphabet in ("x", "\0", " ", "\xe9", "\x04", "\x20"):
                    text = alphabet * length
                    for place in {0, 1, length // 2, length - 1, length} & set(range(length + 1)):
                        assert (text[:place], text[place:]) == cached(text[:place], text[place:])

    def test_of_bytes_and_text_meet_only_where_their_keys_do(self):
        computed = []

        @get_quickcache(cache=MemoryCache())(["a"])
        def cached(a):
            computed.append(a)
            return len(computed)

        for _ in range(4):
            assert cached("a") == cached(b"a") == cached(Str("a")) == cached(Bytes(b"a"))
            assert cached("\xe9") == cached("\xe9".encode()) != cached("\xe9".encode("latin-1"))


def test_a_container_that_changes_is_another_value(hot):
    @get_quickcache(cache=MemoryCache())(["x"])
    def cached(x):
        return repr(x)

    value = [1, {"a": [2]}, {3}]
    assert repr(value) == hot(cached, value)
    value[1]["a"].append(4)
    assert repr(value) == hot(cached, value)
    value[2].add(5)
    assert repr(value) == hot(cached, value)
    value.pop()
    assert repr(value) == hot(cached, value)


def test_the_same_dict_in_another_order_meets_the_same_value():
    computed = []

    @get_quickcache(cache=MemoryCache())(["x"])
    def cached(x):
        computed.append(x)
        return len(computed)

    names = "abcdefgh"
    for _ in range(4):
        for turn in range(len(names)):
            order = names[turn:] + names[:turn]
            assert 1 == cached({name: ord(name) for name in order})
            assert 1 == cached({name: ord(name) for name in reversed(order)})
