"""The memory counts each hit of a front, and each miss, exactly once."""

import gc

import pytest

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache


@pytest.fixture
def memory():
    return MemoryCache()


KINDS = {
    "memory": lambda memory: memory,
    "presets": lambda memory: CacheWithPresets(memory, 60),
    "prefixed": lambda memory: CacheWithPresets(memory, 60, lambda: "p"),
    "tiered": lambda memory: TieredCache([memory]),
}


def counts(memory):
    told = memory.stats()
    return told["hits"], told["misses"]


@pytest.fixture(params=KINDS)
def cached(request, memory):
    @get_quickcache(cache=KINDS[request.param](memory))(["x"])
    def compute(x):
        return [x]

    return compute


@pytest.mark.parametrize("calls", [1, 2, 3, 100, 4_095, 4_096, 4_097, 20_000])
def test_hits_are_counted_exactly(cached, memory, calls):
    for _ in range(calls):
        cached(1)
    assert (calls - 1, 1) == counts(memory)


def test_counts_told_between_are_none_lost(cached, memory):
    for calls in range(1, 300):
        cached(1)
        assert (calls - 1, 1) == counts(memory)


def test_many_keys_are_counted_exactly(cached, memory):
    for turn in range(20):
        for x in range(500):
            cached(x)
        assert (500 * turn, 500) == counts(memory)


def test_misses_after_clears_are_counted_exactly(cached, memory):
    for turn in range(1, 50):
        for _ in range(10):
            cached(1)
        cached.clear(1)
        assert (9 * turn, turn) == counts(memory)


def test_hits_of_all_functions_add_up(memory):
    def make(number):
        @get_quickcache(cache=CacheWithPresets(memory, 60, lambda: str(number)))(["x"])
        def compute(x):
            return x

        return compute

    functions = [make(number) for number in range(5)]
    for cached in functions:
        for _ in range(11):
            cached(1)
    assert (50, 5) == counts(memory)


def test_hits_of_a_function_that_is_gone_are_counted(memory):
    @get_quickcache(cache=memory)(["x"])
    def cached(x):
        return x

    for _ in range(11):
        cached(1)
    del cached
    gc.collect()
    assert (10, 1) == counts(memory)


def test_hits_before_the_plan_of_a_call_was_changed_are_counted(memory):
    @get_quickcache(cache=memory)(["x"])
    def cached(x):
        return x

    helper = cached.clear.__self__
    for _ in range(5):
        for _ in range(11):
            cached(1)
        helper.vary_on = [*helper.vary_on]
    assert (54, 1) == counts(memory)


def test_hits_before_the_cache_was_exchanged_are_counted(memory):
    @get_quickcache(cache=memory)(["x"])
    def cached(x):
        return x

    for _ in range(11):
        cached(1)
    cached.clear.__self__.cache = other = MemoryCache()
    for _ in range(11):
        cached(1)
    assert [(10, 1), (10, 1)] == [counts(memory), counts(other)]


def test_hits_before_a_clear_of_the_memory_are_counted(cached, memory):
    for turn in range(1, 4):
        for _ in range(11):
            cached(1)
        memory.clear()
        assert (10 * turn, turn) == counts(memory)


def test_calls_that_skip_the_cache_count_as_nothing(memory):
    @get_quickcache(cache=memory)(["x"], skip_arg="skip")
    def cached(x, skip=False):
        return x

    for _ in range(11):
        cached(1)
        cached(1, skip=True)
    assert (10, 1) == counts(memory)


class TestTheTierKnowsOfUses:
    """Hits in the front are samples to the policy: what is used all the time is not evicted."""

    @pytest.mark.parametrize("policy", ["lru", "tinylfu"])
    def test_a_value_in_use_stays_while_others_come_and_go(self, policy):
        computed = []
        memory = MemoryCache(max_entries=100, policy=policy)

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            computed.append(x)
            return x

        for x in range(1, 2_000):
            for _ in range(20):
                cached(0)
            cached(x)
        assert computed.count(0) <= 3
