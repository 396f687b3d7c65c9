"""MemoryCache: what a caller does to a value never shows up in the cache."""

import contextlib
import logging
import pickle
import sys
import types
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum, auto
from fractions import Fraction
from pathlib import Path, PurePosixPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from quickcache import MemoryCache, QuickCacheError, TieredCache, UncacheableValueError


class Colour(Enum):
    RED = [1]  # noqa: RUF012  a member with a mutable value is still the one member


class Size(IntEnum):
    SMALL = 1


class Right(Flag):
    READ = auto()
    WRITE = auto()


class Thing:
    """Something of a user's: picklable, changeable, equal by content."""

    def __init__(self, *parts):
        self.parts = list(parts)

    def __eq__(self, other):
        return isinstance(other, Thing) and self.parts == other.parts

    def __hash__(self):
        return 0


class Text(str):
    __slots__ = ("note",)


class OddZone(tzinfo):
    def utcoffset(self, moment):
        return timedelta(hours=1)


IMMUTABLE = [
    None,
    True,
    10**30,
    1.5,
    1j,
    "text of some length",
    b"bytes of some length",
    range(10),
    (1, "a", (2.5, b"b", None)),
    frozenset({1, (2, "c")}),
    (frozenset({(1,)}), 10**30),
    date(2024, 1, 1),
    time(12),
    time(12, tzinfo=UTC),
    timedelta(1),
    datetime(2024, 1, 1),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")),
    Decimal("1.10"),
    Fraction(1, 3),
    UUID(int=1),
    Path("a/b"),
    PurePosixPath("a/b"),
    Colour.RED,
    Size.SMALL,
    Right.READ | Right.WRITE,
    NotImplemented,
]

MUTABLE = [
    [],
    [1, [2]],
    {},
    {"a": [1], (1, 2): {3}},
    set(),
    {1, "a", (2,)},
    ([1],),
    ("a", {"b": 1}),
    bytearray(b"a"),
    Thing(1, [2]),
    [Thing(1)],
    (Thing(1),),
    {"a": Thing(1)},
    {Thing(1): 1},
    {Thing(1)},
    frozenset({Thing(1)}),
    OrderedDict(a=[1]),
    defaultdict(list, a=[1]),
    deque([[1]]),
    datetime(2024, 1, 1, tzinfo=OddZone()),
    Text("text"),
]


def names(values):
    """Test ids that do not depend on the hash seed."""
    return [f"{type(value).__name__} {place}" for place, value in enumerate(values)]


@pytest.fixture
def cache():
    return MemoryCache()


def kept(cache, value):
    """The value as the cache gives it back."""
    cache.set("k", value)
    return cache.get("k", default=Ellipsis)


class TestImmutableValues:
    @pytest.mark.parametrize("value", IMMUTABLE, ids=names(IMMUTABLE))
    def test_are_shared_as_they_are(self, cache, value):
        assert kept(cache, value) is value
        assert cache.get("k") is value

    def test_within_a_container_are_shared(self, cache):
        inner = tuple(IMMUTABLE)

        assert kept(cache, [inner])[0] is inner
        assert kept(cache, {"a": inner})["a"] is inner


class TestMutableValues:
    @pytest.mark.parametrize("value", MUTABLE, ids=names(MUTABLE))
    def test_come_back_equal_and_never_the_same(self, cache, value):
        first, second = kept(cache, value), cache.get("k")

        assert (type(value), value) == (type(first), first)
        assert 3 == len({id(value), id(first), id(second)})

    def test_order_of_a_dict_is_kept(self, cache):
        assert ["z", "a", "m"] == list(kept(cache, {"z": [], "a": {}, "m": 1}))

    def test_attributes_of_a_text_with_more_to_it_are_kept(self, cache):
        value = Text("text")
        value.note = [1]
        found = kept(cache, value)
        found.note.append(2)

        assert [1] == cache.get("k").note

    def test_keys_of_a_dict_that_can_change_are_copied(self, cache):
        value = {Thing(1): "a"}
        found = kept(cache, value)
        next(iter(found)).parts.append(2)
        next(iter(value)).parts.append(3)

        assert [1] == next(iter(cache.get("k"))).parts

    @pytest.mark.parametrize(
        ("make", "change"),
        [
            (lambda: [[1]], lambda v: v[0].append(2)),
            (lambda: [1], lambda v: v.append(2)),
            (lambda: {"a": {"b": [1]}}, lambda v: v["a"]["b"].append(2)),
            (lambda: {"a": 1}, lambda v: v.clear()),
            (lambda: {1}, lambda v: v.add(2)),
            (lambda: ("a", ([1],)), lambda v: v[1][0].append(2)),
            (lambda: [{1}], lambda v: v[0].clear()),
            (lambda: bytearray(b"a"), lambda v: v.append(1)),
            (lambda: Thing([1]), lambda v: v.parts[0].append(2)),
            (lambda: [Thing(1)], lambda v: v[0].parts.append(2)),
            (lambda: deque([[1]]), lambda v: v[0].append(2)),
        ],
        ids=[
            "list in list", "list", "list in dict in dict", "dict", "set", "list in tuple in tuple",
            "set in list", "bytearray", "object", "object in list", "list in deque",
        ],
    )  # fmt: skip
    def test_are_copied_both_at_set_and_at_get(self, cache, make, change):
        value = make()
        cache.set("k", value)
        change(value)
        assert make() == cache.get("k")

        change(cache.get("k"))
        assert make() == cache.get("k")

    def test_are_copied_on_their_way_through_a_tiered_cache(self):
        cache = TieredCache([MemoryCache(), MemoryCache()])
        value = {"a": [1]}
        cache.set("k", value)
        value["a"].append(2)
        cache.caches[0].clear()
        promoted = cache.get("k")
        promoted["a"].append(3)

        assert [{"a": [1]}, {"a": [1]}] == [one.get("k") for one in cache.caches]

    def test_get_many_copies_too(self, cache):
        cache.set_many({"k": [1]})
        cache.get_many(["k"])["k"].append(2)

        assert {"k": [1]} == cache.get_many(["k"])


class TestSharingWithinAValue:
    @pytest.mark.parametrize("shared", [{}, [], set(), ([],), Thing(1)], ids=lambda v: type(v).__name__)
    @pytest.mark.parametrize(
        "make",
        [lambda s: [s, s], lambda s: (s, [s]), lambda s: {"a": s, "b": {"c": s}}],
        ids=["list", "tuple", "dict"],
    )
    def test_survives(self, cache, shared, make):
        def places(value):
            if isinstance(value, dict):
                return value["a"], value["b"]["c"]
            first, second = value
            return first, second[0] if isinstance(value, tuple) else second

        for found in (kept(cache, make(shared)), cache.get("k")):
            first, second = places(found)
            assert first is second
            assert first is not shared

    def test_is_none_where_there_was_none(self, cache):
        found = kept(cache, [[], []])

        assert found[0] is not found[1]

    def test_survives_in_a_list_that_contains_itself(self, cache):
        value = [1]
        value.append(value)
        for found in (kept(cache, value), cache.get("k")):
            assert found[1] is found
            assert found is not value

    def test_survives_in_a_dict_that_contains_itself(self, cache):
        value = {}
        value["a"] = [value]
        for found in (kept(cache, value), cache.get("k")):
            assert found["a"][0] is found
            assert found is not value

    def test_survives_in_a_tuple_that_contains_itself(self, cache):
        value = ([],)
        value[0].append(value)
        for found in (kept(cache, value), cache.get("k")):
            assert found[0][0] is found
            assert found is not value

    def test_survives_between_lists_that_contain_each_other(self, cache):
        one, two = [], []
        one.append(two)
        two.append(one)
        found = kept(cache, (one, two))

        assert (True, True) == (found[0][0] is found[1], found[1][0] is found[0])

    def test_of_many_places_does_not_multiply(self, cache):
        """Forty lists of two, each within the next: copied as 40 objects, not as 2**40."""
        value = [1]
        for _ in range(40):
            value = [value, value]
        found = kept(cache, value)

        assert found[0] is found[1]

    def test_of_immutable_parts_does_not_multiply_the_time(self, cache):
        shared = (1, 2)
        for _ in range(60):
            shared = (shared, shared)
        cache.set("key", [shared, []])
        first = cache.get("key")
        assert first[0] is shared
        first[1].append(1)
        assert cache.get("key")[1] == []


class TestDeepValues:
    @pytest.mark.parametrize(
        "wrap",
        [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: (v, [])],
        ids=["list", "tuple", "dict", "tuple of two"],
    )
    @pytest.mark.parametrize("levels", [50, 99, 100, 101, 102, 150])
    def test_of_some_levels_are_kept(self, cache, wrap, levels):
        value = []
        for _ in range(levels):
            value = wrap(value)
        found = kept(cache, value)
        assert found == value

        while found:
            found, value = [next(iter(v.values() if isinstance(v, dict) else v)) for v in (found, value)]
        assert found is not value

    @pytest.mark.parametrize(
        "wrap",
        [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, Thing],
        ids=["list", "tuple", "dict", "object"],
    )
    @pytest.mark.parametrize("isolate", [True, False])
    def test_of_any_number_of_levels_are_kept_or_a_recursion_error(self, wrap, isolate):
        value = []
        for _ in range(100_000):
            value = wrap(value)
        cache = MemoryCache(isolate=isolate)
        try:
            cache.set("k", value)
        except RecursionError:
            assert isolate
            assert "k" not in cache
        else:
            assert type(cache.get("k")) is type(value)
        while value:  # taken apart by hand: Thing's own destructor is as deep as the value
            value = next(iter(value.values() if isinstance(value, dict) else getattr(value, "parts", value)))


class Unsteady(Enum):
    """Members whose hash is another one each time, which no dict can do with."""

    ONE = 1

    def __hash__(self):
        return next(self.hashes)


class TestUsersCodeWithinAValue:
    """Members of enumerations are shared, and are the only objects of a user's in what is copied."""

    @pytest.mark.parametrize(
        "make",
        [lambda key: {key: []}, lambda key: {key: [], "b": [1]}, lambda key: [{key}, []]],
        ids=["dict", "larger dict", "set"],
    )
    def test_may_hash_as_it_likes_and_nothing_worse_than_an_exception_follows(self, cache, make):
        Unsteady.hashes = iter(range(0, 10**9, 7))
        for _ in range(20):
            with contextlib.suppress(Exception):  # PyO3's PanicException is none
                cache.set("k", make(Unsteady.ONE))
                cache.get("k")


class TestPickledValues:
    def test_unpicklable_ones_are_refused_with_what_to_do(self, cache):
        for value in (lambda: 1, [lambda: 1], {"a": Thing(lambda: 1)}, (i for i in []), sys, open(__file__)):  # noqa: SIM115, PTH123
            with pytest.raises(
                UncacheableValueError, match=r"picklable.*MemoryCache\(isolate=False\)"
            ) as refused:
                cache.set("k", value)
            assert type(value).__name__ in str(refused.value)
            assert isinstance(refused.value, (QuickCacheError, TypeError))
            assert isinstance(refused.value.__cause__, Exception)
            if hasattr(value, "name"):
                value.close()
        assert 0 == len(cache)

    def test_an_error_in_a_users_own_pickling_is_the_cause(self, cache):
        class Unwilling:
            def __reduce__(self):
                raise ZeroDivisionError("not today")

        with pytest.raises(UncacheableValueError, match="not today") as refused:
            cache.set("k", Unwilling())
        assert isinstance(refused.value.__cause__, ZeroDivisionError)

    def test_a_refusal_changes_nothing(self, cache):
        cache.set("k", "old")
        with pytest.raises(UncacheableValueError):
            cache.set("k", lambda: 1)

        assert "old" == cache.get("k")

    def test_keyboard_interrupts_are_not_swallowed(self, cache):
        class Slow:
            def __reduce__(self):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cache.set("k", Slow())

    def test_bytes_of_a_pickle_are_only_bytes(self, cache):
        value = pickle.dumps(Thing(1))

        assert kept(cache, value) is value


class TestUndecodableValues:
    @pytest.fixture
    def vanished(self, cache, monkeypatch):
        """A cache with a value whose class is no longer there."""
        module = types.ModuleType("here_today")
        monkeypatch.setitem(sys.modules, "here_today", module)
        exec("class Gone:\n    pass", vars(module))  # noqa: S102  a class of that module
        cache.set("k", module.Gone())
        assert type(cache.get("k")) is module.Gone
        del module.Gone
        return cache

    def test_are_a_miss(self, vanished):
        assert vanished.get("k", default=Ellipsis) is Ellipsis
        assert {} == vanished.get_many(["k"])

    def test_are_removed(self, vanished):
        assert vanished.get("k") is None
        assert "k" not in vanished
        assert vanished.add("k", 1)

    def test_are_counted_as_undecodable_and_as_misses(self, vanished):
        before = vanished.stats()
        for _ in range(3):
            vanished.get("k")
        after = vanished.stats()

        assert {"undecodable": 1, "misses": 3, "hits": 0} == {
            name: after[name] - before[name] for name in ("undecodable", "misses", "hits")
        }

    def test_are_logged(self, vanished, caplog):
        with caplog.at_level(logging.WARNING, "quickcache"):
            vanished.get("k")

        (record,) = caplog.records
        assert ("quickcache", "WARNING") == (record.name, record.levelname)
        assert "Gone" in record.getMessage()

    def test_are_replaced_by_the_next_value(self, vanished):
        vanished.set("k", 5)

        assert 5 == vanished.get("k")

    @pytest.mark.parametrize(
        "error", [ImportError, EOFError, AttributeError, ZeroDivisionError, RecursionError]
    )
    def test_are_those_of_any_exception(self, cache, monkeypatch, error):
        monkeypatch.setattr(Thing, "__setstate__", raising(error), raising=False)

        assert kept(cache, Thing(1)) is Ellipsis

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_are_not_those_of_a_wish_to_stop(self, cache, monkeypatch, error):
        monkeypatch.setattr(Thing, "__setstate__", raising(error), raising=False)
        cache.set("k", Thing(1))

        with pytest.raises(error):
            cache.get("k")


def raising(error):
    def method(*args):
        raise error

    return method


class TestSharedValues:
    def test_are_the_very_objects(self):
        cache = MemoryCache(isolate=False)
        for value in (*MUTABLE, *IMMUTABLE, lambda: 1, sys, object()):
            assert kept(cache, value) is value
            assert cache.get_many(["k"])["k"] is value
