"""A cluster of three primaries with a replica each, whose slots are moved step by step."""

import contextlib
import functools
from types import TracebackType
from typing import Any, Self

from .binaries import Program
from .ports import HOST
from .server import Server, config, quoted
from .waiting import until

PRIMARIES = 3
SLOTS = 16_384
NODE_TIMEOUT = 1000  # milliseconds after which a silent node counts as failing


class Cluster:
    """Nodes that run within a `with` block, and then agree on who has which slots."""

    def __init__(self, program: Program, *, password: str = "", node_timeout: int = NODE_TIMEOUT) -> None:
        self.password = password
        settings = {"cluster-node-timeout": str(node_timeout), "cluster-replica-validity-factor": "0"}
        if password:
            settings["masterauth"] = config(password)
        make = functools.partial(Server, program, password=password, settings=settings, cluster=True)
        self.nodes = [make() for _ in range(2 * PRIMARIES)]
        self._names: dict[str, Server] = {}
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        places = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"redis+cluster://{f':{quoted(self.password)}@' if self.password else ''}{places}"

    def running(self) -> list[Server]:
        return [node for node in self.nodes if node.runs]

    def name(self, node: Server) -> str:
        return next(name for name, one in self._names.items() if one is node)

    def owner(self, slot: int) -> Server:
        """The primary that has the slot, as those say that run."""
        owners = {_owner(node.cli("CLUSTER", "SLOTS"), slot) for node in self.running()}
        assert len(owners) == 1, f"the nodes do not agree on slot {slot}: {owners}"
        return self._names[owners.pop()]

    def primaries(self) -> list[Server]:
        return [node for node in self.running() if node.info("replication")["role"] == "master"]

    def replica(self, slot: int) -> Server:
        """A running replica of the slot's primary."""
        primary = str(self.owner(slot).port)
        return next(node for node in self.running() if node.info("replication").get("master_port") == primary)

    # What can happen to it

    def failover(self, slot: int) -> Server:
        """Have the slot's replica take over, without a loss, and return it once all agree."""
        replica = self.replica(slot)
        replica.cli("CLUSTER", "FAILOVER")
        until("the replica has taken over", lambda: replica.info("replication")["role"] == "master")
        self.settle()
        return replica

    def kill(self, primary: Server) -> None:
        """Kill a primary, and return once its replica has taken over. A restart makes it a replica."""
        primary.kill()
        until("a replica has taken over", lambda: len(self.primaries()) == PRIMARIES)
        self.settle()

    def move_slot(self, slot: int, to: Server) -> None:
        """Move a slot to another primary in one go."""
        move = Move(self, slot, to)
        move.begin()
        move.migrate(*move.keys())
        move.finish()

    def settle(self) -> None:
        """Wait until all that run say that all is well, have the same map, and replicas follow."""
        until("the nodes agree", self._agree)

    def _agree(self) -> bool:
        maps, primaries = set(), 0
        for node in self.running():
            told = _table(node.cli("CLUSTER", "INFO"))
            if (told["cluster_state"], told["cluster_slots_ok"]) != ("ok", str(SLOTS)):
                return False
            slots = node.cli("CLUSTER", "SLOTS")
            maps.add(tuple(sorted((first, last, owner[2]) for first, last, owner, *_ in slots)))
            replication = node.info("replication")
            primaries += replication["role"] == "master"
            if replication["role"] == "slave" and replication["master_link_status"] != "up":
                return False
        return (len(maps), primaries) == (1, PRIMARIES)

    # How it comes about

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
                self._names[node.cli("CLUSTER", "MYID").decode()] = node
            self._form()
            self._stack = stack.pop_all()
        return self

    def _form(self) -> None:
        primaries, replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]
        for place, node in enumerate(primaries):
            first, last = SLOTS * place // PRIMARIES, SLOTS * (place + 1) // PRIMARIES
            node.cli("CLUSTER", "ADDSLOTS", *range(first, last))
        for place, node in enumerate(self.nodes):
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", place + 1)  # only while it knows no other
        for place, node in enumerate(self.nodes):
            for other in self.nodes[place + 1 :]:
                node.cli("CLUSTER", "MEET", HOST, other.port)
        names = set(self._names)
        until("all nodes know all", lambda: all(names == _known(node) for node in self.nodes))
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.cli("CLUSTER", "REPLICATE", self.name(primary))
        self.settle()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()
        for node in self.nodes:
            node.close()


class Move:
    """A slot on its way from its owner to another primary.

    Between `begin` and `finish` the old owner answers ASK for what it no longer has, and the new one answers
    those who say ASKING. Commands of several keys, of which each has some, are told TRYAGAIN.
    """

    def __init__(self, cluster: Cluster, slot: int, to: Server) -> None:
        self.cluster = cluster
        self.slot = slot
        self.source = cluster.owner(slot)
        self.target = to

    def begin(self) -> None:
        self.target.cli("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.cluster.name(self.source))
        self.source.cli("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.cluster.name(self.target))

    def keys(self) -> list[bytes]:
        """What the source still has of the slot."""
        keys: list[bytes] = self.source.cli("CLUSTER", "GETKEYSINSLOT", self.slot, 1_000_000)
        return keys

    def migrate(self, *keys: bytes | str) -> None:
        """Have the source hand over these keys."""
        if keys:
            login = ("AUTH", self.cluster.password) if self.cluster.password else ()
            wait = 1000 * 60
            self.source.cli("MIGRATE", HOST, self.target.port, "", 0, wait, *login, "KEYS", *keys)

    def finish(self) -> None:
        """Make the target the owner, and have all know it."""
        name = self.cluster.name(self.target)
        first = (self.target, self.source)
        for node in (*first, *(one for one in self.cluster.primaries() if one not in first)):
            node.cli("CLUSTER", "SETSLOT", self.slot, "NODE", name)
        self.cluster.settle()


def _owner(slots: Any, slot: int) -> str:
    return next(str(owner[2].decode()) for first, last, owner, *_ in slots if first <= slot <= last)


def _known(node: Server) -> set[str]:
    """The names of the nodes that one is linked with, and its own."""
    lines = [line.split() for line in node.cli("CLUSTER", "NODES").decode().splitlines()]
    return {line[0] for line in lines if "handshake" not in line[2] and line[7] == "connected"}


def _table(text: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.decode().splitlines())
