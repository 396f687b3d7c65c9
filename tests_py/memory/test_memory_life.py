"""MemoryCache under a manual clock: how long values live."""

from datetime import timedelta

import pytest

from quickcache import ManualClock, MemoryCache

NANOSECOND = 1e-9


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def cache(clock):
    return MemoryCache(clock=clock)


class TestExpiry:
    def test_comes_to_the_tick(self, cache, clock):
        cache.set("k", 1, timeout=10)
        clock.advance(10 - NANOSECOND)
        assert 1 == cache.get("k")

        clock.advance(NANOSECOND)
        assert cache.get("k", default=Ellipsis) is Ellipsis

    @pytest.mark.parametrize(
        "look",
        [
            lambda cache: cache.get("k", default=Ellipsis) is not Ellipsis,
            lambda cache: "k" in cache,
            lambda cache: len(cache) == 1,
            lambda cache: cache.stats()["entries"] == 1,
            lambda cache: cache.get_many(["k"]) == {"k": 1},
            lambda cache: cache.touch("k", 5),
            lambda cache: cache.delete("k"),
            lambda cache: cache.delete_many(["k"]) == 1,
        ],
        ids=["get", "in", "len", "stats", "get_many", "touch", "delete", "delete_many"],
    )
    def test_is_seen_by_whoever_looks_first(self, cache, clock, look):
        """No operation needs another one to have cleaned up before it."""
        cache.set("k", 1, timeout=10)
        assert look(cache) is True

        cache.set("k", 1, timeout=10)
        clock.advance(10)
        assert look(cache) is False

    def test_is_each_values_own(self, cache, clock):
        lives = [1, 10, 100, 1_000, None]
        for life in lives:
            cache.set(f"k{life}", life, timeout=life)

        alive = []
        for seconds in (1, 9, 90, 900):
            clock.advance(seconds)
            alive.append([life for life in lives if f"k{life}" in cache])
        assert [lives[1:], lives[2:], lives[3:], lives[4:]] == alive

    def test_comes_to_the_tick_late_in_the_clocks_life(self, cache, clock):
        clock.advance(timedelta(days=365 * 500))
        cache.set("k", 1, timeout=10)
        clock.advance(10 - NANOSECOND)
        assert 1 == cache.get("k")

        clock.advance(NANOSECOND)
        assert cache.get("k") is None

    def test_is_counted_once(self, cache, clock):
        for i in range(10):
            cache.set(f"k{i}", i, timeout=10)
        clock.advance(10)
        for _ in range(3):
            assert cache.get("k1") is None

        told = [cache.stats() for _ in range(2)][-1]
        assert (10, 0, 0) == (told["expirations"], told["entries"], told["evictions"])

    def test_frees_what_has_expired_though_nobody_asks_for_it(self, cache, clock):
        for i in range(100):
            cache.set(f"old{i}", i, timeout=10)
        clock.advance(10)
        for i in range(200):
            cache.set("new", i)

        assert 100 == cache.stats()["expirations"]


class TestTimeouts:
    @pytest.mark.parametrize("timeout", [10, 10.0, timedelta(seconds=10), 10 + 0.4 * NANOSECOND], ids=repr)
    def test_are_seconds_or_timedeltas(self, cache, clock, timeout):
        cache.set("k", 1, timeout=timeout)
        clock.advance(10 - NANOSECOND)
        assert 1 == cache.get("k")

        clock.advance(2 * NANOSECOND)
        assert cache.get("k") is None

    @pytest.mark.parametrize("timeout", [0.25, timedelta(milliseconds=250)], ids=repr)
    def test_may_be_parts_of_a_second(self, cache, clock, timeout):
        cache.set("k", 1, timeout=timeout)
        clock.advance(0.25 - NANOSECOND)
        assert 1 == cache.get("k")

        clock.advance(NANOSECOND)
        assert cache.get("k") is None

    @pytest.mark.parametrize(
        "timeout",
        [None, float("inf"), 1e300, 10**18, 10**400, timedelta.max, timedelta(days=365 * 600)],
        ids=lambda timeout: str(timeout)[:20],
    )
    def test_none_and_centuries_are_for_ever(self, clock, timeout):
        for cache in (MemoryCache(clock=clock, timeout=timeout), MemoryCache(clock=clock, timeout=1)):
            cache.set("k", 1, **({} if cache.timeout is None else {"timeout": timeout}))
            clock.advance(timedelta(days=365 * 100))
            assert 1 == cache.get("k")

    @pytest.mark.parametrize(
        "timeout",
        [0, 0.0, -0.0, -1, -(10**400), -1e300, float("-inf"), timedelta(0), timedelta.min],
        ids=lambda timeout: str(timeout)[:20],
    )
    def test_nothing_and_less_is_not_kept(self, clock, timeout):
        for cache in (MemoryCache(clock=clock, timeout=timeout), MemoryCache(clock=clock)):
            cache.set("k", 1, **({} if cache.timeout == 0 else {"timeout": timeout}))
            assert ("k" in cache, cache.get("k"), len(cache)) == (False, None, 0)

    def test_of_the_cache_counts_where_none_is_given(self, clock):
        cache = MemoryCache(clock=clock, timeout=10)
        cache.set("left out", 1)
        cache.set("ellipsis", 1, timeout=...)
        cache.set_many({"many": 1})
        cache.set("longer", 1, timeout=20)
        cache.set("for ever", 1, timeout=None)
        clock.advance(10)

        everything = ["left out", "ellipsis", "many", "longer", "for ever"]
        assert ["longer", "for ever"] == [key for key in everything if key in cache]

    def test_nan_is_refused(self, cache):
        nan = float("nan")
        for operation in (
            lambda: cache.set("k", 1, timeout=nan),
            lambda: cache.touch("k", nan),
            lambda: cache.set_many({"k": 1}, timeout=nan),
            lambda: MemoryCache(timeout=nan),
        ):
            with pytest.raises(ValueError, match="nan"):
                operation()
        assert "k" not in cache

    @pytest.mark.parametrize("timeout", ["10", b"10", [10], (), 1j, object()], ids=lambda t: type(t).__name__)
    def test_of_other_types_are_refused_by_name(self, cache, timeout):
        for operation in (
            lambda: cache.set("k", 1, timeout=timeout),
            lambda: cache.touch("k", timeout),
            lambda: cache.set_many({"k": 1}, timeout=timeout),
            lambda: MemoryCache(timeout=timeout),
        ):
            with pytest.raises(TypeError, match=rf"seconds.*timedelta.*None.*not {type(timeout).__name__}"):
                operation()
        assert "k" not in cache

    @pytest.mark.parametrize(
        ("given", "told"), [(None, None), (10, 10.0), (timedelta(seconds=1.5), 1.5), (0, 0.0), (-5, 0.0)]
    )
    def test_are_told_in_seconds(self, given, told):
        assert told == MemoryCache(timeout=given).timeout


class TestRenewal:
    def test_an_overwrite_begins_a_new_life(self, cache, clock):
        cache.set("k", 1, timeout=10)
        clock.advance(9)
        cache.set("k", 2, timeout=10)
        clock.advance(10 - NANOSECOND)
        assert 2 == cache.get("k")

        clock.advance(NANOSECOND)
        assert cache.get("k") is None

    def test_an_overwrite_may_shorten_a_life(self, cache, clock):
        cache.set("k", 1)
        cache.set("k", 2, timeout=1)
        clock.advance(1)

        assert cache.get("k") is None

    def test_a_life_without_end_replaces_one_that_has_one(self, cache, clock):
        cache.set("k", 1, timeout=1)
        cache.set("k", 2, timeout=None)
        clock.advance(1_000_000)

        assert 2 == cache.get("k")

    def test_reading_renews_nothing(self, cache, clock):
        cache.set("k", 1, timeout=10)
        for _ in range(9):
            clock.advance(1)
            assert 1 == cache.get("k")
        clock.advance(1)

        assert cache.get("k") is None


class TestTouch:
    def test_shortens_too(self, cache, clock):
        cache.set("k", 1)
        cache.touch("k", timeout=1)
        clock.advance(1)

        assert cache.get("k") is None

    def test_takes_the_caches_timeout_where_none_is_given(self, clock):
        cache = MemoryCache(clock=clock, timeout=10)
        cache.set("k", 1, timeout=1)
        assert [True, True] == [cache.touch("k"), cache.touch("k", ...)]
        clock.advance(10 - NANOSECOND)
        assert 1 == cache.get("k")

        clock.advance(NANOSECOND)
        assert cache.get("k") is None

    def test_may_give_a_life_without_end(self, cache, clock):
        cache.set("k", 1, timeout=1)
        cache.touch("k", None)
        clock.advance(1_000_000)

        assert 1 == cache.get("k")

    @pytest.mark.parametrize("timeout", [0, -1, timedelta(0)], ids=repr)
    def test_with_no_life_forgets(self, cache, timeout):
        cache.set("k", 1)

        assert cache.touch("k", timeout) is True
        assert "k" not in cache

    def test_leaves_the_value_as_it_is(self, cache):
        cache.set("k", [1])
        cache.touch("k", 10)

        assert [1] == cache.get("k")


class TestManualClock:
    def test_turns_by_seconds_and_timedeltas(self, cache, clock):
        cache.set("k", 1, timeout=2)
        clock.advance(1)
        clock.advance(timedelta(seconds=0.5))
        assert 1 == cache.get("k")

        clock.advance(0.5)
        assert cache.get("k") is None

    @pytest.mark.parametrize("seconds", [-1, -0.5, float("nan"), float("inf"), timedelta(-1)], ids=repr)
    def test_turns_neither_back_nor_for_ever(self, clock, seconds):
        with pytest.raises(ValueError, match=r"forward|nan"):
            clock.advance(seconds)

    @pytest.mark.parametrize("seconds", [None, "1", [1]], ids=repr)
    def test_turns_by_time_alone(self, clock, seconds):
        with pytest.raises(TypeError):
            clock.advance(seconds)

    def test_may_turn_for_several_caches(self, clock):
        caches = [MemoryCache(clock=clock, timeout=1) for _ in range(3)]
        for cache in caches:
            cache.set("k", 1)
        clock.advance(1)

        assert [0, 0, 0] == [len(cache) for cache in caches]
