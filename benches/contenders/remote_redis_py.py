"""redis-py, with hiredis for its parser, and pickle for its values."""

import pickle
from typing import Any

import redis

from benches.address import Address
from benches.contender import Client, Remote
from benches.contenders import AbsentError

if "hiredis" not in redis.connection.DefaultParser.__module__:
    raise AbsentError("without hiredis it is slower than it need be")

PROTOCOL = 5


def connect(address: Address) -> Client:
    client = redis.Redis.from_url(address.url)

    def get(key: str) -> Any:
        found: Any = client.get(key)
        return None if found is None else pickle.loads(found)  # noqa: S301  it is our own

    def put(key: str, value: Any, life: int | None) -> None:
        client.set(key, pickle.dumps(value, PROTOCOL), ex=life)

    def get_many(keys: list[str]) -> dict[str, Any]:
        found: Any = client.mget(keys)
        both = zip(keys, found, strict=True)
        return {key: pickle.loads(one) for key, one in both if one is not None}  # noqa: S301

    return Client(get, put, get_many, client.close)


CONTENDERS = [Remote("redis-py", connect, frozenset({"target", "threads"}))]
