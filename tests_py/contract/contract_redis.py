"""Tiers on real servers, for the contract, and how theirs is another on purpose."""

import math
import secrets
from collections.abc import Callable
from typing import Any

from redis_servers.sharing import TierServer

from quickcache import RedisCache

ROUNDS = 100  # since each is a round trip
# All that the contract says of them in another way than of tiers in memory.
DIFFERENCES = {
    # A shared cache cannot hold the object itself, so `isolate` is no way out.
    "cure": "Return plain data, or give another serializer",
    "rounds": ROUNDS,
}

# What the server itself has long forgotten in this time has not been forgotten yet.
STILL = 10**9  # milliseconds
LIVES = 10  # seconds: the tests of the contract give lives of so many, or of its multiples


class Ageing:
    """Has seconds pass for the keys with a prefix, and no others: the server's clock cannot be turned.

    Lives are shortened. What is left of one is kept here, and the server keeps the key for days, so that no
    test is about how quick the machine is.
    """

    def __init__(self, server: TierServer, prefix: str) -> None:
        self._server = server
        self._prefix = prefix
        self._left: dict[bytes, float] = {}

    def __call__(self, seconds: float) -> None:
        client: Any = self._server.client
        for key in list(client.scan_iter(match=f"{self._prefix}*", count=1_000)):
            life = client.pttl(key)
            if life < 0 or life > 2 * STILL:
                continue  # for ever
            is_fresh = life < STILL
            left = math.ceil(life / 1_000 / LIVES) * LIVES if is_fresh else self._left[key]
            self._left[key] = left - seconds
            if self._left[key] > 0:
                client.pexpire(key, STILL + 100_000_000)
            else:
                client.delete(key)


def cache_on(server: TierServer, **options: Any) -> tuple[RedisCache, Callable[[float], None]]:
    """A cache with keys of its own on a server, and what has seconds pass for these."""
    prefix = f"{secrets.token_hex(8)}:"
    # The deadline is not what is tested: a busy machine must not make a miss of a hit.
    cache = RedisCache(server.url, key_prefix=prefix, deadline=60, **server.options, **options)
    return cache, Ageing(server, prefix)
