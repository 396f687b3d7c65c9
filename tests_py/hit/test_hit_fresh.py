"""A hot hit is never stale: not after any way to change, lose or exchange what is cached."""

from datetime import timedelta
from unittest import mock

import pytest

from quickcache import (
    CacheWithPresets,
    ManualClock,
    MemoryCache,
    QuickCacheHelper,
    TieredCache,
    get_quickcache,
)

KINDS = {
    "memory": lambda memory: memory,
    "presets": lambda memory: CacheWithPresets(memory, None),
    "prefixed": lambda memory: CacheWithPresets(memory, None, lambda: "prefix"),
    "tiered": lambda memory: TieredCache([memory]),
    "tiered presets": lambda memory: TieredCache([CacheWithPresets(memory, None), MemoryCache()]),
}


class Owner:
    def __init__(self, id_):
        self.id = id_


OWNER = Owner(1)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(params=["argument", "attribute", "function"])
def varies(request):
    """Two calls, and what a function varies on so that they differ."""
    return {"argument": ["x"], "attribute": ["x.real", "owner.id"], "function": lambda x, owner=OWNER: [x]}[
        request.param
    ]


@pytest.fixture
def memory():
    return MemoryCache()


@pytest.fixture
def cached(kind, memory, varies):
    """A decorated function that returns the number of its computation."""
    computed = []

    @get_quickcache(cache=kind(memory))(varies)
    def compute(x, owner=OWNER):
        computed.append(x)
        return len(computed)

    return compute


def key_in(memory, cached, *args):
    """The key that the memory has it under."""
    prefixed = "prefix" + cached.get_cache_key(*args)
    return prefixed if prefixed in memory else cached.get_cache_key(*args)


class TestAfter:
    def test_clear(self, cached, hot):
        for number in range(1, 6):
            assert number == hot(cached, 1)
            cached.clear(1)

    def test_delete_in_the_memory(self, cached, memory, kind, hot):
        first = hot(cached, 1)
        assert memory.delete(key_in(memory, cached, 1))
        below = cached.clear.__self__.cache
        if isinstance(below, TieredCache) and len(below.caches) > 1:
            assert first == hot(cached, 1)
            below.caches[1].clear()
            memory.delete(key_in(memory, cached, 1))
        assert first + 1 == hot(cached, 1)

    def test_delete_many(self, memory, hot):
        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return [*source]

        source = [1]
        assert [[1], [1]] == [hot(cached, 1), hot(cached, 2)]
        source.append(2)
        memory.delete_many([cached.get_cache_key(1)])
        assert [[1, 2], [1]] == [hot(cached, 1), hot(cached, 2)]

    def test_set_cached_value(self, cached, hot):
        hot(cached, 1)
        for value in ("a", ["b"], None, False, "c"):
            cached.set_cached_value(1).to(value)
            assert value == cached(1)
            assert value == hot(cached, 1)

    def test_a_cached_value_of_ellipsis_is_none_at_all(self, cached, hot):
        first = hot(cached, 1)
        cached.set_cached_value(1).to(Ellipsis)
        assert first + 1 == cached(1)

    def test_set_in_the_memory(self, cached, memory, hot):
        hot(cached, 1)
        for value in ("a", ["b"], None, "c"):
            memory.set(key_in(memory, cached, 1), value)
            assert value == cached(1)
            assert value == hot(cached, 1)

    def test_set_many_in_the_memory(self, cached, memory, hot):
        hot(cached, 1)
        memory.set_many({key_in(memory, cached, 1): "a"})
        assert "a" == cached(1)

    def test_clear_of_the_memory(self, cached, memory, hot):
        first = hot(cached, 1)
        memory.clear()
        below = cached.clear.__self__.cache
        if isinstance(below, TieredCache):
            for tier in below.caches[1:]:
                tier.clear()
            memory.clear()
        assert first + 1 == cached(1)

    def test_a_refusal_to_keep_a_newer_value(self, hot):
        """Too large, or of no life: the old one is gone all the same."""
        memory = MemoryCache(max_bytes=100_000)

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return len(computed) if computed.append(x) is None else 0

        computed = []
        first = hot(cached, 1)
        memory.set(cached.get_cache_key(1), bytes(200_000))
        assert first + 1 == hot(cached, 1)
        memory.set(cached.get_cache_key(1), "of no life", timeout=0)
        assert first + 2 == hot(cached, 1)

    def test_a_clear_of_another_function_is_none(self, memory, hot):
        @get_quickcache(cache=memory)(["x"])
        def one(x):
            return [*source]

        @get_quickcache(cache=memory)(["x"])
        def two(x):
            return [*source, 2]

        source = [1]
        hot(one, 1), hot(two, 1)
        source.append(3)
        one.clear(1)
        assert ([1, 3], [1, 2]) == (one(1), two(1))

    def test_a_refresh_by_skip_arg(self, kind, memory, hot):
        computed = []

        @get_quickcache(cache=kind(memory))(["x"], skip_arg="fresh")
        def cached(x, fresh=False):
            computed.append(x)
            return len(computed)

        assert 1 == hot(cached, 1)
        assert 2 == cached(1, fresh=True)
        assert [2, 2] == [cached(1), hot(cached, 1)]
        assert 3 == cached(1, True)
        assert 3 == cached(1, fresh=False)


class TestInALargeFront:
    """What is lost is answered with no more, long before the front has let go of it."""

    KEYS = 3_000
    LOSSES = (
        lambda cached, x: cached.clear(x),
        lambda cached, x: cached.set_cached_value(x).to(1),
        lambda cached, x: cached.clear.__self__.cache.delete(cached.get_cache_key(x)),
    )

    @pytest.mark.parametrize("lose", LOSSES, ids=["clear", "set", "delete"])
    def test_each_loss_counts_at_once(self, kind, memory, lose):
        source = [0]

        @get_quickcache(cache=kind(memory))(["x"])
        def cached(x):
            return source[0]

        for _ in range(3):
            assert [0] * self.KEYS == [cached(x) for x in range(self.KEYS)]
        source[0] = 1
        stale = []
        for x in range(0, self.KEYS, 7):
            lose(cached, x)
            if cached(x) != 1:
                stale.append(x)
        assert [] == stale

    def test_a_clear_of_the_whole_memory_counts_at_once(self, memory):
        source = [0]

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return source[0]

        for _ in range(3):
            assert [0] * self.KEYS == [cached(x) for x in range(self.KEYS)]
        source[0] = 1
        memory.clear()
        assert [1] * self.KEYS == [cached(x) for x in range(self.KEYS)]


class TestTime:
    @pytest.fixture
    def clock(self):
        return ManualClock()

    def computing(self, cache):
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def compute(x):
            computed.append(x)
            return len(computed)

        return compute

    def test_ends_a_value_at_its_deadline_and_not_before(self, kind, clock, hot):
        memory = MemoryCache(timeout=10, clock=clock)
        cached = self.computing(KINDS["memory"](memory))
        assert 1 == hot(cached, 1)
        clock.advance(9.9)
        assert 1 == hot(cached, 1)
        clock.advance(0.1)
        assert 2 == cached(1)
        clock.advance(timedelta(days=3650))
        assert 3 == hot(cached, 1)

    def test_ends_a_value_of_presets_in_each_front(self, clock, hot):
        memory = MemoryCache(clock=clock)
        short = self.computing(CacheWithPresets(memory, 1, lambda: "short"))
        long = self.computing(CacheWithPresets(memory, 5, lambda: "long"))
        assert [1, 1] == [hot(short, 1), hot(long, 1)]
        clock.advance(1)
        assert [2, 1] == [hot(short, 1), hot(long, 1)]
        clock.advance(4)
        assert [3, 2] == [hot(short, 1), hot(long, 1)]

    def test_is_prolonged_by_touch(self, clock, hot):
        memory = MemoryCache(timeout=10, clock=clock)
        cached = self.computing(memory)
        assert 1 == hot(cached, 1)
        clock.advance(9)
        assert memory.touch(cached.get_cache_key(1))
        clock.advance(9)
        assert 1 == hot(cached, 1)
        clock.advance(1)
        assert 2 == cached(1)

    def test_is_cut_short_by_touch(self, clock, hot):
        memory = MemoryCache(timeout=None, clock=clock)
        cached = self.computing(memory)
        assert 1 == hot(cached, 1)
        assert memory.touch(cached.get_cache_key(1), timeout=1)
        assert 1 == hot(cached, 1)
        clock.advance(1)
        assert 2 == hot(cached, 1)
        assert memory.touch(cached.get_cache_key(1), timeout=0)
        assert 3 == cached(1)

    def test_is_cut_short_by_a_newer_value_of_less_life(self, clock, hot):
        memory = MemoryCache(timeout=100, clock=clock)
        cached = self.computing(memory)
        hot(cached, 1)
        memory.set(cached.get_cache_key(1), "short", timeout=1)
        assert "short" == hot(cached, 1)
        clock.advance(1)
        assert 2 == cached(1)

    def test_of_a_promoted_value_is_what_was_left_of_it_below(self, clock, hot):
        below = MemoryCache(timeout=10, clock=clock)
        above = MemoryCache(timeout=100, clock=clock)
        cached = self.computing(TieredCache([above, below]))
        hot(cached, 1)
        clock.advance(6)
        above.clear()
        assert 1 == hot(cached, 1)
        clock.advance(4)
        assert 2 == cached(1)


class TestEviction:
    @pytest.mark.parametrize("policy", ["tinylfu", "lru"])
    def test_ends_what_the_front_has_of_a_value(self, policy, hot):
        """The front answers with nothing that its tier has let go."""
        memory = MemoryCache(max_entries=8, policy=policy)
        computed = {}

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            computed[x] = computed.get(x, 0) + 1
            return x

        for x in [*range(200), *range(200)]:
            before = computed.get(x, 0)
            is_held = cached.get_cache_key(x) in memory
            cached(x)
            assert before + (not is_held) == computed[x]
        for x in range(8):
            hot(cached, x)
            is_held = {y: cached.get_cache_key(y) in memory for y in range(200)}
            before = dict(computed)
            lost = [y for y in range(200) if not is_held[y]][:1]
            for y in lost:
                cached(y)
                assert before[y] + 1 == computed[y]


class TestAnExchange:
    def test_of_the_helpers_cache(self, cached, hot):
        helper = cached.clear.__self__
        first, caches = hot(cached, 1), [helper.cache]
        for number in range(2, 5):
            helper.cache = MemoryCache()
            caches.append(helper.cache)
            assert number == hot(cached, 1)
        for number, cache in enumerate(caches, start=1):
            helper.cache = cache
            assert number == hot(cached, 1)
        assert first == 1

    def test_of_the_helpers_cache_by_one_that_is_no_memory(self, cached, hot):
        hot(cached, 1)
        helper = cached.clear.__self__
        before = helper.cache
        helper.cache = mock.Mock(get=mock.Mock(return_value="from the mock"))
        assert ["from the mock"] * 5 == [cached(1) for _ in range(5)]
        assert 5 == helper.cache.get.call_count
        helper.cache = before
        assert 1 == hot(cached, 1)

    def test_of_the_helpers_class(self, cached, hot):
        class Own(QuickCacheHelper):
            def call(self, *args, **kwargs):
                return "own"

        hot(cached, 1)
        cached.clear.__self__.__class__ = Own
        assert "own" == cached(1)
        cached.clear.__self__.__class__ = QuickCacheHelper
        assert 1 == cached(1)

    def test_of_the_helpers_prefix_and_paths(self, cached, hot):
        assert 1 == hot(cached, 1)
        helper = cached.clear.__self__
        prefix, helper.prefix = helper.prefix, "other"
        assert 2 == hot(cached, 1)
        helper.prefix = prefix
        assert 1 == hot(cached, 1)
        helper.vary_on = []
        assert 3 == hot(cached, 1) == hot(cached, 2)

    def test_of_a_path_in_the_helpers_own_list(self, hot):
        @get_quickcache(cache=MemoryCache())(["x", "y"])
        def cached(x, y):
            return x, y

        assert (1, 2) == hot(cached, 1, 2)
        paths = cached.clear.__self__.vary_on
        removed = paths.pop()
        assert [(1, 3), (1, 3)] == [hot(cached, 1, 3), hot(cached, 1, 4)]
        paths.append(removed)
        assert [(1, 2), (1, 5)] == [hot(cached, 1, 2), hot(cached, 1, 5)]


class TestAnExchangeByTheHelpersDict:
    @pytest.fixture
    def cached(self):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"])
        def compute(x):
            computed.append(x)
            return len(computed)

        return compute

    def test_that_is_another(self, cached, hot):
        hot(cached, 1)
        helper = cached.clear.__self__
        before = helper.cache
        helper.__dict__ = {**vars(helper), "cache": MemoryCache()}
        assert 2 == hot(cached, 1)
        helper.__dict__ = {**vars(helper), "cache": before}
        assert 1 == hot(cached, 1)

    def test_that_is_patched(self, cached, hot):
        hot(cached, 1)
        helper = cached.clear.__self__
        for number in range(2, 5):
            with mock.patch.dict(vars(helper), cache=MemoryCache()):
                assert number == hot(cached, 1)
            assert 1 == hot(cached, 1)

    def test_that_is_patched_before_the_first_call(self, cached, hot):
        helper = cached.clear.__self__
        before = helper.cache
        with mock.patch.dict(vars(helper), cache=MemoryCache()):
            assert 1 == hot(cached, 1)
        assert (True, 2) == (helper.cache is before, hot(cached, 1))

    def test_that_was_asked_for_before_the_first_call(self, cached, hot):
        attributes = vars(cached.clear.__self__)
        assert 1 == hot(cached, 1)
        attributes["cache"] = MemoryCache()
        assert 2 == hot(cached, 1)


class TestAnExchangeOfTiers:
    @pytest.fixture
    def tiered(self):
        return TieredCache([MemoryCache()])

    @pytest.fixture
    def cached(self, tiered):
        computed = []

        @get_quickcache(cache=tiered)(["x"])
        def compute(x):
            computed.append(x)
            return len(computed)

        return compute

    @pytest.mark.parametrize(
        "exchange",
        [
            lambda tiered: setattr(tiered, "caches", [MemoryCache()]),
            lambda tiered: setattr(tiered, "caches", (MemoryCache(),)),
            lambda tiered: tiered.caches.__setitem__(0, MemoryCache()),
            lambda tiered: tiered.caches.__setitem__(slice(None), [MemoryCache()]),
            lambda tiered: (tiered.caches.pop(), tiered.caches.append(MemoryCache())),
            lambda tiered: tiered.caches.clear(),
            lambda tiered: vars(tiered).update(caches=[MemoryCache()]),
            lambda tiered: setattr(tiered, "__dict__", {"caches": [MemoryCache()]}),
        ],
        ids=["list", "tuple", "item", "slice", "pop", "clear", "dict", "__dict__"],
    )
    def test_counts_at_once(self, cached, tiered, exchange, hot):
        before = vars(tiered)  # held, so that nobody is told of its end
        assert 1 == hot(cached, 1)
        exchange(tiered)
        assert 2 == cached(1)
        tiered.caches = [MemoryCache()]
        assert cached(1) >= 3 or not before

    def test_by_one_more_before_the_first(self, cached, tiered, hot):
        assert 1 == hot(cached, 1)
        above = MemoryCache()
        tiered.caches.insert(0, above)
        above.set(cached.get_cache_key(1), "above")
        assert "above" == hot(cached, 1)
        del tiered.caches[0]
        assert 1 == hot(cached, 1)

    def test_of_the_class(self, cached, tiered, hot):
        class Own(TieredCache):
            def get(self, key, default=None):
                return "own"

        assert 1 == hot(cached, 1)
        tiered.__class__ = Own
        assert "own" == cached(1)
        tiered.__class__ = TieredCache
        assert 1 == cached(1)

    @pytest.mark.parametrize("name", ["get", "set", "delete"])
    def test_of_an_instances_method(self, cached, tiered, name, hot):
        assert 1 == hot(cached, 1)
        with mock.patch.object(tiered, name, return_value="patched") as patched:
            found = cached(1)
            assert ("patched" if name == "get" else 1) == found
            assert (name == "get") == patched.called
        assert 1 == cached(1)


class TestPresets:
    @pytest.mark.parametrize("name", ["get", "prefixed_key", "cache", "prefix_function"])
    def test_patched_on_the_class_count_at_once(self, name, hot):
        memory = MemoryCache()

        @get_quickcache(cache=CacheWithPresets(memory, None))(["x"])
        def cached(x):
            return x

        assert 1 == hot(cached, 1)
        other = MemoryCache()
        other.set(cached.get_cache_key(1), "other")
        memory.set("p" + cached.get_cache_key(1), "prefixed")
        patches = {
            "get": (lambda self, key, default=None: "patched", "patched"),
            "prefixed_key": (lambda self, key: "p" + key, "prefixed"),
            "cache": (other, "other"),
            "prefix_function": (property(lambda self: lambda: "p"), "prefixed"),
        }
        patch, expected = patches[name]
        for _ in range(3):
            with mock.patch.object(CacheWithPresets, name, patch):
                assert expected == cached(1)
            assert 1 == hot(cached, 1)

    def test_of_another_class_count_at_once(self, hot):
        class Own(CacheWithPresets):
            def get(self, key, default=None):
                return "own"

        presets = CacheWithPresets(MemoryCache(), None)

        @get_quickcache(cache=presets)(["x"])
        def cached(x):
            return x

        assert 1 == hot(cached, 1)
        presets.__class__ = Own
        assert "own" == cached(1)

    @pytest.mark.parametrize("name", ["get", "prefixed_key"])
    def test_patched_on_the_instance_count_at_once(self, name, hot):
        presets = CacheWithPresets(MemoryCache(), None)

        @get_quickcache(cache=presets)(["x"])
        def cached(x):
            return x

        assert 1 == hot(cached, 1)
        with mock.patch.object(presets, name, return_value="patched") as patched:
            cached(1)
            assert patched.called
        assert 1 == cached(1)


class TestAMemory:
    @pytest.mark.parametrize("name", ["get", "set", "delete"])
    def test_patched_on_the_class_counts_at_once(self, name, hot):
        @get_quickcache(cache=MemoryCache())(["x"])
        def cached(x):
            return x

        assert 1 == hot(cached, 1)
        with mock.patch.object(MemoryCache, name, return_value="patched") as patched:
            assert ("patched" if name == "get" else 1) == cached(1)
            assert (name == "get") == patched.called
        assert 1 == hot(cached, 1)

    def test_of_another_class_counts_at_once(self, hot):
        """A subclass without attributes is one that instances may change to."""

        class Own(MemoryCache):
            __slots__ = ()

            def get(self, key, default=None):
                return "own"

        memory = MemoryCache()

        @get_quickcache(cache=memory)(["x"])
        def cached(x):
            return x

        assert 1 == hot(cached, 1)
        memory.__class__ = Own
        assert "own" == cached(1)
