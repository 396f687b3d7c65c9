"""Coherent tiers: what changes on the server leaves the memory of each process, and nothing else does.

Two caches with a memory each stand for two processes. Memory would keep all for an hour.
"""

from contextlib import closing

import pytest
from coherent_tiers import Tiers
from redis_servers import waiting

from quickcache import RedisCache, get_quickcache

KEYS = ["a", "b", "c", "d"]

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

# What one process does, and what has become of the keys then, whose values were 1. The others stay in memory.
CHANGES = {
    "TieredCache.set": (lambda one: one.whole.set("a", 2), {"a": 2}),
    "TieredCache.delete": (lambda one: one.whole.delete("a"), {"a": None}),
    "set": (lambda one: one.redis.set("a", 2), {"a": 2}),
    "set to the same": (lambda one: one.redis.set("a", 1), {"a": 1}),
    "set for no time": (lambda one: one.redis.set("a", 2, timeout=0), {"a": None}),
    "set_many": (lambda one: one.redis.set_many({"a": 2, "b": 3, "c": 4}), {"a": 2, "b": 3, "c": 4}),
    "incr": (lambda one: one.redis.incr("a", 5), {"a": 6}),
    "touch for no time": (lambda one: one.redis.touch("a", 0), {"a": None}),
    "touch": (lambda one: one.redis.touch("a", 500), {"a": 1}),
    "delete": (lambda one: one.redis.delete("a"), {"a": None}),
    "delete_many": (lambda one: one.redis.delete_many("abc"), {"a": None, "b": None, "c": None}),
    "clear": (lambda one: one.redis.clear(), dict.fromkeys(KEYS)),
}
# What has a decorated function's value replaced.
RENEWALS = {
    "clear": lambda cached: cached.clear(1),
    "set_cached_value": lambda cached: cached.set_cached_value(1).to("new"),
    "a refresh": lambda cached: cached(1, fresh=True),
}
SOURCE = {}


def function(x, fresh=False):
    """What is cached in all processes."""
    return SOURCE[x]


@pytest.fixture
def at(prefix):
    """Two processes at a server. There have been values before: of these, nobody hears late."""

    def at(url, *coherence, **options):
        SOURCE.update({1: "old", 2: "old"})
        with closing(RedisCache(url, key_prefix=prefix, deadline=waiting.LIMIT, **options)) as before:
            before.set_many(dict.fromkeys(KEYS, 1))
            filling = get_quickcache(cache=before)(["x"])(function)
            assert ["old", "old"] == [filling(1), filling(2)]
        return [Tiers(url, prefix, one, **options) for one in coherence]

    return at


@pytest.fixture(scope="module")
def witness():
    """Have somebody listen all the time: what has begun is not to be begun by each test."""
    witnesses = {}

    def witness(url, mode, **options):
        if (url, mode) not in witnesses:
            one = witnesses[url, mode] = Tiers(url, "witness:", mode, **options)
            one.listen()

    return witness


@pytest.fixture
def two(shared_tier_server, at, mode, witness):
    """Two processes that listen, at each kind of server."""
    witness(shared_tier_server.url, mode, **shared_tier_server.options)
    both = at(shared_tier_server.url, mode, mode, **shared_tier_server.options)
    for one in both:
        one.listen()
    return both


class TestWhatOneProcessChanges:
    @pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
    def test_leaves_the_memory_of_the_other_and_nothing_else_does(self, two, change, after):
        one, other = two
        other.take_up(*KEYS)
        flushes = other.flushes
        change(one)

        waiting.until("memory has none of them", lambda: not any(key in other.memory for key in after))
        assert [key for key in KEYS if key not in after] == [key for key in KEYS if key in other.memory]
        assert after == {key: other.whole.get(key) for key in after}
        assert flushes == other.flushes or after == dict.fromkeys(KEYS)

    @pytest.mark.parametrize("renew", RENEWALS.values(), ids=RENEWALS)
    def test_is_what_the_other_returns(self, two, renew):
        here, there = (one.cached(function, skip_arg="fresh") for one in two)
        for x in (1, 2):
            there.take_up(x)
        SOURCE[1] = "new"
        renew(here)

        waiting.until("the other has heard of it", lambda: there(1) == "new")
        assert there.is_kept(2)

    def test_is_at_once_what_it_returns_itself(self, two):
        here = two[0].cached(function, skip_arg="fresh")
        for version in range(100):
            SOURCE[1] = version
            here.clear(1)
            assert [version] * 3 == [here(1) for _ in range(3)]


class TestWithoutCoherence:
    """Which shows that the tests above can fail."""

    @pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
    def test_nothing_leaves_the_memory_of_the_other(self, shared, at, change, after):
        one, other = at(shared.server().url, "off", "off")
        other.take_up(*KEYS)
        change(one)

        assert dict.fromkeys(KEYS, 1) == {key: other.whole.get(key) for key in KEYS}

    @pytest.mark.parametrize("renew", RENEWALS.values(), ids=RENEWALS)
    def test_the_other_returns_what_was(self, shared, at, renew):
        here, there = (
            one.cached(function, skip_arg="fresh") for one in at(shared.server().url, "off", "off")
        )
        there.take_up(1)
        SOURCE[1] = "new"
        renew(here)

        assert ["new", "old"] == [here(1), there(1)]
