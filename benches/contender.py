"""What takes part in a benchmark: a library, and how a function is cached with it, or a server asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benches.address import Address


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


@dataclass(frozen=True)
class Client:
    """A cache at a server, connected."""

    get: Callable[[str], Any]  # None for what is not there
    put: Callable[[str, Any, int | None], Any]  # with the life of the value in seconds or None
    get_many: Callable[[list[str]], Any]  # a dict of what is there
    close: Callable[[], object]
    # For coroutine functions: what runs a coroutine to its end.
    complete: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Remote:
    """One way to use a cache at a server. ValueError if it cannot connect to such an address."""

    name: str
    connect: Callable[[Address], Client]
    tags: frozenset[str] = field(default_factory=frozenset)
    # Ways to cache a function with it, each under a name of its own.
    decorators: Mapping[str, Callable[[Address, Subject], Cached]] = field(default_factory=dict)


Entrant = TypeVar("Entrant", Contender, Remote)


def tagged(contenders: list[Entrant], *tags: str) -> list[Entrant]:
    """The contenders with at least one of these tags."""
    return [one for one in contenders if one.tags & set(tags)]
