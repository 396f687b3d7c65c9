"""Copies in the front are let go with the rest: values, functions and memories die when they should."""

import gc
import weakref

import pytest

from quickcache import CacheWithPresets, ManualClock, MemoryCache, TieredCache, get_quickcache

# Misses of other keys within which a copy that no longer counts is let go.
A_FEW_CALLS = 64


class Value:
    pass


class Counted:
    """Knows how many of it are alive, and how many ever were at once."""

    alive = most = 0

    def __init__(self):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1


@pytest.fixture(params=["memory", "presets", "tiered"])
def memory_and_cache(request):
    memory = MemoryCache(isolate=False)
    wrap = {
        "memory": lambda: memory,
        "presets": lambda: CacheWithPresets(memory, None, lambda: "p"),
        "tiered": lambda: TieredCache([memory]),
    }
    return memory, wrap[request.param]()


class TestAValue:
    @pytest.fixture
    def cached(self, memory_and_cache):
        @get_quickcache(cache=memory_and_cache[1])(["x"])
        def compute(x):
            return Value()

        return compute

    def let_go(self, cached, lose):
        """Whether the value of a hot hit is alive after it was lost and a few calls have passed."""
        died = weakref.ref(cached(1))
        assert all(cached(1) is died() for _ in range(5))
        lose()
        gc.collect()
        for x in range(100, 100 + A_FEW_CALLS):
            cached(x)
        gc.collect()
        return died() is None

    def test_dies_after_a_clear(self, cached):
        assert self.let_go(cached, lambda: cached.clear(1))

    def test_dies_after_a_clear_of_the_memory(self, cached, memory_and_cache):
        assert self.let_go(cached, memory_and_cache[0].clear)

    def test_dies_at_once_by_a_clear_of_the_memory(self, cached, memory_and_cache):
        died = weakref.ref(cached(1))
        assert all(cached(1) is died() for _ in range(5))
        memory_and_cache[0].clear()
        assert died() is None

    def test_dies_when_another_is_set(self, cached):
        assert self.let_go(cached, lambda: cached.set_cached_value(1).to(Value()))

    def test_dies_when_it_has_expired(self):
        clock = ManualClock()

        @get_quickcache(cache=MemoryCache(isolate=False, timeout=10, clock=clock))(["x"])
        def cached(x):
            return Value()

        assert self.let_go(cached, lambda: clock.advance(11))

    def test_that_stays_lives(self, cached):
        """That the tests above can fail."""
        assert not self.let_go(cached, lambda: None)


class TestUnderChurn:
    @pytest.mark.parametrize("policy", ["tinylfu", "lru"])
    @pytest.mark.parametrize("entries", [1, 10, 100])
    def test_no_more_values_live_than_the_bound_and_a_little_slack(self, policy, entries):
        Counted.alive = Counted.most = 0

        @get_quickcache(cache=MemoryCache(max_entries=entries, isolate=False, policy=policy))(["x"])
        def cached(x):
            return Counted()

        for x in range(6_000):
            cached(x % 997)
            cached(x % 997)
            cached(x % 7)
        # The memory's own slack, and as much for copies on the way out.
        assert Counted.most <= entries + 2 * (entries // 32 + 64) + 8
        del cached
        gc.collect()
        assert 0 == Counted.alive

    def test_by_many_functions_no_more_values_live(self):
        """Each has a front of its own: one that is not called holds on to nothing."""
        Counted.alive = Counted.most = 0
        memory = MemoryCache(max_entries=50, isolate=False)

        def make(number):
            @get_quickcache(cache=CacheWithPresets(memory, None, lambda: str(number)))(["x"])
            def cached(x):
                return Counted()

            return cached

        functions = [make(number) for number in range(20)]
        for cached in functions:
            for x in range(60):
                for _ in range(3):
                    cached(x)
        assert Counted.most <= 50 + 2 * (50 // 32 + 64) + 8 + 20
        del functions, cached
        memory.clear()
        gc.collect()
        assert 0 == Counted.alive

    def test_by_clears_no_more_values_live(self):
        Counted.alive = Counted.most = 0

        @get_quickcache(cache=MemoryCache(isolate=False))(["x"])
        def cached(x):
            return Counted()

        for x in range(5_000):
            for _ in range(3):
                cached(x)
            cached.clear(x)
        assert Counted.most <= 2 * A_FEW_CALLS
        assert Counted.alive <= 2 * A_FEW_CALLS


class TestGarbage:
    def died(self, *objects):
        return [weakref.ref(each) for each in objects]

    def test_a_function_dies_with_its_front_but_its_memory_keeps_the_value(self, memory_and_cache, hot):
        memory, cache = memory_and_cache

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return Value()

        value, function = self.died(hot(cached, 1), cached)
        del cached
        gc.collect()
        assert (True, False) == (function() is None, value() is None)
        memory.clear()
        assert value() is None

    def test_a_memory_and_its_function_die_with_the_values(self, hot):
        memory = MemoryCache(isolate=False)

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return Value()

        died = self.died(hot(cached, 1), cached, memory, cached.clear.__self__)
        del cached, memory
        gc.collect()
        assert [None] * 4 == [each() for each in died]

    def test_a_memory_that_was_exchanged_dies_with_its_values(self, hot):
        memory = MemoryCache(isolate=False)

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return Value()

        died = self.died(hot(cached, 1), memory)
        cached.clear.__self__.cache = MemoryCache(isolate=False)
        del memory
        hot(cached, 1)
        gc.collect()
        assert [None] * 2 == [each() for each in died]

    @pytest.mark.parametrize("leads_to", ["function", "helper", "memory", "itself"])
    def test_a_cycle_through_the_front_dies(self, memory_and_cache, leads_to, hot):
        memory, cache = memory_and_cache

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return Value()

        value = hot(cached, 1)
        objects = {"function": cached, "helper": cached.clear.__self__, "memory": memory, "itself": value}
        value.held = objects[leads_to]
        died = self.died(value, cached, cached.clear.__self__)
        del value, cached, objects, memory, cache, memory_and_cache
        gc.collect()
        # The fixture's own memory keeps the value, which keeps what it leads to.
        survivors = [each() is not None for each in died]
        assert survivors in ([True, leads_to == "function", leads_to in ("function", "helper")], [False] * 3)

    @pytest.mark.parametrize("leads_to", ["function", "helper", "memory", "itself", "argument default"])
    def test_a_cycle_of_everything_dies(self, leads_to, hot):
        memory = MemoryCache(isolate=False)

        @get_quickcache(cache=TieredCache([memory]))(["x"])
        def cached(x, y=Value()):  # noqa: B008
            return Value()

        value = hot(cached, 1)
        objects = {
            "function": cached,
            "helper": cached.clear.__self__,
            "memory": memory,
            "itself": value,
            "argument default": cached.__wrapped__.__defaults__[0],
        }
        value.held = objects[leads_to]
        objects["argument default"].held = value
        died = self.died(value, cached, cached.clear.__self__, memory)
        del value, cached, objects, memory
        gc.collect()
        assert [None] * 4 == [each() for each in died]

    def test_a_value_is_not_taken_for_garbage_while_only_the_front_leads_to_it(self, hot):
        """A pass of the collector that did not see the front's references would let weak ones die."""

        @get_quickcache(cache=MemoryCache(isolate=False))(["x"])
        def cached(x):
            value = Value()
            value.cycle = value
            return value

        refs = [weakref.ref(hot(cached, x)) for x in range(50)]
        for generation in (0, 1, 2, 2):
            gc.collect(generation)
        assert all(ref() is not None for ref in refs)
        assert all(ref() is cached(x) for x, ref in enumerate(refs))


class TestTheCollectorAtEachAllocation:
    @pytest.mark.parametrize("isolate", [True, False])
    def test_finds_hot_hits_in_order(self, run_apart, isolate):
        told = run_apart(
            f"""
            import gc, weakref

            class Owner:
                def __init__(self, id_):
                    self.id = id_

            class Value(dict):
                pass

            quickcache = get_quickcache(cache=TieredCache([MemoryCache(max_entries=30, isolate={isolate})]))

            @quickcache(["x"])
            def by_argument(x, *, y=None):
                return [x, {{"a": [x]}}, (x, [x])]

            @quickcache(["self.id", "x"])
            def by_attribute(self, x):
                return Value(x=x)

            @quickcache(lambda x: [x, (x, {{"a": x}})])
            def by_function(x):
                return {{"x": {{x}}}}

            gc.set_threshold(1, 1, 1)
            owners = [Owner(i) for i in range(5)]
            for turn in range(400):
                x = turn % 45 if turn % 3 else turn % 5
                for _ in range(3):
                    assert by_argument(x) == [x, {{"a": [x]}}, (x, [x])] == by_argument(x=x)
                    assert by_attribute(owners[x % 5], (x, "k")) == {{"x": (x, "k")}}
                    assert by_function(x) == {{"x": {{x}}}}
                if turn % 40 == 0:
                    by_argument.clear(x)
            print("right")
            """
        )
        assert "right\n" == told
