"""One memory above two servers, or in two TieredCaches: both are heard, and the shorter bound holds."""

import time

import pytest
from coherent_tiers import HOUR
from redis_servers import waiting
from redis_servers.binaries import valkey
from redis_servers.server import Server

from quickcache import MemoryCache, RedisCache, TieredCache

BEAT = 0.5


def kept(memory, tiers, key):
    """Have a value in memory, and nothing on its way."""
    waiting.until("memory is trusted", lambda: tiers.get(key) and tiers.stats()["trusted"])
    time.sleep(0.2)
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
