"""A primary with replicas, watched by sentinels, which make a replica the primary when it fails."""

import contextlib
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import hiredis

from .binaries import Program
from .ports import HOST
from .server import Server, config, quoted
from .waiting import until

REPLICAS = 2
SENTINELS = 3
DOWN_AFTER = 500  # milliseconds
GIVES_UP_AFTER = 2000  # milliseconds; another try begins after twice as many
# What sentinels do every ten, one and two seconds otherwise. Redis 6.2 cannot be told. A primary that they
# did not expect they make a replica after four times the pause between two greetings (PUBLISH-PERIOD). That
# must be longer than the second that the one who promotes a replica may take to see that it was done.
HASTE = ("INFO-PERIOD", "100", "PING-PERIOD", "100", "PUBLISH-PERIOD", "500", "ASK-PERIOD", "100")
HASTY = (7,)


class Sentinels:
    """Servers and sentinels, which run within a `with` block and then know each other."""

    def __init__(
        self,
        program: Program,
        *,
        service: str = "mymaster",
        password: str = "",
        sentinel_password: str = "",
        down_after: int = DOWN_AFTER,
    ) -> None:
        self._down_after = down_after
        self.program = program
        self.service = service
        self.password = password
        self.sentinel_password = sentinel_password
        self.servers: list[Server] = []
        self.sentinels: list[Server] = []
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        places = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        login = f":{quoted(self.password)}@" if self.password else ""
        asking = f"?sentinel_password={quoted(self.sentinel_password)}" if self.sentinel_password else ""
        return f"redis+sentinel://{login}{places}/{self.service}/0{asking}"

    def primary(self) -> Server:
        """Whom the first sentinel says to be the primary."""
        return self._named_by(self.sentinels[0])

    def replicas(self) -> list[Server]:
        primary = self.primary()
        return [server for server in self.servers if server is not primary and server.runs]

    def failover(self) -> Server:
        """Make a replica the primary, and return it once all agree. The old one becomes a replica."""
        old = self.primary()
        new = self.promote()
        old.cli("REPLICAOF", HOST, new.port)  # as the sentinels do, some seconds later
        self.settle()
        return self.primary()

    def promote(self) -> Server:
        """The same as soon as it is named: the old one is a primary still, for some seconds."""
        old = self.primary()
        until("another primary is named", lambda: self._has_switched(old))
        return self.primary()

    def kill_primary(self) -> Server:
        """Kill the primary, and return the one that takes its place once all agree."""
        old = self.primary()
        old.kill()
        until("another primary is named", lambda: self.primary() is not old)
        self.settle()
        return self.primary()

    def settle(self) -> None:
        """Wait until all sentinels know all, name one primary, and all others that run follow it."""
        until("the sentinels agree", self._agree)

    def _has_switched(self, old: Server) -> bool:
        """Whether there is another primary. If none is on its way, a failover is begun."""
        told = _table(self.sentinels[0].cli("SENTINEL", "MASTER", self.service))
        if told["port"] != str(old.port):
            return True
        if "failover_in_progress" not in told["flags"]:  # not begun yet, or given up
            try:
                self.sentinels[0].cli("SENTINEL", "FAILOVER", self.service)
            except hiredis.ReplyError as error:
                if not str(error).startswith(("NOGOODSLAVE", "INPROG")):
                    raise
        return False

    def _named_by(self, sentinel: Server) -> Server:
        _, port = sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return next(server for server in self.servers if server.port == int(port))

    def _agree(self) -> bool:
        primaries = {self._named_by(sentinel) for sentinel in self.sentinels}
        if len(primaries) > 1:
            return False
        primary = primaries.pop()
        if not primary.runs or primary.info("replication")["role"] != "master":
            return False
        for server in self.replicas():
            try:
                told = server.info("replication")
            except ConnectionError:  # sentinels break the connections of a server that they turn
                return False
            if (told["role"], told.get("master_port"), told.get("master_link_status")) != (
                "slave",
                str(primary.port),
                "up",
            ):
                return False
        return all(self._knows_all(sentinel) for sentinel in self.sentinels)

    def _knows_all(self, sentinel: Server) -> bool:
        told = _table(sentinel.cli("SENTINEL", "MASTER", self.service))
        return (told["flags"], told["num-slaves"], told["num-other-sentinels"]) == (
            "master",
            str(len(self.servers) - 1),
            str(SENTINELS - 1),
        )

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            settings = {"masterauth": config(self.password)} if self.password else {}
            first = Server(self.program, password=self.password, settings=settings)
            self.servers.append(stack.enter_context(first))
            replicas = [
                Server(self.program, password=self.password, replica_of=first) for _ in range(REPLICAS)
            ]
            for replica in replicas:
                stack.callback(replica.close)
            with ThreadPoolExecutor() as pool:  # each waits a second for the primary
                self.servers += pool.map(Server.__enter__, replicas)
            self._add_sentinels(stack)
            self.settle()
            self._stack = stack.pop_all()
        return self

    def _add_sentinels(self, stack: contextlib.ExitStack) -> None:
        made: dict[str, Server] = {}
        for name in [secrets.token_hex(20) for _ in range(SENTINELS)]:
            # It is told of those before it; they hear of it by its greeting, through the primary.
            lines = self._lines(name, [(server.port, other) for other, server in made.items()])
            made[name] = Server(self.program, password=self.sentinel_password, sentinel=lines)
        for sentinel in made.values():
            self.sentinels.append(stack.enter_context(sentinel))
            if self.program.version >= HASTY:
                sentinel.cli("SENTINEL", "DEBUG", *HASTE)

    def _lines(self, own: str, others: Iterable[tuple[int, str]]) -> list[str]:
        primary = self.servers[0]
        lines = [
            f"sentinel myid {own}",
            f"sentinel monitor {self.service} {HOST} {primary.port} 2",
            f"sentinel down-after-milliseconds {self.service} {self._down_after}",
            f"sentinel failover-timeout {self.service} {GIVES_UP_AFTER}",
            f"sentinel parallel-syncs {self.service} {REPLICAS}",
        ]
        if self.password:
            lines.append(f"sentinel auth-pass {self.service} {config(self.password)}")
        lines += [f"sentinel known-replica {self.service} {HOST} {one.port}" for one in self.servers[1:]]
        lines += [f"sentinel known-sentinel {self.service} {HOST} {port} {name}" for port, name in others]
        return lines

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()


def _table(flat: list[Any]) -> dict[str, str]:
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
