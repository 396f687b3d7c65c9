"""The functions that are cached, and the calls of them that are timed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benches.contender import Subject

COST_OF_A_MISS = 10_000  # nanoseconds

# How often a function below has run: a hit is a call that does not count here.
computed = [0]


def of_one(x: Any) -> Any:
    computed[0] += 1
    return 1000 + len(str(x))


def of_two(a: Any, b: Any) -> Any:
    computed[0] += 1
    return 1000 + len(f"{a}{b}")


def of_five(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    computed[0] += 1
    return 1000 + len(f"{a}{b}{c}{d}{e}")


def of_user(user: Any) -> Any:
    computed[0] += 1
    return 1000 + len(str(user.id))


def small_dict(key: str) -> Any:
    """Four items, one of them a list."""
    computed[0] += 1
    return {"id": len(key), "name": "a name", "score": 12.5, "tags": ["red", "green", "blue"]}


def rows(key: str) -> Any:
    computed[0] += 1
    return [{"id": len(key) + n, "name": f"name {n}", "score": n / 2} for n in range(100)]


def slow(x: int) -> int:
    computed[0] += 1
    end = time.perf_counter_ns() + COST_OF_A_MISS
    while time.perf_counter_ns() < end:
        pass
    return x + 1


def small_int(x: int) -> int:
    """One of the ints that Python makes once, so that values take no memory of their own."""
    computed[0] += 1
    return x & 0xFF


class Account:
    def __init__(self, number: int) -> None:
        self.id = number

    def total(self) -> int:
        computed[0] += 1
        return 1000 + self.id


Bind = Callable[[Callable[..., Any]], dict[str, Any]]


def as_function(call: Callable[..., Any]) -> dict[str, Any]:
    return {"call": call}


def as_method(call: Callable[..., Any]) -> dict[str, Any]:
    return {"owner": type("Account", (Account,), {"total": call})(7)}


@dataclass(frozen=True)
class Load:
    """A call that is timed, again and again with the same arguments."""

    name: str
    title: str
    subject: Subject
    statement: str  # an expression of the names below, and `call` or `owner`
    names: Mapping[str, Any] = field(default_factory=dict)
    bind: Bind = as_function

    def names_for(self, call: Callable[..., Any]) -> dict[str, Any]:
        """All names in the statement, for a cached function."""
        return {**self.names, **self.bind(call)}


ONE = Subject(of_one, ("x",))


def of_one_argument(name: str, title: str, x: Any) -> Load:
    return Load(name, title, ONE, "call(x)", {"x": x})
