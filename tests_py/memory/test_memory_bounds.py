"""MemoryCache: how much it holds, and what goes when that is too much."""

import pytest

from quickcache import MemoryCache

POLICIES = ["tinylfu", "lru"]


@pytest.mark.parametrize("policy", POLICIES)
class TestEntries:
    @pytest.mark.parametrize("bound", [1, 2, 10, 1_000])
    def test_are_never_more_than_the_bound(self, policy, bound):
        cache = MemoryCache(max_entries=bound, policy=policy)
        for i in range(3 * bound + 200):
            cache.set(f"k{i}", i)

        told = cache.stats()
        assert len(cache) <= bound
        assert len(cache) == told["entries"] == sum(f"k{i}" in cache for i in range(3 * bound + 200))

    def test_are_at_the_bound_when_more_was_set(self, policy):
        cache = MemoryCache(max_entries=100, policy=policy)
        for i in range(1_000):
            cache.set(f"k{i}", i)

        assert 100 == len(cache)

    def test_below_the_bound_are_all_kept(self, policy):
        cache = MemoryCache(max_entries=1_000, policy=policy)
        for i in range(1_000):
            cache.set(f"k{i}", i)

        assert list(range(1_000)) == [cache.get(f"k{i}") for i in range(1_000)]
        assert 0 == cache.stats()["evictions"]

    def test_overwritten_count_once(self, policy):
        cache = MemoryCache(max_entries=10, policy=policy)
        for i in range(1_000):
            cache.set(f"k{i % 10}", i)

        assert (10, 0) == (len(cache), cache.stats()["evictions"])

    def test_stay_near_the_bound_between_calls_of_len(self, policy):
        """Seen from the values: no more of them alive than the bound and a little slack."""
        alive = [0, 0]

        class Counted:
            def __init__(self):
                alive[0] += 1
                alive[1] = max(alive)

            def __del__(self):
                alive[0] -= 1

        cache = MemoryCache(max_entries=100, policy=policy, isolate=False)
        for i in range(5_000):
            cache.set(f"k{i}", Counted())

        assert alive[1] <= 100 + 100 // 32 + 64 + 2
        assert len(cache) == alive[0]


class TestBytes:
    @pytest.mark.parametrize("policy", POLICIES)
    def test_are_never_more_than_the_bound(self, policy):
        cache = MemoryCache(max_entries=None, max_bytes=200_000, policy=policy)
        for i in range(1_000):
            cache.set(f"k{i}", bytes(1_000))

        held = len(cache)
        assert cache.stats()["bytes"] <= 200_000
        assert 100 <= held <= 200

    def test_bound_together_with_entries(self):
        few, small = (
            MemoryCache(max_entries=10, max_bytes=10_000_000),
            MemoryCache(max_entries=10_000, max_bytes=100_000),
        )
        for cache in (few, small):
            for i in range(1_000):
                cache.set(f"k{i}", bytes(1_000))

        assert len(few) <= 10
        assert 50 <= len(small) <= 100

    def test_of_containers_are_those_of_all_within(self):
        cache = MemoryCache(max_bytes=10_000_000)
        cache.set("k", {"a": [bytes(100_000), ("x" * 100_000, {1: bytes(100_000)})]})

        assert 300_000 <= cache.stats()["bytes"] <= 310_000

    def test_of_long_keys_count(self):
        cache = MemoryCache()
        cache.set("k" * 100_000, 1)

        assert 100_000 <= cache.stats()["bytes"] <= 102_000

    def test_are_given_back(self):
        cache = MemoryCache()
        for i in range(100):
            cache.set(f"k{i}", bytes(1_000))
        cache.set("k0", 0)
        assert 99_000 <= cache.stats()["bytes"] <= 150_000

        for i in range(100):
            cache.delete(f"k{i}")
        assert (0, 0) == (cache.stats()["bytes"], len(cache))

    def test_a_value_larger_than_the_bound_is_refused_and_the_old_one_gone(self):
        cache = MemoryCache(max_bytes=10_000)
        cache.set("k", "old")
        cache.set("other", 1)
        cache.set("k", bytes(10_001))

        assert (None, 1) == (cache.get("k"), cache.get("other"))
        assert 1 == cache.stats()["refusals"]

    @pytest.mark.parametrize("value", ["(value, value)", "[(value, value), []]"])
    def test_a_value_in_many_places_does_not_take_for_ever(self, run_apart, value):
        """Forty containers that hold the one before them twice: 2**40 places, 40 objects."""
        told = run_apart(f"""
            from quickcache import MemoryCache
            value = (1,)
            for _ in range(40):
                value = {value}
            cache = MemoryCache()
            cache.set("k", value)
            print(type(cache.get("k")) is type(value), cache.stats()["refusals"])
        """)

        assert "True 0\n" == told


class TestPolicy:
    def test_lru_keeps_the_newest(self):
        cache = MemoryCache(max_entries=10, policy="lru")
        for i in range(100):
            cache.set(f"k{i}", i)
        len(cache)

        assert list(range(90, 100)) == [i for i in range(100) if f"k{i}" in cache]

    def test_lru_keeps_what_was_read_last(self):
        cache = MemoryCache(max_entries=10, policy="lru")
        for i in range(10):
            cache.set(f"k{i}", i)
        len(cache)  # reads are noted for values that moka has taken in, which it does in batches
        assert [0, 1] == [cache.get("k0"), cache.get("k1")]
        for i in range(10, 18):
            cache.set(f"k{i}", i)
        len(cache)

        assert [0, 1, *range(10, 18)] == [i for i in range(18) if f"k{i}" in cache]

    def test_lru_does_not_take_in_for_a_use(self):
        cache = MemoryCache(max_entries=10, policy="lru")
        for i in range(10):
            cache.set(f"k{i}", i)
        assert "k0" in cache
        cache.set("k10", 10)
        len(cache)

        assert "k0" not in cache

    def test_lru_never_refuses_a_newcomer(self):
        """What Django keeps in a cache, sessions and locks, must get in."""
        cache = MemoryCache(max_entries=10, policy="lru")
        for i in range(1_000):
            cache.set(f"k{i}", i)
            assert i == cache.get(f"k{i}")

    def test_tinylfu_keeps_what_is_used_often(self):
        cache = MemoryCache(max_entries=100)
        for i in range(50):
            cache.set(f"often{i}", i)
        for _ in range(20):
            for i in range(50):
                assert i == cache.get(f"often{i}")
        for i in range(1_000):
            cache.set(f"once{i}", i)
        len(cache)

        assert 45 <= sum(f"often{i}" in cache for i in range(50))

    def test_evictions_are_counted(self):
        cache = MemoryCache(max_entries=10, policy="lru")
        for i in range(100):
            cache.set(f"k{i}", i)
        len(cache)

        assert 90 == cache.stats()["evictions"]


class TestOptions:
    @pytest.mark.parametrize("option", ["max_entries", "max_bytes"])
    @pytest.mark.parametrize("bound", [0, -1, -(10**30)])
    def test_a_bound_is_at_least_one(self, option, bound):
        with pytest.raises(ValueError, match=rf"{option} must be at least 1, or None.*not {bound}"):
            MemoryCache(**{option: bound})

    @pytest.mark.parametrize("option", ["max_entries", "max_bytes"])
    @pytest.mark.parametrize("bound", ["10", 1.5, [], b"1"], ids=repr)
    def test_a_bound_is_an_integer(self, option, bound):
        with pytest.raises(TypeError):
            MemoryCache(**{option: bound})

    @pytest.mark.parametrize("option", ["max_entries", "max_bytes"])
    @pytest.mark.parametrize("bound", [2**63, 2**64 - 1, 2**64, 2**100, 10**50], ids=lambda n: str(n)[:25])
    def test_a_huge_bound_is_as_good_as_none(self, option, bound):
        cache = MemoryCache(**{option: bound})
        cache.set_many({str(i): i for i in range(100)})

        assert 100 == len(cache)

    def test_no_bounds_at_all(self):
        cache = MemoryCache(max_entries=None, max_bytes=None)
        cache.set_many({str(i): i for i in range(20_000)})

        assert 20_000 == len(cache)

    @pytest.mark.parametrize("policy", ["LRU", "", "fifo"])
    def test_an_unknown_policy_is_refused_with_those_there_are(self, policy):
        with pytest.raises(ValueError, match=r"tinylfu.*lru"):
            MemoryCache(policy=policy)

    def test_options_are_told(self):
        cache = MemoryCache(max_entries=5, max_bytes=10_000, timeout=2, isolate=False, policy="lru")

        assert (5, 10_000, 2.0, False, "lru") == (
            cache.max_entries,
            cache.max_bytes,
            cache.timeout,
            cache.isolate,
            cache.policy,
        )

    def test_options_are_the_documented_ones_by_default(self):
        cache = MemoryCache()

        assert (10_000, None, None, True, "tinylfu") == (
            cache.max_entries,
            cache.max_bytes,
            cache.timeout,
            cache.isolate,
            cache.policy,
        )

    def test_options_do_not_change(self):
        with pytest.raises(AttributeError):
            MemoryCache().max_entries = 5

    def test_options_are_given_by_name_and_known(self):
        for wrong in (lambda: MemoryCache(5), lambda: MemoryCache(bogus=1)):
            with pytest.raises(TypeError):
                wrong()
