"""What keys take beyond 0.5.4, what keeps them apart, and who is refused."""

import copy
import datetime as dt
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import warnings
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from itertools import combinations
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.utils.functional import lazy, lazystr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import quickcache
from quickcache import KeyCollisionWarning, MemoryCache, QuickCacheHelper, TieredCache, get_quickcache

cached = get_quickcache(cache=MemoryCache())


@cached(["value"])
def function(value):
    return value


def code(value):
    """The part of a key that stands for one value."""
    return function.get_cache_key(value).split("/", 1)[1]


class Colour(Enum):
    RED = 1
    BLUE = "blue"
    LIST = [1]  # noqa: RUF012  the member is one object, whatever its value


class Shade(Enum):
    RED = 1


class Right(Flag):
    READ = auto()
    WRITE = auto()
    ADMIN = auto()


class Role(Flag):
    READ = auto()


class Size(IntEnum):
    SMALL = 1


class Bits(IntFlag):
    ONE = 1


class Name(StrEnum):
    ANN = "ann"


class User:
    def __init__(self, key):
        self.key = key

    def __quickcache_key__(self):
        return self.key


class Account(User):
    pass


HOUR = dt.timezone(dt.timedelta(hours=1))

NEW = {
    "date": dt.date(2024, 2, 29),
    "another date": dt.date(2024, 3, 1),
    "time": dt.time(12, 30),
    "time with microseconds": dt.time(12, 30, 0, 1),
    "time with a zone": dt.time(12, 30, tzinfo=HOUR),
    "timedelta": dt.timedelta(days=1),
    "timedelta of microseconds": dt.timedelta(microseconds=1),
    "negative timedelta": dt.timedelta(days=-1, microseconds=1),
    "timedelta of seconds": dt.timedelta(seconds=1),
    "Decimal": Decimal(1),
    "Decimal with more digits": Decimal("1.0"),
    "Decimal nan": Decimal("nan"),
    "Decimal infinity": Decimal("-inf"),
    "member": Colour.RED,
    "another member": Colour.BLUE,
    "member with a mutable value": Colour.LIST,
    "another class's member": Shade.RED,
    "flag": Right.READ,
    "flags": Right.READ | Right.WRITE,
    "other flags": Right.READ | Right.ADMIN,
    "no flags": Right(0),
    "another class's flag": Role.READ,
    "posix path": PurePosixPath("a/b"),
    "longer path": PurePosixPath("a/b/c"),
    "windows path": PureWindowsPath("a/b"),
    "key": User(1),
    "key as text": User("1"),
    "another class's key": Account(1),
    "key that is a list": User([1, "a"]),
    "key within a key": User(User(1)),
    "frozenset": frozenset({1, 2}),
    "frozenset of dates": frozenset({dt.date(2024, 2, 29)}),
    "list of a date": [dt.date(2024, 2, 29)],
    "dict with new keys and values": {Colour.RED: Decimal(1), dt.date(2024, 2, 29): PurePosixPath("a")},
}

OLD = {
    "None": None,
    "True": True,
    "int": 1,
    "float": 1.0,
    "text": "1",
    "text of a date": "2024-02-29",
    "text of a path": "a/b",
    "text of a member": "Colour.RED",
    "text of a code": "d2024-02-29",
    "text of nothing": "",
    "datetime": dt.datetime(2024, 2, 29),
    "UUID": UUID(int=1),
    "list": [1],
    "list of none": [],
    "dict": {1: 2},
    "dict of none": {},
    "set": {1},
    "set of none": set(),
    "number of days": 1.5,
    "members's value": "blue",
}


class TestNewTypes:
    def test_have_codes_that_nobody_else_has(self):
        codes = {name: code(value) for name, value in (NEW | OLD).items()}

        assert [] == [(a, b) for a, b in combinations(codes, 2) if codes[a] == codes[b]]

    @pytest.mark.parametrize("name", NEW)
    def test_have_the_same_code_each_time(self, name):
        assert code(NEW[name]) == code(copy.deepcopy(NEW[name]))

    @pytest.mark.parametrize("name", [name for name in NEW if "frozenset" not in name])
    def test_do_not_begin_like_an_old_code(self, name):
        """Letters of the original's table: whatever follows them, an old process made it of an old type."""
        letters = ("u", "b", "n", "L", "D", "S", "U", "N", "H")
        if not isinstance(NEW[name], (list, dict)):
            assert not code(NEW[name]).startswith(letters)

    @pytest.mark.parametrize("name", NEW)
    def test_work_in_a_call(self, name):
        computed = []

        @get_quickcache(cache=MemoryCache())(["value"])
        def compute(value):
            computed.append(1)
            return len(computed)

        assert [1, 1] == [compute(NEW[name]), compute(copy.deepcopy(NEW[name]))]

    def test_frozensets_are_as_sets(self):
        assert code({1, "a", (2,)}) == code(frozenset({1, "a", (2,)}))

    def test_lazy_text_is_as_its_text(self):
        assert code("hello") == code(lazystr("hello"))
        assert code(["hello"]) == code([lazystr("hello")])
        assert code("a") != code(lazystr("b"))

    def test_lazy_text_is_read_at_each_call(self):
        """A translation is another text in another language."""
        language = ["en"]
        text = lazy(lambda: {"en": "hello", "de": "hallo"}[language[0]], str)()
        keys = []
        for language[0] in ("en", "de", "en"):
            keys.append(code(text))

        assert [code("hello"), code("hallo"), code("hello")] == keys

    def test_lazy_numbers_are_refused(self):
        with pytest.raises(ValueError, match="Bad type"):
            code(lazy(lambda: 5, int)())

    def test_members_that_are_numbers_or_text_keep_the_originals_code(self):
        assert [code(1), code(1), code("ann")] == [code(Size.SMALL), code(Bits.ONE), code(Name.ANN)]

    def test_an_alias_is_its_member(self):
        class Aliased(Enum):
            ONE = 1
            UNO = 1  # noqa: PIE796  that is an alias

        assert code(Aliased.ONE) == code(Aliased.UNO)

    def test_a_path_is_as_its_pure_form(self):
        assert code(PurePosixPath("a") if os.name == "posix" else PureWindowsPath("a")) == code(Path("a"))

    def test_equal_times_of_two_zones_may_differ_but_each_has_a_code(self):
        assert code(dt.time(12, tzinfo=HOUR)) != code(dt.time(12))

    @pytest.mark.parametrize("helper_class", [QuickCacheHelper, type("Own", (QuickCacheHelper,), {})])
    def test_have_one_code_in_helpers_that_override_how_codes_are_made(self, helper_class):
        class Own(helper_class):
            def _serialize_for_key(self, value):
                return super()._serialize_for_key(value)

        @get_quickcache(cache=MemoryCache(), helper_class=Own)(["value"])
        def function(value):
            return value

        for value in (NEW | OLD).values():
            assert code(value) == function.get_cache_key(value).split("/", 1)[1]


class TestOwnKeys:
    def test_may_be_any_value_that_has_a_code(self):
        keys = [None, 1, "a", [1], {"a": 1}, {1}, Colour.RED, dt.date(2024, 1, 1), User(1)]

        assert len(keys) == len({code(User(key)) for key in keys})

    def test_that_are_no_values_are_refused(self):
        with pytest.raises(ValueError, match="Bad type"):
            code(User(object()))

    def test_that_raise_raise(self):
        class Broken:
            def __quickcache_key__(self):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            code(Broken())

    def test_that_lead_to_themselves_are_a_recursion_error(self):
        user = User(None)
        user.key = [user]
        with pytest.raises(RecursionError):
            code(user)

    def test_do_not_replace_the_code_of_a_type_of_the_table(self):
        """Old processes know nothing of the method: a str is a str."""

        class Text(str):
            __slots__ = ()

            def __quickcache_key__(self):
                return "other"

        assert code("text") == code(Text("text"))

    def test_belong_to_instances(self):
        with pytest.raises(ValueError, match="Bad type"):
            code(User)

    def test_may_use_the_very_cache(self):
        @cached(["x"])
        def compute(x):
            return x

        class Busy:
            def __quickcache_key__(self):
                compute(1)
                compute.clear(1)
                return 1

        assert code(Busy()) == code(Busy())


class TestRefusals:
    @pytest.mark.parametrize(
        "value", [object(), int, 1j, range(3), bytearray(b"a"), lambda: 1, iter([])], ids=range(7)
    )
    def test_name_the_type_and_the_value(self, value):
        with pytest.raises(ValueError, match="Bad type") as refused:
            code(value)
        assert f'Bad type "{type(value)}": {value}' == str(refused.value)

    @pytest.mark.parametrize("depth", [1_000, 100_000])
    @pytest.mark.parametrize(
        "wrap",
        [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, User],
        ids=["list", "tuple", "dict", "key"],
    )
    def test_of_deep_values_are_recursion_errors(self, depth, wrap):
        value = []
        for _ in range(depth):
            value = wrap(value)
        with pytest.raises(RecursionError):
            code(value)
        while value:
            value = (
                value.key
                if isinstance(value, User)
                else next(iter(value.values() if isinstance(value, dict) else value))
            )

    def test_of_values_that_contain_themselves_are_recursion_errors(self):
        one, two = [], {}
        one.append(one)
        two["a"] = [two]
        for value in (one, two):
            with pytest.raises(RecursionError):
                code(value)

    def test_of_deep_values_in_a_small_thread_are_recursion_errors_too(self):
        """Where threads have half a megabyte of stack, or less, a crash is no error that anyone can catch."""
        program = """
            import threading
            from quickcache import MemoryCache, get_quickcache

            @get_quickcache(cache=MemoryCache())(["x"])
            def f(x):
                return "kept"

            def run():
                for depth in (10, 100, 200, 400, 600, 800, 990, 2_000, 100_000):
                    value = []
                    for _ in range(depth):
                        value = [value]
                    try:
                        f(value)
                    except RecursionError:
                        pass
                print("alive")

            f(1)
            threading.stack_size(512 * 1024)
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
        """
        assert "alive\n" == run_in_a_file(program)


def run_in_a_file(program, **environment):
    """What a program prints that runs in a fresh interpreter, from a file of its own."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "program.py")
        file.write_text(textwrap.dedent(program))
        done = subprocess.run(
            [sys.executable, str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            env=os.environ | environment,
        )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


STABLE = """
    import json
    from datetime import date, time, timedelta, timezone
    from decimal import Decimal
    from enum import Enum, Flag
    from pathlib import PurePosixPath, PureWindowsPath
    from quickcache import MemoryCache, get_quickcache

    class Colour(Enum):
        RED = "red"

    class Right(Flag):
        READ = 1
        WRITE = 2

    class User:
        def __quickcache_key__(self):
            return {"a": frozenset("abcdef"), "b": Colour.RED}

    @get_quickcache(cache=MemoryCache())(["value"])
    def function(value):
        return value

    print(json.dumps([function.get_cache_key(value).split("/", 1)[1] for value in [
        frozenset("abcdef"), frozenset({Colour.RED, date(2024, 1, 1), Decimal(1), PurePosixPath("a")}),
        date(2024, 2, 29), time(1, 2, 3, 4, timezone.utc), timedelta(-1, 2, 3), Decimal("1.10"), Colour.RED,
        Right.READ | Right.WRITE, PurePosixPath("a/b"), PureWindowsPath("a/b"), User(),
    ]]))
"""


class TestStability:
    def test_across_processes_with_different_hash_seeds(self):
        told = [json.loads(run_in_a_file(STABLE, PYTHONHASHSEED=seed)) for seed in ("0", "1", "random")]

        assert told[0] == told[1] == told[2]

    def test_of_readable_codes_across_releases(self):
        """A code that changes empties everybody's Redis: these are for good."""
        assert ["d2024-02-29", "t01:02:03.000004+00:00", "i-1:2:3", "c1.10"] == [
            code(value)
            for value in (
                dt.date(2024, 2, 29),
                dt.time(1, 2, 3, 4, dt.UTC),
                dt.timedelta(-1, 2, 3),
                Decimal("1.10"),
            )
        ]


class TestDatetimes:
    @pytest.mark.parametrize("moment", [dt.datetime.min, dt.datetime.max])
    @pytest.mark.parametrize("hours", [-23, -1, 0, 1, 23])
    def test_at_the_calendars_edges_have_keys(self, moment, hours):
        aware = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))

        assert code(aware).startswith("DT")
        assert code(aware) != code(moment)

    def test_at_the_calendars_edges_have_keys_of_their_own(self):
        edges = [
            moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=hours)))
            for moment in (dt.datetime.min, dt.datetime.max)
            for hours in range(-23, 24)
        ]

        assert len(edges) == len({code(moment) for moment in edges})

    def test_that_are_one_moment_have_one_code(self):
        berlin = dt.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))

        assert code(berlin.astimezone(dt.UTC)) == code(berlin) == code(berlin.astimezone(HOUR))


def module_with(tmp_path, name, source):
    """A module of that source, imported."""
    file = tmp_path / f"{name}.py"
    file.write_text(textwrap.dedent(source))
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TWIN = """
from quickcache import MemoryCache, get_quickcache

quickcache = get_quickcache(cache=MemoryCache(), key_format={key_format!r})


@quickcache(["x"])
def twin_{suffix}(x):
    return x, __name__


class Owner:
    @quickcache(["x"])
    def method_{suffix}(self, x):
        return x


class Other:
    @quickcache(["x"])
    def method_{suffix}(self, x):
        return x
"""


class TestCollisions:
    def test_are_warned_of_with_both_names_and_the_cure(self, tmp_path):
        source = TWIN.format(key_format="compatible", suffix="warned").split("class Owner")[0]
        module_with(tmp_path, "one", source)
        with pytest.warns(KeyCollisionWarning) as warned:
            module_with(tmp_path, "two", source)

        (warning,) = warned
        text = str(warning.message)
        assert all(part in text for part in ("two.twin_warned", "one.twin_warned", "key_format='qualified'"))

    def test_point_at_the_line_of_the_decorator(self, tmp_path):
        source = TWIN.format(key_format="compatible", suffix="placed").split("class Owner")[0]
        module_with(tmp_path, "one", source)
        with pytest.warns(KeyCollisionWarning) as warned:
            module = module_with(tmp_path, "two", source)

        (warning,) = warned
        line = Path(warning.filename).read_text().splitlines()[warning.lineno - 1]
        assert (module.__file__, '@quickcache(["x"])') == (warning.filename, line)

    def test_point_there_from_a_users_own_configuration_too(self, tmp_path):
        source = """
            from collections import namedtuple
            from quickcache import MemoryCache, get_quickcache
            from quickcache.quickcache import ConfigMixin, QuickCacheHelper

            class Config(namedtuple("Config", "vary_on skip_arg cache helper_class"), ConfigMixin):
                def call(self):
                    return get_quickcache(cache=self.cache, vary_on=self.vary_on).call()

            class Plain(namedtuple("Plain", "vary_on skip_arg cache helper_class"), ConfigMixin):
                pass

            fields = (..., None, MemoryCache(), QuickCacheHelper)

            @Config(*fields)(["x"])
            def through_call(x):
                return x

            @Plain(*fields)(["x"])
            def plainly(x):
                return x
        """
        module_with(tmp_path, "one", source)
        with pytest.warns(KeyCollisionWarning) as warned:
            module = module_with(tmp_path, "two", source)

        lines = Path(module.__file__).read_text().splitlines()
        assert ['@Config(*fields)(["x"])', '@Plain(*fields)(["x"])'] == [
            lines[warning.lineno - 1] for warning in warned if warning.filename == module.__file__
        ]

    def test_between_classes_of_one_module_are_warned_of(self, tmp_path):
        source = TWIN.format(key_format="compatible", suffix="classes")
        with pytest.warns(KeyCollisionWarning, match=r"Other\.method_classes and .*Owner\.method_classes"):
            module_with(tmp_path, "one", source)

    def test_of_a_module_loaded_anew_are_none(self, tmp_path):
        """Reloading, and the autoreloaders of web frameworks, decorate the same function again."""
        source = TWIN.format(key_format="compatible", suffix="again").split("class Owner")[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                module_with(tmp_path, "one", source)

    def test_do_not_come_up_with_qualified_keys(self, tmp_path):
        source = TWIN.format(key_format="qualified", suffix="qualified")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            modules = [module_with(tmp_path, name, source) for name in ("one", "two")]

        keys = {
            one.get_cache_key(*arguments)
            for module in modules
            for one, arguments in (
                (module.twin_qualified, (1,)),
                (module.Owner.method_qualified, (None, 1)),
                (module.Other.method_qualified, (None, 1)),
            )
        }
        assert 6 == len(keys)

    def test_are_warned_of_once_for_each_pair(self, tmp_path):
        source = TWIN.format(key_format="compatible", suffix="thrice").split("class Owner")[0]
        module_with(tmp_path, "one", source)
        for name in ("two", "three"):
            with pytest.warns(KeyCollisionWarning, match=f"{name}.twin_thrice and one.twin_thrice"):
                module_with(tmp_path, name, source)


class TestKeyFormat:
    def test_has_the_same_shape_and_length(self):
        def function(x): ...

        plain, qualified = (
            get_quickcache(cache=MemoryCache(), key_format=form)(["x"])(function)
            for form in ("compatible", "qualified")
        )
        keys = plain.get_cache_key(1), qualified.get_cache_key(1)

        assert keys[0] != keys[1]
        assert len(keys[0]) == len(keys[1])
        for key, one in zip(keys, (plain, qualified), strict=True):
            assert key == f"quickcache.{one.prefix}/n1"
            name, digits = one.prefix.split(".")
            assert ("function", 8, True) == (name, len(digits), set(digits) <= set("0123456789abcdef"))

    def test_reaches_everything_that_goes_by_the_key(self):
        computed = []

        @get_quickcache(cache=TieredCache([MemoryCache(), MemoryCache()]), key_format="qualified")(["x"])
        def compute(x):
            computed.append(x)
            return x

        compute(1)
        assert [1] == [compute.get_cached_value(1)]
        compute.clear(1)
        assert compute.get_cached_value(1) is Ellipsis
        compute.set_cached_value(1).to(7)
        assert (7, [1]) == (compute(1), computed)

    def test_is_one_of_two(self):
        with pytest.raises(ValueError, match="'compatible' or 'qualified', not 'short'"):
            get_quickcache(cache=MemoryCache(), key_format="short")(["x"])(lambda x: x)


class TestArguments:
    def test_may_be_by_keyword_only(self):
        @cached(["a", "k", "d"])
        def compute(a, *rest, k, d=5, **more):
            return a, k, d

        assert compute.get_cache_key(1, k=2) == compute.get_cache_key(1, k=2, d=5)
        assert 4 == len(
            {
                compute.get_cache_key(1, k=2),
                compute.get_cache_key(1, k=3),
                compute.get_cache_key(1, k=2, d=6),
                compute.get_cache_key(2, k=2),
            }
        )
        assert [(1, 2, 5), (1, 3, 5)] == [compute(1, k=2), compute(1, k=3)]
        with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'k'"):
            compute(1)

    def test_may_be_named_as_those_of_the_helper(self):
        @cached(["self", "args", "kwargs", "fn", "key"])
        def compute(*, self, args, kwargs, fn, key):
            return self, args, kwargs, fn, key

        given = {"self": 1, "args": 2, "kwargs": 3, "fn": 4, "key": 5}
        assert [(1, 2, 3, 4, 5)] * 2 == [compute(**given), compute(**given)]
        assert (1, 2, 3, 4, 5) == compute.get_cached_value(**given)
        compute.clear(**given)
        assert compute.get_cached_value(**given) is Ellipsis
        compute.set_cached_value(**given).to("set")
        assert "set" == compute(**given)

    def test_by_keyword_only_may_be_the_one_to_skip_by(self):
        computed = []

        @cached(["x"], skip_arg="self")
        def compute(x, *, self=False):
            computed.append(x)
            return len(computed)

        assert [1, 1, 2, 2] == [compute(0), compute(0), compute(0, self=True), compute(0)]


class TestDeferredFunctions:
    def test_are_refused_at_decoration(self):
        def generate(x):
            yield x

        async def wait(x):
            return x

        async def generate_later(x):
            yield x

        for function in (generate, wait, generate_later):
            with pytest.raises(TypeError, match=f"cannot cache {function.__name__}"):
                cached(["x"])(function)


HEX = "0123456789abcdef"
pieces = st.one_of(
    st.sampled_from(
        [
            "quickcache.",
            "quickcache",
            ".",
            "/",
            ",",
            "name",
            "name..",
            ".01234567/",
            ".0123456g/",
            ".01234567",
            "0123456789abcdef" * 2,
            "0123456789abcdef" * 2 + "0",
            ("0123456789abcdef" * 2)[:-1],
            "0123456789ABCDEF" * 2,
            "f" * 32,
            "0" * 32,
            "n1",
            "N",
            "b1",
            "H",
            "u",
            "L",
            "\xf5",
            "\xf8",
            "\u0100",
            "\U0001f40d",
            "\ud800",
            "\x00",
        ]
    ),
    st.sampled_from("uLDSHEpQUnx"),
    st.text(HEX, min_size=30, max_size=34),
    st.text(max_size=3),
)
keys = st.lists(pieces, max_size=8).map("".join)
wire_like = st.builds(
    "quickcache.{}.{}/{}".format,
    st.sampled_from(["name", "n", "\u00e4" * 40, "a" * 40 + "..", "a.b", "", "a/b"]),
    st.text(HEX, min_size=7, max_size=9),
    st.lists(
        st.builds(str.__add__, st.sampled_from("uLDSHEpQUn"), st.text(HEX, min_size=31, max_size=33)),
        max_size=4,
    ).map(",".join),
)


def nudged(text):
    """Texts that are nearly `text`."""
    return st.integers(0, max(len(text) - 1, 0)).flatmap(
        lambda at: st.sampled_from(
            [
                text,
                text[:at] + text[at + 1 :],
                text[:at] + "u" + text[at:],
                text[:at] + text[at : at + 1].swapcase() + text[at + 1 :],
                text[:at] + "," + text[at + 1 :],
                text + ",",
                text[:-1],
            ]
        )
    )


pairs = st.one_of(keys, wire_like).flatmap(
    lambda text: st.tuples(st.just(text), st.one_of(nudged(text), keys))
)


class TestPackedKeys:
    """Seen from outside: two texts are one key of MemoryCache if and only if they are equal."""

    @settings(max_examples=600, deadline=None)
    @given(pairs)
    @example(("u" + "0" * 32, "\xf8" + "\x00" * 16))
    @example(("u" + "61" * 16, "\xf8" + "a" * 16))
    @example(("quickcache.n.01234567/", "\xf5\x00"))
    @example(("\ud800", "?"))
    @example(("\ud83d\udc0d", "\U0001f40d"))
    def test_are_equal_if_and_only_if_the_texts_are(self, pair):
        one, other = pair
        cache = MemoryCache()
        cache.set(one, "value")

        assert (one == other) == (cache.get(other) == "value") == (other in cache)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.one_of(keys, wire_like), unique=True, min_size=10, max_size=50))
    def test_of_many_texts_keep_as_many_values(self, texts):
        cache = MemoryCache(max_entries=None)
        cache.set_many({text: place for place, text in enumerate(texts)})

        assert {text: place for place, text in enumerate(texts)} == cache.get_many(texts)
        assert len(texts) == len(cache)

    def test_of_a_decorated_function_are_those_of_its_text(self):
        cache = MemoryCache()

        @get_quickcache(cache=cache)(lambda *values: values)
        def compute(*values):
            return values

        for values in (
            (),
            ("a",),
            ({"a": 1}, [2], {3}, None),
            tuple("abcdefgh"),
            (frozenset(), dt.date.max, Colour.RED),
        ):
            compute(*values)
            assert cache.get(compute.get_cache_key(*values)) == values
            assert cache.delete(compute.get_cache_key(*values)) is True

    def test_of_more_prefixes_than_are_numbered(self):
        """After 65,536 prefixes new ones stay text; in a process of its own, which keeps their numbers."""
        program = """
            from quickcache import MemoryCache
            cache = MemoryCache(max_entries=None)
            keys = [f"quickcache.f.{i:08x}/n{i % 3}" for i in range(66_000)]
            cache.set_many({key: place for place, key in enumerate(keys)})
            print(len(cache), [cache.get(key) for key in keys] == list(range(66_000)))
        """
        assert "66000 True\n" == run_in_a_file(program)


def test_the_package_names_what_it_raises():
    assert all(hasattr(quickcache, name) for name in quickcache.__all__)
