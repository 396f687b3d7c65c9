"""Waits until something is so, by asking again and again; what never comes about fails."""

import time
from collections.abc import Callable
from typing import Any

LIMIT = 60.0  # seconds after which it is taken that something hangs
MARK = "quickcache.mark"  # among the keys of decorated functions, and among all
PAUSE = 0.005  # between two questions, so that the one who is asked gets to work


def until(what: str, is_so: Callable[[], object], limit: float = LIMIT) -> None:
    """Return once `is_so()` is true. AssertionError, saying `what` was awaited, if that takes too long."""
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end, f"waited {limit} s for this, in vain: {what}"
        time.sleep(PAUSE)


def until_heard(memory: Any, server: Any) -> None:
    """Return once memory that is kept true has heard of all that was written to its one server before.

    What a server tells comes in order: a mark is written last, and waited for.
    """
    memory.set(MARK, 1)
    server.set(MARK, 1)
    until("the mark is heard of", lambda: MARK not in memory)
