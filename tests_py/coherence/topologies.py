"""The servers of a run, and all that can be done to them and to the processes: one method for each fault.

Each fault takes as long as it lasts, and returns once all is well again as far as servers can tell. What it
did is its answer, in words.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import beside  # noqa: F401  redis_servers is found by it
from redis.crc import key_slot
from redis_servers.binaries import valkey
from redis_servers.cluster import Cluster
from redis_servers.faults import BLACK_HOLE, HALF_OPEN, PASS, delay
from redis_servers.proxy import Proxy
from redis_servers.server import Server
from redis_servers.waiting import until
from tiers import PREFIX

NODE_TIMEOUT = 3.0  # seconds after which a silent node of the cluster is replaced


class Harm(NamedTuple):
    """A kind of fault. `loses`: a server may lose what it acknowledged."""

    kind: str
    do: Callable[[], str]
    loses: bool = False


class Topology:
    """What both have in common. It runs within a `with` block."""

    name: str
    members: Sequence[int] = ()  # the processes, by their numbers

    def __init__(self, chance: random.Random, bound: float) -> None:
        self.chance = chance
        self.bound = bound
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def url(self, process: int) -> str:
        """By which a process reaches them."""
        raise NotImplementedError

    def nodes(self) -> list[Server]:
        """Those that may be asked."""
        raise NotImplementedError

    def harms(self) -> list[Harm]:
        return [
            Harm("listeners killed", self.kill_listeners),
            Harm("all connections killed", self.kill_all),
            # Twice as often: what it serves when it wakes up is over in a moment.
            Harm("process suspended", self.suspend_process),
            Harm("process suspended", self.suspend_process),
            Harm("FLUSHALL", self.flush),
        ]

    def unlike_before(self) -> bool:
        """Whether something happened to the servers that nobody did."""
        return False

    def at_risk(self, texts: Sequence[str]) -> frozenset[int]:
        """The keys whose clears the last fault that loses something may have lost."""
        return frozenset(range(len(texts)))

    # Faults

    def a_while(self, least: float, most: float) -> float:
        seconds = self.chance.uniform(least, most)
        time.sleep(seconds)
        return seconds

    def kill_listeners(self) -> str:
        """Break the connections by which the processes are told of clears, all or some of them."""
        share = self.chance.choice((0.5, 1.0))
        killed = 0
        for node in self.nodes():
            for client in listeners(node):
                if self.chance.random() < share:
                    killed += node.cli("CLIENT", "KILL", "ID", client)
        return f"{killed} of them"

    def kill_all(self) -> str:
        killed = sum(
            node.cli("CLIENT", "KILL", "TYPE", kind) for node in self.nodes() for kind in ("normal", "pubsub")
        )
        return f"{killed} of them"

    def suspend_process(self) -> str:
        """For longer than the bound, mostly: it wakes up with a memory that nobody told anything."""
        place = self.chance.randrange(len(self.members))
        os.kill(self.members[place], signal.SIGSTOP)
        try:
            seconds = self.a_while(0.5 * self.bound, 3 * self.bound)
        finally:
            os.kill(self.members[place], signal.SIGCONT)
        return f"process {place} for {seconds:.2f} s"

    def flush(self) -> str:
        for node in self.nodes():
            if node.info("replication")["role"] == "master":
                node.cli("FLUSHALL", self.chance.choice(("SYNC", "ASYNC")))
        return "all keys"


class Standalone(Topology):
    """One server. Process 1 reaches it by a proxy."""

    name = "standalone"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.server = stack.enter_context(Server(valkey()))
            self.proxy = stack.enter_context(Proxy(self.server.socket_path))
            self.stack = stack.pop_all()
        return self

    def url(self, process: int) -> str:
        return self.proxy.url if process == 1 else self.server.url

    def nodes(self) -> list[Server]:
        return [self.server]

    def harms(self) -> list[Harm]:
        return [
            *super().harms(),
            Harm("server suspended", self.suspend_server),
            Harm("server restarted", self.restart),
            Harm("server away", self.away),
            Harm("proxy: all is held up", self.hold_up),
            Harm("proxy: nothing comes from the server", self.hold_up_replies),
            Harm("proxy: what is sent is lost", self.lose),
            Harm("proxy: the listener's link is held up", self.hold_up_listener),
            Harm("proxy: nothing comes to the listener", self.hold_up_pushes),
            Harm("proxy: connections broken", self.drop),
            Harm("proxy: slow", self.slow),
        ]

    def suspend_server(self) -> str:
        self.server.pause()
        try:
            seconds = self.a_while(0.1, 3 * self.bound)
        finally:
            self.server.resume()
        return f"for {seconds:.2f} s"

    def restart(self) -> str:
        self.server.restart()
        return "at once"

    def away(self) -> str:
        self.server.kill()
        seconds = self.a_while(0.1, 2 * self.bound)
        self.server.restart()
        return f"for {seconds:.2f} s"

    def _by_proxy(self, least: float, most: float) -> str:
        try:
            seconds = self.a_while(least, most)
        finally:
            self.proxy.heal()
        return f"process 1 for {seconds:.2f} s"

    def hold_up(self) -> str:
        self.proxy.set(requests=HALF_OPEN, replies=HALF_OPEN)
        return self._by_proxy(0.3 * self.bound, 3 * self.bound)

    def hold_up_replies(self) -> str:
        self.proxy.set(replies=HALF_OPEN)
        return self._by_proxy(0.3 * self.bound, 3 * self.bound)

    def lose(self) -> str:
        ways = {
            "to the server": (BLACK_HOLE, PASS),
            "from the server": (PASS, BLACK_HOLE),
            "both ways": (BLACK_HOLE, BLACK_HOLE),
        }
        way = self.chance.choice(list(ways))
        requests, replies = ways[way]
        self.proxy.set(requests=requests, replies=replies)
        try:
            seconds = self.a_while(0.3 * self.bound, 3 * self.bound)
        finally:
            # A connection never goes on after it has lost some bytes: so first all of them are broken.
            self.proxy.refuse()
            self.proxy.heal()
        return f"process 1, {way}, for {seconds:.2f} s"

    def hold_up_listener(self) -> str:
        self.proxy.set(requests=HALF_OPEN, replies=HALF_OPEN, listening=True)
        return self._by_proxy(1.5 * self.bound, 4 * self.bound)

    def hold_up_pushes(self) -> str:
        self.proxy.set(replies=HALF_OPEN, listening=True)
        return self._by_proxy(1.5 * self.bound, 4 * self.bound)

    def drop(self) -> str:
        self.proxy.drop()
        return "process 1"

    def slow(self) -> str:
        seconds = self.chance.uniform(0.02, 0.4)
        self.proxy.set(replies=delay(seconds))
        return f"{self._by_proxy(self.bound, 3 * self.bound)}, {seconds:.2f} s later"


class Clustered(Topology):
    """A cluster of three primaries with a replica each."""

    name = "cluster"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.cluster = stack.enter_context(Cluster(valkey(), node_timeout=int(NODE_TIMEOUT * 1000)))
            self.stack = stack.pop_all()
        self.owners = self._owners()
        self.lost: Server | None = None
        return self

    def url(self, process: int) -> str:
        return self.cluster.url

    def nodes(self) -> list[Server]:
        return self.cluster.running()

    def harms(self) -> list[Harm]:
        return [
            *super().harms(),
            Harm("a node suspended", self.suspend_node),
            Harm("failover", self.failover),
            Harm("a primary killed, nothing lost", self.kill_nothing_lost),
            Harm("a primary killed", self.kill, loses=True),
            Harm("a primary suspended until replaced", self.suspend_until_replaced, loses=True),
            Harm("slots moved", self.move_slots),
        ]

    def _owners(self) -> list[str]:
        """The primaries, by their names: a replica that took over is another."""
        return sorted(self.cluster.name(node) for node in self.cluster.primaries())

    def unlike_before(self) -> bool:
        before, self.owners = self.owners, self._owners()
        return before != self.owners

    def at_risk(self, texts: Sequence[str]) -> frozenset[int]:
        if self.lost is None:
            return super().at_risk(texts)
        return frozenset(number for number, text in enumerate(texts) if self.slots_of_lost(text))

    def slots_of_lost(self, text: str) -> bool:
        slot = key_slot((PREFIX + text).encode())
        return any(first <= slot <= last for first, last in self.lost_slots)

    def _slot(self) -> int:
        return self.chance.randrange(16_384)

    def _choose(self) -> Server:
        """A primary that is about to be lost."""
        primary = self.lost = self.cluster.owner(self._slot())
        told = primary.cli("CLUSTER", "SLOTS")
        name = self.cluster.name(primary)
        self.lost_slots = [(first, last) for first, last, owner, *_ in told if owner[2].decode() == name]
        return primary

    def _changed(self) -> None:
        self.cluster.settle()
        self.owners = self._owners()

    def suspend_node(self) -> str:
        """For less than it takes to be replaced."""
        node = self.chance.choice(self.cluster.primaries())
        node.pause()
        try:
            seconds = self.a_while(0.1, 0.7 * NODE_TIMEOUT)
        finally:
            node.resume()
        self.cluster.settle()
        return f"a primary for {seconds:.2f} s"

    def failover(self) -> str:
        self.cluster.failover(self._slot())
        self._changed()
        return "by CLUSTER FAILOVER"

    def kill_nothing_lost(self) -> str:
        """Nothing more is written, its replica catches up, and then it is killed."""
        slot = self._slot()
        primary, replica = self.cluster.owner(slot), self.cluster.replica(slot)
        primary.cli("CLIENT", "PAUSE", 60_000, "WRITE")
        until(
            "the replica has everything",
            lambda: (
                primary.info("replication")["master_repl_offset"]
                == replica.info("replication")["slave_repl_offset"]
            ),
        )
        return self._kill(primary)

    def kill(self) -> str:
        return self._kill(self._choose())

    def _kill(self, primary: Server) -> str:
        begun = time.monotonic()
        self.cluster.kill(primary)
        replaced = time.monotonic() - begun
        primary.restart()
        self._changed()
        return f"replaced after {replaced:.2f} s"

    def suspend_until_replaced(self) -> str:
        primary = self._choose()
        slot = self.lost_slots[0][0]
        replica = self.cluster.replica(slot)
        begun = time.monotonic()
        primary.pause()
        try:
            until("the replica takes over", lambda: replica.info("replication")["role"] == "master")
            self.a_while(0, self.bound)
        finally:
            primary.resume()
        self._changed()
        return f"back after {time.monotonic() - begun:.2f} s"

    def move_slots(self) -> str:
        """Some slots that have keys, from one primary to another."""
        source, target = self.chance.sample(self.cluster.primaries(), 2)
        slots = sorted({key_slot(key) for key in source.cli("KEYS", "*")})
        moved = self.chance.sample(slots, min(3, len(slots)))
        for slot in moved:
            self.cluster.move_slot(slot, target)
        return f"{len(moved)} of them"


def listeners(node: Server) -> list[str]:
    """The connections by which processes are told of clears: those that track, or subscribe."""
    found = []
    for line in node.cli("CLIENT", "LIST").decode().splitlines():
        facts = dict(word.partition("=")[::2] for word in line.split(" "))
        # t: tracks keys. P: subscribes.
        if set("tP") & set(facts["flags"]):
            found.append(facts["id"])
    return found


TOPOLOGIES: dict[str, type[Topology]] = {"standalone": Standalone, "cluster": Clustered}
