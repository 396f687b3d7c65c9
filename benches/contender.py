"""What takes part in a benchmark: a library, and how a function is cached with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Subject:
    """A function to be cached, and what its value depends on, as quickcache is told."""

    function: Callable[..., Any]
    vary_on: tuple[str, ...]


@dataclass(frozen=True)
class Cached:
    """A function with a cache."""

    call: Callable[..., Any]
    # What puts a value into the cache; for most a call does.
    fill: Callable[..., Any] | None = None
    # For a coroutine function: what runs a coroutine to its end.
    complete: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Contender:
    """One way to cache a function."""

    name: str
    # The function, the most entries to be held, and the life of a value in seconds or None.
    decorate: Callable[[Subject, int, float | None], Cached]
    # What the contender belongs to; scenarios choose by it.
    tags: frozenset[str] = field(default_factory=frozenset)
    # Whether a life can be given.
    expires: bool = True


def tagged(contenders: list[Contender], *tags: str) -> list[Contender]:
    """The contenders with at least one of these tags."""
    return [one for one in contenders if one.tags & set(tags)]
