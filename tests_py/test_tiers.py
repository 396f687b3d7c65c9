"""TieredCache and presets: the order of tiers, lives on the way up, timeouts folded into tiers."""

import pickle
from collections import namedtuple
from datetime import timedelta
from unittest import mock

import pytest

from quickcache import (
    CacheWithPresets,
    ForceSkipCache,
    ManualClock,
    MemoryCache,
    NothingCachedWarning,
    TieredCache,
    get_quickcache,
)

NANOSECOND = 1e-9


class RecordingCache:
    """A cache in a dict that notes how it was called."""

    def __init__(self, calls=None, name="cache", **held):
        self.calls = [] if calls is None else calls
        self.name = name
        self.held = held

    def get(self, *args, **kwargs):
        self.calls.append((self.name, "get", args, kwargs))
        return self.held.get(args[0], kwargs.get("default", *args[1:]))

    def set(self, *args, **kwargs):
        self.calls.append((self.name, "set", args, kwargs))
        self.held[args[0]] = args[1]

    def delete(self, *args, **kwargs):
        self.calls.append((self.name, "delete", args, kwargs))
        self.held.pop(args[0], None)


@pytest.fixture
def clock():
    return ManualClock()


def lives(cache, clock, key="k"):
    """The seconds, up to 1,000, that `cache` still keeps `key`, by a walk of the clock."""
    for seconds in range(1_000):
        if key not in cache:
            return seconds
        clock.advance(1)
    return None


class TestOrder:
    def test_the_first_tier_that_has_the_key_answers(self):
        first, second, third = MemoryCache(), MemoryCache(), MemoryCache()
        cache = TieredCache([first, second, third])
        second.set("k", "second")
        third.set("k", "third")

        assert "second" == cache.get("k")
        assert ["second", "second", "third"] == [one.get("k") for one in (first, second, third)]

    def test_lower_tiers_are_not_asked_once_it_is_found(self):
        calls = []
        cache = TieredCache([MemoryCache(), RecordingCache(calls)])
        cache.caches[0].set("k", 1)

        assert (1, []) == (cache.get("k"), calls)

    def test_a_foreign_tier_is_called_as_in_the_original(self):
        calls = []
        names = ["one", "two", "three"]
        cache = TieredCache([RecordingCache(calls, name) for name in names])
        cache.caches[2].held["k"] = "value"
        cache.get("k")
        cache.set("k", 5)
        cache.delete("k")

        asked = {"default": Ellipsis}
        assert [
            *((name, "get", ("k",), asked) for name in names),
            *((name, "set", ("k", "value"), {}) for name in names[:2]),
            *((name, "set", ("k", 5), {}) for name in names),
            *((name, "delete", ("k",), {}) for name in names),
        ] == calls

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_foreign_tier_among_native_ones_is_called_the_same(self, place):
        foreign = RecordingCache()
        caches = [MemoryCache(), MemoryCache(), MemoryCache()]
        caches[place] = foreign
        cache = TieredCache(caches)
        assert "missing" == cache.get("k", default="missing")
        cache.set("k", 5)
        cache.delete("k")

        assert [
            ("get", ("k",), {"default": Ellipsis}),
            ("set", ("k", 5), {}),
            ("delete", ("k",), {}),
        ] == [call[1:] for call in foreign.calls]

    def test_no_tiers_at_all_hold_nothing(self):
        cache = TieredCache([])
        cache.set("k", 1)
        cache.delete("k")

        assert "default" == cache.get("k", default="default")

    def test_an_iterator_of_tiers_is_used_up_once_only(self):
        cache = TieredCache(one for one in [MemoryCache()])
        cache.set("k", 1)

        assert [1, 1] == [cache.get("k"), cache.get("k")]

    def test_the_tiers_may_be_changed_at_any_time(self):
        cache = TieredCache([MemoryCache()])
        cache.set("k", 1)
        new = MemoryCache()
        cache.caches[0] = new
        assert cache.get("k") is None

        cache.caches = (new, MemoryCache())
        cache.set("k", 2)
        assert [2, 2] == [one.get("k") for one in cache.caches]

    def test_an_error_in_a_tier_comes_through(self):
        class Broken(RecordingCache):
            def get(self, *args, **kwargs):
                raise ConnectionError("down")

        cache = TieredCache([MemoryCache(), Broken()])
        with pytest.raises(ConnectionError, match="down"):
            cache.get("k")


class TestPromotion:
    @pytest.mark.parametrize("presets", [False, True])
    @pytest.mark.parametrize(
        ("upper", "lower", "waited"),
        [(None, 100, 70), (60, 100, 70), (60, 100, 10), (10, 100, 10), (60, None, 70)],
    )
    def test_gives_no_more_life_than_the_lower_tier_has_left(self, clock, presets, upper, lower, waited):
        def tier(timeout):
            if presets:
                return CacheWithPresets(MemoryCache(clock=clock), timeout)
            return MemoryCache(clock=clock, timeout=timeout)

        cache = TieredCache([tier(upper), tier(lower)])
        first, second = (getattr(one, "cache", one) for one in cache.caches)
        second.set("k", 1, timeout=lower)
        clock.advance(waited)
        assert 1 == cache.get("k")

        left = [seconds for seconds in (upper, lower and lower - waited) if seconds is not None]
        assert min(left, default=None) == lives(first, clock)

    def test_is_to_the_tick(self, clock):
        first, second = MemoryCache(clock=clock), MemoryCache(clock=clock, timeout=10)
        cache = TieredCache([first, second])
        second.set("k", 1)
        clock.advance(3.25)
        cache.get("k")
        clock.advance(6.75 - NANOSECOND)
        assert ["k" in first, "k" in second] == [True, True]

        clock.advance(NANOSECOND)
        assert ["k" in first, "k" in second, cache.get("k")] == [False, False, None]

    def test_through_two_tiers_adds_nothing_up(self, clock):
        tiers = [MemoryCache(clock=clock, timeout=50) for _ in range(3)]
        cache = TieredCache(tiers)
        tiers[2].set("k", 1)
        for _ in range(4):
            clock.advance(10)
            assert 1 == cache.get("k")
            tiers[0].clear()
            tiers[1].clear()
        assert 1 == cache.get("k")

        assert [10, 0, 0] == [lives(one, clock) for one in tiers]

    def test_of_a_touched_value_counts_from_the_touch(self, clock):
        first, second = MemoryCache(clock=clock), MemoryCache(clock=clock, timeout=10)
        second.set("k", 1)
        second.touch("k", 500)
        clock.advance(100)
        TieredCache([first, second]).get("k")

        assert 400 == lives(first, clock)

    def test_from_a_tier_that_cannot_tell_gives_the_upper_tiers_own_life(self, clock):
        first = MemoryCache(clock=clock, timeout=20)
        cache = TieredCache([first, RecordingCache(k=1)])
        assert 1 == cache.get("k")

        assert 20 == lives(first, clock)

    def test_reaches_a_foreign_tier_above_a_native_one(self):
        foreign, native = RecordingCache(), MemoryCache()
        native.set("k", 1)
        assert 1 == TieredCache([foreign, native]).get("k")

        assert [("get", ("k",), {"default": Ellipsis}), ("set", ("k", 1), {})] == [
            call[1:] for call in foreign.calls
        ]

    def test_loses_to_a_clear_that_came_while_the_lower_tier_answered(self):
        """The lower tier has read the old value when the key is cleared: that value may not go up."""
        first = MemoryCache()

        class Lower(RecordingCache):
            def get(self, key, default=None):
                found = super().get(key, default=default)
                cache.delete(key)
                return found

        cache = TieredCache([first, Lower(k="old")])

        assert "old" == cache.get("k")
        assert "k" not in first

    def test_loses_to_a_clear_that_has_yet_to_reach_the_lower_tier(self):
        """A reader comes between the two deletes: it may see the old value, none after it may."""
        first = MemoryCache()

        class Lower(RecordingCache):
            def delete(self, key):
                read.append(cache.get(key))
                super().delete(key)

        read = []
        cache = TieredCache([first, Lower(k="old")])
        cache.delete("k")

        assert (["old"], None, False) == (read, cache.get("k"), "k" in first)

    def test_loses_to_a_clear_under_way_in_a_destructor(self):
        """The same with native tiers alone: dropping a value is what lets a reader come between."""
        first, second = (MemoryCache(isolate=False) for _ in range(2))
        cache = TieredCache([first, second])
        read = []

        class Value:
            def __del__(self):
                read.append(cache.get("k"))

        first.set("k", Value())
        second.set("k", "old")
        cache.delete("k")

        assert (["old"], None) == (read, cache.get("k"))

    def test_loses_to_a_newer_value_that_the_upper_tier_does_not_take(self):
        """Too large for memory, it goes to the lower tier alone; a reader meanwhile finds the old one."""
        first = MemoryCache(max_bytes=10_000)

        class Lower(RecordingCache):
            def set(self, key, value):
                read.append(cache.get(key))
                super().set(key, value)

        read = []
        cache = TieredCache([first, Lower(k="old")])
        new = "new" * 10_000
        cache.set("k", new)

        assert (["old"], new) == (read, cache.get("k"))

    def test_loses_to_a_newer_value(self):
        first = MemoryCache()

        class Lower(RecordingCache):
            def get(self, key, default=None):
                found = super().get(key, default=default)
                first.set(key, "new")
                return found

        assert "old" == TieredCache([first, Lower(k="old")]).get("k")
        assert "new" == first.get("k")


class TestPresets:
    def test_prefix_each_key(self):
        inner = MemoryCache()
        for cache in (
            CacheWithPresets(inner, 10, lambda: "p:"),
            TieredCache([CacheWithPresets(inner, 10, lambda: "p:")]),
        ):
            cache.set("k", 1)
            assert (1, 1, None) == (cache.get("k"), inner.get("p:k"), inner.get("k"))
            cache.delete("k")
            assert (None, 0) == (cache.get("k"), len(inner))

    def test_ask_the_prefix_function_at_each_operation(self):
        sessions = iter("abcd")
        inner = MemoryCache()
        cache = TieredCache([CacheWithPresets(inner, 10, lambda: next(sessions))])
        cache.set("k", 1)
        cache.set("k", 2)

        assert [None, None] == [cache.get("k"), cache.get("k")]
        assert {"ak": 1, "bk": 2} == inner.get_many(["ak", "bk"])

    @pytest.mark.parametrize("tiered", [True, False])
    def test_skip_the_cache_when_the_prefix_function_says_so(self, tiered):
        def skip():
            raise ForceSkipCache

        inner = MemoryCache()
        cache = CacheWithPresets(inner, 10, skip)
        if tiered:
            cache = TieredCache([cache, MemoryCache()])
        cache.set("k", 1)
        cache.delete("other")

        assert 0 == len(inner)
        assert cache.get("k", default="default") == (1 if tiered else "default")

    def test_let_other_errors_of_the_prefix_function_through(self):
        cache = TieredCache([CacheWithPresets(MemoryCache(), 10, lambda: 1 / 0)])
        for operation in (lambda: cache.get("k"), lambda: cache.set("k", 1), lambda: cache.delete("k")):
            with pytest.raises(ZeroDivisionError):
                operation()

    def test_may_have_their_prefix_function_clear_the_cache(self):
        inner = MemoryCache()
        cache = TieredCache([CacheWithPresets(inner, 10, lambda: inner.clear() or "p:")])
        cache.set("k", 1)

        assert cache.get("k") is None

    @pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10)])
    def test_give_values_their_timeout(self, clock, timeout):
        inner = MemoryCache(clock=clock)
        for cache in (CacheWithPresets(inner, timeout), TieredCache([CacheWithPresets(inner, timeout)])):
            cache.set("k", 1)
            assert 10 == lives(inner, clock)

    @pytest.mark.parametrize("timeout", ["10", float("nan")])
    def test_refuse_a_wrong_timeout_natively_as_in_python(self, timeout):
        presets = CacheWithPresets(MemoryCache(), timeout)
        with pytest.raises((TypeError, ValueError)) as plain:
            presets.set("k", 1)
        with pytest.raises(plain.type) as tiered:
            TieredCache([presets]).set("k", 1)

        assert str(plain.value) == str(tiered.value)


def add(x):
    return x + 1


class TestTimeouts:
    def test_of_the_first_and_the_last_tier(self, clock):
        first, middle, last = (MemoryCache(clock=clock, timeout=7) for _ in range(3))
        cached = get_quickcache(cache=TieredCache([first, middle, last]), timeout=100, memoize_timeout=10)(
            ["x"]
        )(add)
        key = cached.get_cache_key(1)
        cached(1)

        assert [7, 3, 90] == [lives(one, clock, key) for one in (middle, first, last)]

    def test_may_be_timedeltas(self, clock):
        first, last = MemoryCache(clock=clock), MemoryCache(clock=clock)
        cached = get_quickcache(cache=TieredCache([first, last]))(
            ["x"], timeout=timedelta(minutes=1), memoize_timeout=timedelta(seconds=10)
        )(add)
        key = cached.get_cache_key(1)
        cached(1)

        assert [10, 50] == [lives(one, clock, key) for one in (first, last)]

    def test_of_one_tier_alone_leaves_the_other_its_own(self, clock):
        for options, expected in (({"timeout": 100}, [7, 93]), ({"memoize_timeout": 3}, [3, 4])):
            first, last = (MemoryCache(clock=clock, timeout=7) for _ in range(2))
            cached = get_quickcache(cache=TieredCache([first, last]), **options)(["x"])(add)
            key = cached.get_cache_key(1)
            cached(1)

            assert expected == [lives(one, clock, key) for one in (first, last)]

    def test_of_a_single_cache(self, clock):
        cache = MemoryCache(clock=clock, timeout=7)
        for options in ({"timeout": 20}, {"memoize_timeout": 20}, {"timeout": 300, "memoize_timeout": 20}):
            cached = get_quickcache(cache=cache, **options)(["x"])(add)
            key = cached.get_cache_key(1)
            cached(1)

            assert 20 == lives(cache, clock, key)

    def test_a_memoize_timeout_of_nothing_leaves_memory_out(self, clock):
        first, last = MemoryCache(clock=clock), MemoryCache(clock=clock)
        cached = get_quickcache(cache=TieredCache([first, last]), timeout=10, memoize_timeout=0)(["x"])(add)
        cached(1)
        cached(1)

        assert ({"hits": 0, "misses": 0, "stores": 0}, 1) == (
            {name: first.stats()[name] for name in ("hits", "misses", "stores")},
            last.stats()["hits"],
        )

    def test_of_nothing_at_all_warns_and_caches_nothing(self):
        cache = TieredCache([MemoryCache(), MemoryCache()])
        with pytest.warns(NothingCachedWarning):
            cached = get_quickcache(cache=cache, timeout=0, memoize_timeout=0)(["x"])(add)
        cached(1)

        assert [0, 0] == [len(one) for one in cache.caches]

    def test_of_decorated_functions_do_not_touch_the_given_cache(self, clock):
        cache = TieredCache([MemoryCache(clock=clock), MemoryCache(clock=clock)])
        tiers = list(cache.caches)
        get_quickcache(cache=cache, timeout=5)(["x"])(add)

        assert tiers == cache.caches

    def test_are_each_functions_own(self, clock):
        cache = MemoryCache(clock=clock)
        quickcache = get_quickcache(cache=cache, timeout=5)

        @quickcache(["x"])
        def short(x):
            return x

        @quickcache(["x"], timeout=50)
        def long(x):
            return x

        keys = short.get_cache_key(1), long.get_cache_key(1)
        short(1), long(1)
        assert [5, 45] == [lives(cache, clock, key) for key in keys]

    def test_keep_the_prefix_function_of_presets(self, clock):
        inner = MemoryCache(clock=clock)
        presets = CacheWithPresets(inner, 100, lambda: "p:")
        cached = get_quickcache(cache=presets, timeout=10)(["x"])(add)
        key = "p:" + cached.get_cache_key(1)
        cached(1)

        assert 10 == lives(inner, clock, key)

    def test_keep_the_class_of_presets(self, clock):
        """A user's subclass overrides methods for a reason, and may have fields of its own."""

        class Shouting(CacheWithPresets):
            def prefixed_key(self, key):
                return "SHOUTED:" + key

        inner = MemoryCache(clock=clock)
        cached = get_quickcache(cache=Shouting(inner, 100), timeout=10)(["x"])(add)
        key = "SHOUTED:" + cached.get_cache_key(1)
        cached(1)

        assert 10 == lives(inner, clock, key)

    def test_reach_foreign_caches_by_keyword(self):
        class Takes(RecordingCache):
            def set(self, key, value, timeout=None):
                self.calls.append((key, value, timeout))

        cache = Takes()
        cached = get_quickcache(cache=cache, timeout=10)(["x"])(add)
        cached(1)

        assert (cached.get_cache_key(1), 2, 10) == cache.calls[-1]

    @pytest.mark.parametrize("options", [{"timeout": 5}, {"memoize_timeout": 5}])
    def test_are_refused_at_decoration_for_a_cache_that_takes_none(self, options):
        class Plain:
            def get(self, key, default=None): ...

            def set(self, key, value): ...

            def delete(self, key): ...

        for cache in (Plain(), TieredCache([Plain(), Plain()]), TieredCache([Plain()])):
            with pytest.raises(ValueError, match=r"Plain\.set\(\) takes none.*MemoryCache"):
                get_quickcache(cache=cache, **options)(["x"])(add)

    def test_are_not_refused_for_a_tier_they_are_not_for(self):
        plain = RecordingCache()
        plain.set = lambda key, value: None
        get_quickcache(cache=TieredCache([plain, MemoryCache()]), timeout=5)(["x"])(add)
        get_quickcache(cache=TieredCache([MemoryCache(), plain]), memoize_timeout=5)(["x"])(add)

    @pytest.mark.parametrize("option", ["timeout", "memoize_timeout"])
    @pytest.mark.parametrize("wrong", ["5", [5], float("nan")], ids=repr)
    @pytest.mark.parametrize("tiers", [1, 2])
    def test_that_are_none_are_refused_at_decoration(self, option, wrong, tiers):
        cache = TieredCache([MemoryCache() for _ in range(tiers)])
        with pytest.raises((TypeError, ValueError), match="timeout"):
            get_quickcache(cache=cache, **{option: wrong})(["x"])(add)

    def test_do_not_reach_the_helper_class(self):
        seen = []

        def helper_class(fn, **options):
            seen.append(sorted(options))
            return mock.MagicMock(prefix="p")

        get_quickcache(cache=MemoryCache(), timeout=5, memoize_timeout=1, helper_class=helper_class)(["x"])(
            add
        )

        assert [["assert_function", "cache", "skip_arg", "vary_on"]] == seen


class TestPatches:
    """What tests of our users do to caches takes effect at once, and is undone with the patch."""

    @pytest.fixture
    def cached(self):
        cache = TieredCache([CacheWithPresets(MemoryCache(), 10), MemoryCache()])

        @get_quickcache(cache=cache)(["x"])
        def count(x):
            count.computed += 1
            return count.computed

        count.computed = 0
        count.cache = cache
        assert [1, 1] == [count(0), count(0)]
        return count

    @pytest.mark.parametrize(
        ("class_", "tier"),
        [(TieredCache, None), (CacheWithPresets, 0)],
        ids=["TieredCache", "CacheWithPresets"],
    )
    def test_of_get(self, cached, class_, tier):
        for _ in range(3):
            with mock.patch.object(class_, "get", return_value="patched") as patched:
                assert "patched" == cached(0)
                assert patched.call_count == 1
            assert 1 == cached(0)

    @pytest.mark.parametrize("class_", [TieredCache, CacheWithPresets])
    def test_of_set_and_delete(self, cached, class_):
        with (
            mock.patch.object(class_, "set") as patched_set,
            mock.patch.object(class_, "delete") as patched_delete,
        ):
            cached(5)
            cached.clear(5)
        assert (1, 1) == (patched_set.call_count, patched_delete.call_count)

    def test_of_prefixed_key(self, cached):
        with mock.patch.object(
            CacheWithPresets, "prefixed_key", side_effect=lambda key: "p:" + key
        ) as patched:
            cached(7)
        assert patched.call_count > 0

    def test_of_get_of_a_memory_cache_subclass(self):
        class Own(MemoryCache):
            pass

        cache = Own()

        @get_quickcache(cache=cache)(["x"])
        def double(x):
            return 2 * x

        assert 4 == double(2)
        with mock.patch.object(Own, "get", return_value="patched"):
            assert "patched" == double(2)
        assert 4 == double(2)

    @pytest.mark.parametrize(
        "wrap", [lambda cache: cache, lambda cache: TieredCache([cache])], ids=["bare", "tiered"]
    )
    def test_of_memory_cache_itself(self, wrap):
        double = get_quickcache(cache=wrap(MemoryCache()))(["x"])(add)
        assert 2 == double(1)
        for _ in range(3):
            with mock.patch.object(MemoryCache, "get", return_value="patched"):
                assert "patched" == double(1)
            assert 2 == double(1)

    def test_of_an_instance(self, cached):
        with mock.patch.object(cached.cache, "get", return_value="patched"):
            assert "patched" == cached(0)
        assert 1 == cached(0)

    def test_of_the_tiers(self, cached):
        with mock.patch.object(cached.cache, "caches", [RecordingCache()]):
            assert [2, 2] == [cached(0), cached(0)]
        assert 1 == cached(0)

    def test_of_the_helpers_cache(self, cached):
        helper = cached.clear.__self__
        with mock.patch.object(helper, "cache", MemoryCache()):
            assert [2, 2] == [cached(0), cached(0)]
        assert 1 == cached(0)

    def test_by_a_subclass(self):
        class Odd(TieredCache):
            def get(self, key, default=None):
                return "odd"

        assert "odd" == get_quickcache(cache=Odd([MemoryCache()]))(["x"])(add)(1)

    def test_by_a_subclass_of_presets(self):
        class Odd(CacheWithPresets):
            def get(self, key, default=None):
                return "odd"

        presets = Odd(MemoryCache(), 10)
        assert "odd" == get_quickcache(cache=presets)(["x"])(add)(1)
        assert "odd" == TieredCache([presets]).get("k")

    def test_by_more_cycles_than_a_class_has_versions(self, cached):
        """On 3.13, 500 patches use up a class's version tags; results stay right."""
        for _ in range(1_200):
            with mock.patch.object(TieredCache, "get", return_value="patched"):
                assert "patched" == cached(0)
            assert 1 == cached(0)


class TestAsTheOriginals:
    def test_presets_are_a_namedtuple(self):
        presets = CacheWithPresets("cache", 5)

        assert ("cache", 5, None) == presets
        assert ("cache", "timeout", "prefix_function") == presets._fields
        assert CacheWithPresets("cache", 6) == presets._replace(timeout=6)
        assert isinstance(presets, tuple)

    def test_presets_may_be_given_attributes(self):
        presets = CacheWithPresets(MemoryCache(), 5)
        presets.note = "mine"
        assert "mine" == presets.note

        with mock.patch.object(presets, "get", return_value="patched"):
            assert "patched" == TieredCache([presets]).get("k")

    def test_presets_may_be_subclassed_with_a_namedtuple(self):
        class More(namedtuple("More", [*CacheWithPresets._fields, "extra"]), CacheWithPresets):  # noqa: PYI024
            pass

        presets = More(MemoryCache(), 10, None, "extra")
        presets.set("k", 1)

        assert (1, "extra") == (presets.get("k"), presets.extra)

    def test_deprecated_presets_can_be_pickled_and_copied(self):
        from quickcache.cache_helpers import CacheWithTimeout

        with pytest.deprecated_call():
            presets = CacheWithTimeout("cache", 5)
        assert presets == pickle.loads(pickle.dumps(presets))
