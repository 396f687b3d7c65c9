"""valkey-glide-sync: one client that all threads share, and pickle for values."""

import pickle
from typing import Any

from glide_sync import (
    ExpirySet,
    ExpiryType,
    GlideClient,
    GlideClientConfiguration,
    NodeAddress,
)

from benches.address import Address
from benches.contender import Client, Remote

PROTOCOL = 5


def connect(address: Address) -> Client:
    if address.socket:
        node = NodeAddress(unix_socket_path=address.socket)
    else:
        node = NodeAddress("127.0.0.1", address.port)
    client = GlideClient.create(GlideClientConfiguration([node]))

    def get(key: str) -> Any:
        found = client.get(key)
        return None if found is None else pickle.loads(found)  # noqa: S301  it is our own

    def put(key: str, value: Any, life: int | None) -> None:
        expiry = None if life is None else ExpirySet(ExpiryType.SEC, life)
        client.set(key, pickle.dumps(value, PROTOCOL), expiry=expiry)

    def get_many(keys: list[str]) -> dict[str, Any]:
        both = zip(keys, client.mget(list(keys)), strict=True)
        return {key: pickle.loads(one) for key, one in both if one is not None}  # noqa: S301

    return Client(get, put, get_many, client.close)


CONTENDERS = [Remote("valkey-glide-sync", connect, frozenset({"threads"}))]
