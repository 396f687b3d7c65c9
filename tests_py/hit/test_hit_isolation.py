"""What a caller does to the value of a hot hit never shows up in another's, nor in the cache."""

import copy

import pytest

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache


def of_four():
    return {"a": 1, "b": "two", "c": [3, 4], "d": None}


def shared():
    inner = [1]
    return {"one": inner, "two": inner, "both": (inner, inner)}


def cyclic():
    value = [1]
    value.append(value)
    return value


class Thing:
    def __init__(self):
        self.items = [1]

    def __eq__(self, other):
        return self.items == other.items

    __hash__ = None


def spoil_four(value):
    value["c"].append(5)
    value["a"] = "spoilt"
    del value["b"]


VALUES = {
    "dict of four": (of_four, spoil_four),
    "nested": (lambda: [[[[1]]], {"a": {"b": {"c": {1}}}}], lambda value: value[1]["a"]["b"]["c"].add(2)),
    "tuple with a list": (lambda: (1, [2], (3, [4])), lambda value: value[2][1].append(5)),
    "set": (lambda: {1, 2}, lambda value: value.add(3)),
    "set in a tuple": (lambda: ({1}, frozenset({2})), lambda value: value[0].clear()),
    "list": (lambda: [1, 2], list.clear),
    "empty list": (list, lambda value: value.append(1)),
    "empty dict": (dict, lambda value: value.update(a=1)),
    "shared substructure": (shared, lambda value: value["one"].append(2)),
    "pickled": (lambda: {"thing": [Thing()]}, lambda value: value["thing"][0].items.append(2)),
    "bytearray": (lambda: bytearray(b"a"), lambda value: value.extend(b"b")),
    "list in a key's value": (lambda: {(1, 2): [3]}, lambda value: value[1, 2].append(4)),
    "120 levels": (lambda: deep(120), lambda value: innermost(value).append(1)),
}


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def innermost(value):
    while value:
        value = value[0]
    return value


@pytest.fixture(params=["memory", "tiered", "prefixed"])
def quickcache(request):
    memory = MemoryCache()
    return get_quickcache(
        cache={
            "memory": memory,
            "tiered": TieredCache([memory, MemoryCache()]),
            "prefixed": CacheWithPresets(memory, 60, lambda: "p"),
        }[request.param]
    )


@pytest.mark.parametrize(("make", "spoil"), VALUES.values(), ids=VALUES)
class TestAValue:
    def test_that_is_spoilt_is_so_for_that_caller_alone(self, quickcache, make, spoil):
        """At the miss, at the hit that puts it into the front, and at each hot hit."""

        @quickcache(["x"])
        def cached(x):
            return make()

        for _ in range(8):
            found = cached(1)
            assert make() == found
            spoil(found)
            assert make() != found
        assert make() == cached.get_cached_value(1)

    def test_that_was_set_and_spoilt_since_is_as_it_was_set(self, quickcache, make, spoil):
        @quickcache(["x"])
        def cached(x):
            raise AssertionError

        value = make()
        cached.set_cached_value(1).to(value)
        spoil(value)
        assert [make()] * 5 == [cached(1) for _ in range(5)]

    def test_of_two_callers_shares_nothing_that_can_change(self, quickcache, make, spoil, hot):
        @quickcache(["x"])
        def cached(x):
            return make()

        hot(cached, 1)
        one, other = cached(1), cached(1)
        snapshot = copy.deepcopy(other)
        spoil(one)
        assert snapshot == other


class TestIdentityWithinAValue:
    def test_is_kept(self, quickcache, hot):
        @quickcache(["x"])
        def cached(x):
            return shared()

        found = hot(cached, 1)
        assert found["one"] is found["two"] is found["both"][0] is found["both"][1]

    def test_of_a_cycle_is_kept(self, quickcache, hot):
        @quickcache(["x"])
        def cached(x):
            return cyclic()

        found = hot(cached, 1)
        assert found[1] is found
        found.append(2)
        assert 2 == len(cached(1))


class TestArguments:
    def test_that_are_returned_are_apart_from_the_callers_own(self, quickcache, hot):
        @quickcache(["x"])
        def cached(x):
            return x

        argument = [1, [2]]
        for _ in range(5):
            found = cached(argument)
            assert [1, [2]] == found
            found[1].append(3)
            argument = [1, [2]]


class TestImmutableValues:
    def test_are_the_very_object(self, quickcache, hot):
        value = ("a", 1.5, (b"bytes", frozenset({2})))

        @quickcache(["x"])
        def cached(x):
            return value

        hot(cached, 1)
        assert cached(1) is value


def test_without_isolation_the_very_object_is_shared(hot):
    value = {"a": [1]}

    @get_quickcache(cache=MemoryCache(isolate=False))(["x"])
    def cached(x):
        return value

    hot(cached, 1)
    cached(1)["a"].append(2)
    assert cached(1) is value
    assert {"a": [1, 2]} == cached(1)
