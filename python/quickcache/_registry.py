"""The decorated functions of this process, for what has to find them: commands, checks, helpers for tests.

It keeps none of them alive, and calls know nothing of it.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from weakref import ref


class Entry(NamedTuple):
    """One decorated function that is there, and its helper."""

    function: Any
    helper: Any

    @property
    def path(self) -> str:
        """Module and qualified name, with a dot between."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


# By the function's id, which is free for another only after the callback of the reference to it. Changed in
# single steps, which need no lock: one would stay locked in a child that was forked meanwhile.
_entries: dict[int, tuple["ref[Any]", "ref[Any]"]] = {}

# Told of each function that is decorated from now on.
listener: Callable[[Entry], object] | None = None


def register(function: Any, helper: Any) -> None:
    """Note a function that was just decorated. One whose helper has no weak references is not noted."""
    key = id(function)
    try:
        helped = ref(helper)
    except TypeError:
        return
    _entries[key] = (ref(function, lambda _: _entries.pop(key, None)), helped)
    if listener is not None:
        listener(Entry(function, helper))


def entries() -> Iterator[Entry]:
    """All that are there, in the order in which they were decorated."""
    for function, helper in list(_entries.values()):
        entry = Entry(function(), helper())
        if entry.function is not None and entry.helper is not None:
            yield entry


def entry_of(function: object) -> Entry | None:
    """That of a decorated function, or of a method that is bound from one."""
    plain = getattr(function, "__func__", function)
    found = _entries.get(id(plain))
    helper = found and found[1]()
    return None if helper is None else Entry(plain, helper)
