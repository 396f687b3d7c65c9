"""One server process: started on a free port and a unix socket, harmed at will, and stopped."""

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import hiredis

from . import watchdog
from .binaries import Program
from .monitor import Command, watched
from .ports import HOST, Port
from .waiting import until
from .wire import Argument, Connection

TRIES = 5  # a port may be taken, where it cannot be kept, before the server has it


@dataclass(frozen=True)
class User:
    """A user of an access control list."""

    name: str
    password: str
    rules: str = "~* &* +@all"


# Where there are users, nobody else may do anything, and the tests are one of them.
TESTER = User("tester", "known to the tests")


class Server:
    """A server, which runs within a `with` block.

    Besides `port` it listens on `socket_path`, by which the tests reach it whatever lies before the port.
    """

    def __init__(
        self,
        program: Program,
        *,
        password: str = "",
        users: Iterable[User] = (),
        maxmemory: str = "",
        replica_of: "Server | None" = None,
        persistence: Literal["off", "save", "append"] = "off",
        settings: Mapping[str, str] | None = None,
        cluster: bool = False,
        sentinel: Iterable[str] | None = None,
    ) -> None:
        self.program = program
        self.password = password
        self.users = tuple(users)
        self.folder = watchdog.folder(program.name.replace(" ", ""))
        self.socket_path = str(self.folder / "socket")
        self._cluster = cluster
        self._sentinel = sentinel
        self._persistence = persistence
        self._log = self.folder / "log"
        self._file = self.folder / "server.conf"
        self._options = dict(settings or {})
        if maxmemory:
            self._options |= {"maxmemory": maxmemory}
        if replica_of:
            self._follow(replica_of)
        self._primary = replica_of
        self._process: watchdog.Process | None = None
        self._port = Port(bus=cluster)

    # Where it is

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def url(self) -> str:
        return f"redis://{self._login()}{HOST}:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self._login()}{self.socket_path}?db=0"

    def url_of(self, user: User, port: int | None = None) -> str:
        return f"redis://{quoted(user.name)}:{quoted(user.password)}@{HOST}:{port or self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process, "it does not run"
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None

    def log(self) -> str:
        """What it has said, in all its lives."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    # Asking it

    def connect(self) -> Connection:
        """A connection that may do everything, by the unix socket."""
        if self.users:
            return Connection(self.socket_path, TESTER.name, TESTER.password)
        return Connection(self.socket_path, password=self.password)

    def cli(self, *arguments: Argument) -> Any:
        """The reply to a command."""
        with self.connect() as connection:
            return connection.ask(*arguments)

    def info(self, section: str) -> dict[str, str]:
        lines = self.cli("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @contextlib.contextmanager
    def monitor(self) -> Iterator[list[Command]]:
        """The commands that it runs within the block, in a list that is filled at the block's end."""
        with self.connect() as listening, watched(listening, self.cli) as commands:
            yield commands

    # Harming it

    def kill(self) -> None:
        """SIGKILL: nothing is saved, connections break."""
        if self._process:
            watchdog.stop(self._process)
            self._process = None

    def restart(self) -> None:
        """End it, if it runs, and start it on the same port. What it holds is kept only by persistence."""
        if self._process:
            with contextlib.suppress(ConnectionError):
                self.cli("SHUTDOWN", "SAVE" if self._persistence == "save" else "NOSAVE")
            watchdog.ended(self._process)
            self._process = None
        self._start()

    def pause(self) -> None:
        """SIGSTOP: connections are open and nothing is answered. Returns once it has stopped."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    # Its life

    def __enter__(self) -> Self:
        try:
            self._start_on_a_free_port()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        self._port.release()

    def _start_on_a_free_port(self) -> None:
        for rest in reversed(range(TRIES)):
            self._file.write_text("".join(f"{line}\n" for line in self._lines()), encoding="utf-8")
            try:
                self._start()
                break
            except AssertionError:
                if not rest or "ddress already in use" not in self.log():
                    raise
                self.kill()
                self._port.release()
                self._port = Port(bus=self._cluster)
        if self._primary:
            self.cli("REPLICAOF", HOST, self._primary.port)  # said by its file, it would begin a second later
            self.cli("CONFIG", "REWRITE")
            until("a replica follows", lambda: self.info("replication")["master_link_status"] == "up")

    def _start(self) -> None:
        mode = ["--sentinel"] if self._sentinel is not None else []
        process = self._process = watchdog.start([self.program.path, self._file, *mode], self._log)

        def answers() -> bool:
            assert process.poll() is None, f"{self.program.name} has ended:\n{self.log()[-2_000:]}"
            return self._is_ready()

        until(f"{self.program.name} answers", answers)

    def _is_ready(self) -> bool:
        try:
            return bool(self.cli("PING") == b"PONG")
        except OSError:
            return False
        except hiredis.ReplyError as error:
            if str(error).startswith("LOADING"):
                return False
            raise

    def _lines(self) -> Iterator[str]:
        yield f"port {self.port}"
        yield f"bind {HOST}"
        yield f"unixsocket {config(self.socket_path)}"
        yield f"dir {config(str(self.folder))}"
        if self.password:
            yield f"requirepass {config(self.password)}"
        if self._sentinel is not None:
            yield from self._sentinel
            return
        yield "repl-diskless-sync yes"
        yield "repl-diskless-sync-delay 0"
        yield 'save ""'
        yield f"appendonly {'yes' if self._persistence == 'append' else 'no'}"
        yield "appendfsync always"
        if self.users:
            yield "user default off"
            for user in (*self.users, TESTER):
                digest = hashlib.sha256(user.password.encode()).hexdigest()  # may have any character
                yield f"user {user.name} on #{digest} {user.rules}"
        if self._cluster:
            yield "cluster-enabled yes"
        for name, value in self._options.items():
            yield f"{name} {value}"

    def _follow(self, primary: "Server") -> None:
        if primary.users:
            self._options |= {"masteruser": TESTER.name, "masterauth": config(TESTER.password)}
        elif primary.password:
            self._options |= {"masterauth": config(primary.password)}

    def _login(self) -> str:
        if self.users:
            return f"{quoted(self.users[0].name)}:{quoted(self.users[0].password)}@"
        return f":{quoted(self.password)}@" if self.password else ""


def quoted(text: str) -> str:
    """Part of a URL."""
    return quote(text, safe="")


def config(text: str) -> str:
    """One word of a configuration file, whatever characters it has."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'
