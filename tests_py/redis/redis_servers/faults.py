"""What a proxy does to the bytes that pass in one direction."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["pass", "delay", "black hole", "half open", "reset", "truncate", "random", "flip", "trickle"]


@dataclass(frozen=True)
class Fault:
    """One of those below. It is in force until another is, also for connections that are open."""

    kind: Kind
    seconds: float = 0.0
    size: int = 0

    def __str__(self) -> str:
        return self.kind


PASS = Fault("pass")
BLACK_HOLE = Fault("black hole")
"""All is read and nothing passed on, ends of connections neither."""
HALF_OPEN = Fault("half open")
"""Nothing passes, as if all packets were lost, and reading ends soon; what was held up passes afterwards."""
RESET = Fault("reset")
"""Connections are broken by RST: those that are open, and each new one once it is accepted."""
RANDOM = Fault("random")
"""Every byte is replaced by chance."""
FLIP = Fault("flip")
"""In each piece that is read, one bit is turned over."""


def delay(seconds: float) -> Fault:
    """Each piece passes that much later."""
    return Fault("delay", seconds=seconds)


def truncate(size: int) -> Fault:
    """So many bytes pass in each connection, then it is closed."""
    return Fault("truncate", size=size)


def trickle(seconds: float = 0.05) -> Fault:
    """One byte passes at a time, with such a pause after each."""
    return Fault("trickle", seconds=seconds)
