"""One memory above two servers, or in two TieredCaches: both are heard, and the shorter bound holds."""

import time

import pytest
from coherent_tiers import HOUR
from redis_servers import waiting
from redis_servers.binaries import valkey
from redis_servers.server import Server

from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

BEAT = 0.5


def kept(memory, tiers, key):
    """Have a value in memory, and nothing on its way."""
    waiting.until("memory is trusted", lambda: tiers.get(key) and tiers.stats()["trusted"])
    waiting.until_heard(memory, tiers.caches[-1])
    waiting.until("memory has it", lambda: tiers.get(key) and key in memory)


def cache_of(server, prefix=""):
    return RedisCache(server.url, timeout=HOUR, key_prefix=prefix, deadline=waiting.LIMIT)


@pytest.mark.parametrize(
    "coherence", [("tracking", "tracking"), ("tracking", "pubsub"), ("pubsub", "pubsub")]
)
def test_each_of_two_servers_is_heard(coherence):
    with Server(valkey()) as first, Server(valkey()) as second:
        memory = MemoryCache()
        one, two = (
            TieredCache([memory, cache_of(server)], coherence=mode, beat=BEAT)
            for server, mode in zip((first, second), coherence, strict=True)
        )
        others = [
            TieredCache([MemoryCache(), cache_of(server)], coherence=mode)
            for server, mode in zip((first, second), coherence, strict=True)
        ]
        one.set("a", 1)
        two.set("b", 1)
        kept(memory, one, "a")
        kept(memory, two, "b")
        others[0].set("a", 2)
        others[1].set("b", 2)
        waiting.until("both are heard", lambda: [one.get("a"), two.get("b")] == [2, 2])


def test_the_shortest_bound_is_in_force():
    with Server(valkey()) as server:
        memory, below = MemoryCache(), cache_of(server)
        strict = TieredCache([memory, below], beat=0.2)
        patient = TieredCache([memory, below], on_link_loss=600)
        strict.set("k", 1)
        kept(memory, patient, "k")
        kept(memory, strict, "k")
        assert [0.4, 0.4] == [tiers.stats()["bound"] for tiers in (strict, patient)]
        server.pause()
        try:
            waiting.until("memory is not used", lambda: "k" not in memory)
        finally:
            server.resume()


def test_a_server_that_nobody_asks_for_and_that_is_gone_does_not_hinder_the_other():
    with Server(valkey()) as gone, Server(valkey()) as server:
        memory = MemoryCache()
        of_gone = TieredCache([memory, cache_of(gone)], on_link_loss=1)
        one = TieredCache([memory, cache_of(server)], beat=60)
        of_gone.set("gone", 1)
        kept(memory, of_gone, "gone")
        gone.kill()
        one.set("k", 1)

        def is_said():
            told = one.stats()
            why = f"127.0.0.1:{gone.port} does not tell of changes: "
            return not told["trusted"] and why in str(told["reason"])

        waiting.until("the bound has passed", is_said)
        kept(memory, one, "k")
        assert one.stats()["reason"] is None
        assert (False, True) == (of_gone.stats()["trusted"], one.stats()["trusted"])
        assert 120 == one.stats()["bound"]

        # Of the one that is gone nothing is kept, although the other has memory trusted.
        refused = of_gone.stats()["refused_fills"]
        cached = get_quickcache(cache=of_gone)(["x"])(lambda x: x)
        assert [1, 1, 1] == [cached(1) for _ in range(3)]
        assert cached.get_cache_key(1) not in memory
        assert of_gone.stats()["refused_fills"] > refused


def test_memory_that_may_serve_without_its_server_does_so_although_nobody_asks():
    with Server(valkey()) as server:
        memory = MemoryCache()
        tiers = TieredCache([memory, cache_of(server)], on_link_loss=600)
        tiers.set("k", 1)
        kept(memory, tiers, "k")
        server.kill()
        # Without that, a listener gives up after five seconds.
        time.sleep(6)
        assert "k" in memory
