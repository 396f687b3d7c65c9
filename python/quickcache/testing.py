"""For tests: decorated functions without their caches, in a namespace of their own, or counted.

`disabled()`, `isolated()` and `recorded()` are context managers, and decorators of functions, also of `async
def`. They hold for all decorated functions and all threads of the process, at once, and can be nested.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from . import _registry
from ._native import _shown
from ._switched import Counter, Counts, Namespace, Off, enter, leave

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ._switched import Mode

__all__ = ["Counts", "Recording", "Switch", "disabled", "isolated", "recorded"]

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Recording:
    """What `recorded()` has counted: `recording[function]` for one function, `total` for all."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def __getitem__(self, function: Callable[..., object]) -> Counts:
        """The counts of a decorated function, or of a method bound from one. TypeError for anything else."""
        entry = _registry.entry_of(function)
        if entry is None:
            raise TypeError(f"recorded() counts the calls of decorated functions, not of {_shown(function)}")
        return self._counter.counts_of(entry.helper)

    @property
    def total(self) -> Counts:
        """The counts of all decorated functions together."""
        every = [self._counter.counts_of(helper) for helper in self._counter.helpers()]
        return Counts(*(sum(column) for column in zip(*every, strict=True))) if every else Counts(0, 0, 0)

    def __repr__(self) -> str:
        """A line for each function that was called, as failed assertions show it."""
        paths = {id(entry.helper): entry.path for entry in _registry.entries()}
        lines = [
            f"{paths.get(id(helper), 'a function that is gone')}: {self._counter.counts_of(helper)}"
            for helper in self._counter.helpers()
        ]
        return "\n".join(["<Recording", *(f"  {line}" for line in lines)]) + ">"


class Switch(Generic[T_co]):
    """What `with` takes, or what stands as a decorator before a function: on before it, off after it."""

    def __init__(self, make: Callable[[], tuple[Mode, T_co]]) -> None:
        self._make = make
        self._entered: list[Mode] = []

    def __enter__(self) -> T_co:
        """Switch on."""
        mode, result = self._make()
        enter(mode)
        self._entered.append(mode)
        return result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Switch off what was switched on last."""
        leave(self._entered.pop())

    def _fresh(self) -> Self:
        # Each call has one of its own: threads may call the function at once.
        return type(self)(self._make)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, switched on while it runs. TypeError for a class, or a function that yields."""
        if (
            isinstance(function, type)
            or inspect.isgeneratorfunction(function)
            or inspect.isasyncgenfunction(function)
        ):
            raise TypeError(
                f"only functions that run to their end are decorated with this, not {_shown(function)}: "
                "write `with` inside of it; for a TestCase, self.enterContext(...) in setUp"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self._fresh():
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._fresh():
                return function(*args, **kwargs)

        return called


def disabled() -> Switch[None]:
    """Call each decorated function anew, and keep nothing. `clear` still clears.

    Of this and `isolated()`, the inner one counts.
    """
    return Switch(lambda: (Off(), None))


def isolated() -> Switch[None]:
    """Have decorated functions find nothing that was cached before, and leave nothing behind.

    Keys have a text of their own before them, in every tier: so tests that share a server, in processes of
    pytest-xdist for instance, do not see one another.
    """
    return Switch(lambda: (Namespace(), None))


def recorded() -> Switch[Recording]:
    """Count the hits and misses of each decorated function.

    `with recorded() as calls: ...` and then `calls[function].hits`.
    """

    def make() -> tuple[Mode, Recording]:
        counter = Counter()
        return counter, Recording(counter)

    return Switch(make)
