"""Waits until something is so, by asking again and again; what never comes about fails."""

import time
from collections.abc import Callable

LIMIT = 60.0  # seconds after which it is taken that something hangs
PAUSE = 0.005  # between two questions, so that the one who is asked gets to work


def until(what: str, is_so: Callable[[], object], limit: float = LIMIT) -> None:
    """Return once `is_so()` is true. AssertionError, saying `what` was awaited, if that takes too long."""
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end, f"waited {limit} s for this, in vain: {what}"
        time.sleep(PAUSE)
