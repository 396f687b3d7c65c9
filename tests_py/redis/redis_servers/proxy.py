"""A proxy before a server: makes faults as a test wants them, and speaks TLS for servers that do not."""

import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from . import watchdog
from .certificates import Certificates
from .faults import PASS, Fault
from .ports import HOST, Port
from .waiting import LIMIT

ROOT = str(Path(__file__).parent.parent)
PROGRAM = "import sys; sys.path.insert(0, {!r}); from redis_servers.proxy_process import main; main()"


class Counts(NamedTuple):
    """Connections so far, those open, and the bytes that came from each side."""

    accepted: int
    open: int
    requests: int
    replies: int


class Proxy:
    """Passes all on to a port or a unix socket; it runs within a `with` block, in a process of its own.

    With certificates its clients speak TLS; with `ask_client` they must show a certificate themselves.
    """

    def __init__(
        self, target: int | str, certificates: Certificates | None = None, *, ask_client: bool = False
    ) -> None:
        self._target = target
        self._certificates = certificates
        self._ask_client = ask_client
        self._port = Port()
        self._process: watchdog.Process | None = None
        self._control, self._far = socket.socketpair()
        self._lines = self._control.makefile("rb")

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def url(self) -> str:
        return f"redis{'s' if self._certificates else ''}://{HOST}:{self.port}/0"

    def set(self, *, requests: Fault = PASS, replies: Fault = PASS, listening: bool = False) -> None:
        """Have each direction do this from now on, with connections that are open too.

        `listening`: only with those that track keys or subscribe, and all others pass.
        """
        self._tell(requests=asdict(requests), replies=asdict(replies), refuse=False, listening=listening)

    def heal(self) -> None:
        """Pass everything on."""
        self.set()

    def refuse(self) -> None:
        """Break all connections and accept none."""
        self._tell(requests=asdict(PASS), replies=asdict(PASS), refuse=True, listening=False, drop=True)

    def drop(self) -> None:
        """Break all connections, once, by RST."""
        self._tell(drop=True)

    def counts(self) -> Counts:
        return Counts(**self._tell())

    def _tell(self, **what: Any) -> dict[str, int]:
        self._control.sendall(json.dumps(what).encode() + b"\n")
        return self._answer()

    def _answer(self) -> dict[str, int]:
        line = self._lines.readline()
        assert line, f"the proxy has ended:\n{self._log.read_text()[-2_000:]}"
        answer: dict[str, int] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        self._log = watchdog.folder("proxy") / "log"
        number = self._far.fileno()
        settings = json.dumps({"port": self.port, "target": self._target, "tls": self._tls()})
        command = [sys.executable, "-c", PROGRAM.format(ROOT), str(number), settings]
        self._process = watchdog.start(command, self._log, pass_fds=[number])
        self._far.close()
        self._control.settimeout(LIMIT)
        try:
            self._answer()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._process:
            watchdog.stop(self._process)
            self._process = None
        self._lines.close()
        self._control.close()
        self._port.release()

    def _tls(self) -> dict[str, Any] | None:
        files = self._certificates
        if not files:
            return None
        clients_of = files.authority if self._ask_client else None
        return {"certificate": files.server, "key": files.server_key, "clients_of": clients_of}
