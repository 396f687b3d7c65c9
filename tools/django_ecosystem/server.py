"""The server that the packages' tests are run on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import carried_server


class Server:
    """A running server, seen through a connection that no test uses."""

    def __init__(self, url: str, client: Any) -> None:
        self.url = url
        self._client = client

    def lookups(self) -> int:
        """How many keys it was asked for."""
        told = self._client.info("stats")
        return int(told["keyspace_hits"] + told["keyspace_misses"])


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server; stop it at the end."""
    with carried_server.serving() as server, server.client() as client:
        yield Server(carried_server.url(server), client)
