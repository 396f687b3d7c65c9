"""The RedisCache of this checkout: by itself, and under decorated functions."""

from typing import Any

from benches.address import Address
from benches.contender import Cached, Client, Remote, Subject
from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

FIVE_MINUTES = 300


def connect(address: Address) -> Client:
    cache = RedisCache(address.url)

    def put(key: str, value: Any, life: int | None) -> None:
        cache.set(key, value, timeout=life)

    return Client(cache.get, put, cache.get_many, cache.close)


def connected(address: Address) -> RedisCache:
    """Building a RedisCache does not talk to the server; here nobody is to pay for that later."""
    cache = RedisCache(address.url, timeout=FIVE_MINUTES)
    cache.ping()
    return cache


def alone(address: Address, subject: Subject) -> Cached:
    decorator = get_quickcache(cache=connected(address))
    return Cached(decorator(list(subject.vary_on))(subject.function))


def under_memory(address: Address, subject: Subject) -> Cached:
    """As documented: ten seconds in memory, five minutes in Redis."""
    tiers = TieredCache([MemoryCache(), connected(address)])
    decorator = get_quickcache(cache=tiers, timeout=FIVE_MINUTES, memoize_timeout=10)
    return Cached(decorator(list(subject.vary_on))(subject.function))


CONTENDERS = [
    Remote(
        "quickcache",
        connect,
        frozenset({"target", "threads"}),
        {"quickcache": alone, "quickcache, 10 s of memory above": under_memory},
    )
]
