"""The commands that a server runs, as MONITOR tells them."""

import codecs
import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .wire import Connection

LINE = re.compile(r"[\d.]+ \[(?P<database>\d+) (?P<client>.*?)\] (?P<rest>\".*\")", re.DOTALL)
ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


class Command(NamedTuple):
    """One command, from a client or, then `client` is "lua", from a script."""

    database: int
    client: str
    arguments: tuple[bytes, ...]

    @property
    def name(self) -> str:
        return self.arguments[0].decode().upper()


@contextlib.contextmanager
def watched(listening: Connection, ask: Callable[..., Any]) -> Iterator[list[Command]]:
    """A list that has, at the end of the block, the commands that were run within it.

    A last command with a text of its own marks the end, so that nothing need be waited for.
    """
    commands: list[Command] = []
    assert listening.ask("MONITOR") == b"OK"
    yield commands
    mark = secrets.token_bytes(16).hex().encode()
    ask("ECHO", mark)
    while mark not in (command := read(listening.receive())).arguments:
        commands.append(command)


def read(line: bytes) -> Command:
    """A command from a line of MONITOR."""
    match = LINE.fullmatch(line.decode("latin-1"))
    assert match, f"no line of MONITOR: {line!r}"
    parts = ARGUMENT.findall(match["rest"])
    arguments = tuple(codecs.escape_decode(part.encode("latin-1"))[0] for part in parts)
    return Command(int(match["database"]), match["client"], arguments)
