"""Django's own RedisCache, which is a cache over redis-py."""

from typing import Any

import redis  # noqa: F401  what it imports only when it is used
from django.core.cache.backends.redis import RedisCache

from benches.address import Address
from benches.contender import Client, Remote


def client_of(cache: Any) -> Client:
    """Any of Django's caches."""

    def put(key: str, value: Any, life: int | None) -> None:
        cache.set(key, value, life)

    return Client(cache.get, put, cache.get_many, cache.close)


def connect(address: Address) -> Client:
    return client_of(RedisCache(address.url, {"TIMEOUT": None}))


CONTENDERS = [Remote("Django RedisCache", connect, frozenset({"target", "threads"}))]
