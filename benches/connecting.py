"""Caches at a server connected, and their answers checked, before anything is timed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benches.contender import Client, Remote
from benches.draw import seeded
from benches.loop import Sample
from benches.preparing import WrongAnswerError
from benches.server import Server, serving, since
from benches.subjects import small_dict

LIFE = 1  # second, the shortest that all of them take


def random_bytes(size: int) -> bytes:
    """What no compression makes shorter."""
    return seeded(size).randbytes(size)


VALUES = {
    "dict": ("a dict of four", small_dict("sixteen-letters.")),  # 88 bytes in pickle
    "50": ("50 B", random_bytes(50)),
    "1k": ("1 KB", random_bytes(1_000)),
    "100k": ("100 KB", random_bytes(100_000)),
}


@dataclass
class Connected:
    """The contenders that can connect to an address, and why the others cannot."""

    clients: dict[str, Client] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def connected(contenders: Iterable[Remote], server: Server, at: str) -> Iterator[Connected]:
    """Connect and check. What a contender refuses leaves it out; a wrong answer ends the run."""
    found = Connected()
    with ExitStack() as open_ones:
        for contender in contenders:
            try:
                client = contender.connect(server.addresses[at])
            except ValueError as error:
                found.left_out[contender.name] = str(error)
                continue
            open_ones.callback(client.close)
            check(contender.name, client, server)
            found.clients[contender.name] = client
        yield found


def check(name: str, client: Client, server: Server) -> None:
    """WrongAnswerError unless values come back as they were, and from the server each time."""
    values = {f"check:{kind}": value for kind, (_, value) in VALUES.items()}
    for key, value in values.items():
        expect(name, f"{key} before it is put", asked(client, key), None)
        client.put(key, value, None)
        expect(name, key, asked(client, key), value)
    expect(name, "get_many", asked_many(client, [*values, "check:absent"]), values)
    server.forget()
    expect(name, "what the server has forgotten", asked(client, "check:dict"), None)
    expect(name, "all that it has forgotten", asked_many(client, list(values)), {})


def check_lives(contenders: Iterable[Remote]) -> None:
    """WrongAnswerError if a value with a life is not held during it, or is held after it."""
    with serving() as server, connected(contenders, server, "TCP") as found:
        for name, client in found.clients.items():
            client.put(f"life:{name.encode().hex()}", 1, LIFE)
            expect(name, "a value during its life", asked(client, f"life:{name.encode().hex()}"), 1)
        time.sleep(LIFE * 1.5)
        for name, client in found.clients.items():
            expect(name, "a value after its life", asked(client, f"life:{name.encode().hex()}"), None)


def asked(client: Client, key: str) -> Any:
    found = client.get(key)
    return client.complete(found) if client.complete else found


def asked_many(client: Client, keys: list[str]) -> Any:
    found = client.get_many(keys)
    return client.complete(found) if client.complete else found


def expect(name: str, what: str, found: Any, expected: Any) -> None:
    if found != expected or type(found) is not type(expected):
        raise WrongAnswerError(f"{name}, {what}: {shown(found)}, not {shown(expected)}")


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."  # noqa: PLR2004  a line


class Watched:
    """A sample between two looks at the server's counts.

    A cache that takes a failing server for a miss would be quick where it fails: each turn is to have
    hits at the server.
    """

    def __init__(self, name: str, sample: Sample, server: Server, hits: int = 1) -> None:
        self.commands_per_read: list[float] = []
        self._name = name
        self._sample = sample
        self._server = server
        self._hits = hits

    def __call__(self, turns: int) -> int:
        before = self._server.counts()
        taken = self._sample(turns)
        done = since(before, self._server.counts())
        if done.hits < turns * self._hits:
            raise WrongAnswerError(f"{self._name}: {done.hits} hits at the server, not {turns * self._hits}")
        self.commands_per_read.append(done.commands / done.reads)
        return taken
