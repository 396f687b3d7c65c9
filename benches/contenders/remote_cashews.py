"""cashews over Redis. It has coroutines only, so what is timed is an await, and threads cannot share it."""

import asyncio
from typing import Any

import redis  # noqa: F401  what it imports only when it is used
from cashews import Cache

from benches.address import Address
from benches.contender import Client, Remote


def connect(address: Address) -> Client:
    if address.socket:
        raise ValueError("knows no address of a unix socket")
    loop = asyncio.new_event_loop()
    cache = Cache()
    cache.setup(address.url, client_side=False)

    def put(key: str, value: Any, life: int | None) -> None:
        loop.run_until_complete(cache.set(key, value, expire=life))

    async def get_many(keys: list[str]) -> dict[str, Any]:
        both = zip(keys, await cache.get_many(*keys), strict=True)
        return {key: one for key, one in both if one is not None}

    def close() -> None:
        loop.run_until_complete(cache.close())
        loop.close()

    return Client(cache.get, put, get_many, close, loop.run_until_complete)


CONTENDERS = [Remote("cashews (awaited)", connect)]
