"""What the page /cache/ shows: the calls of cached functions, their times, and the counts of the caches.

Each worker tells the others its own counts once in a second, in the cache `counts`.
"""

import functools
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse

import quickcache

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PLACES = 64  # more than there are workers; those who start one after the other have different ones
STALE = 10  # seconds after which a worker that tells nothing is taken to be gone

_here = threading.local()  # is_computing: whether the call of this thread had to compute


class Times:
    """How many calls there were, how long they took in all, and how many took about how long."""

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0
        # By the logarithm of their nanoseconds to the base of the square root of two: up to four seconds.
        self.spread = [0] * 64

    def add(self, seconds: float) -> None:
        """Count a call."""
        self.calls += 1
        self.seconds += seconds
        self.spread[min(63, int(2 * math.log2(max(1, seconds * 1e9))))] += 1


class Calls:
    """The calls of one cached function in this process."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._hits, self._misses = Times(), Times()
        self._lock = threading.Lock()

    def add(self, seconds: float, *, computed: bool) -> None:
        """Count a call."""
        with self._lock:
            (self._misses if computed else self._hits).add(seconds)

    def counts(self) -> dict[str, Any]:
        """Of the hits, `waits` waited for another thread that computed."""
        told = getattr(quickcache, "stats", None)  # 0.5.4 has none
        return {
            "hits": self._hits.calls,
            "misses": self._misses.calls,
            "waits": told(self._function)["waits"] if told else 0,
            "hit_seconds": self._hits.seconds,
            "miss_seconds": self._misses.seconds,
            "hit_spread": [*self._hits.spread],
            "miss_spread": [*self._misses.spread],
        }


CALLS: dict[str, Calls] = {}


def watched(function: Decorated) -> Decorated:
    """A cached function whose calls are counted and timed."""
    calls = CALLS[function.__name__] = Calls(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = getattr(_here, "is_computing", False)
        _here.is_computing = False
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            calls.add(time.perf_counter() - began, computed=_here.is_computing)
            _here.is_computing = before

    return cast("Decorated", call)


def computing(function: Callable[P, R]) -> Callable[P, R]:
    """A function by whose call one knows that nothing was cached."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        _here.is_computing = True
        return function(*args, **kwargs)

    return call


def own_counts() -> dict[str, Any]:
    """The counts of this process."""
    tiers = {}
    for alias, name in (("locmem", "memory"), ("default", "server")):
        stats = getattr(caches[alias], "stats", None)  # which only our backends have
        if stats is not None:
            tiers[name] = stats()
    functions = {name: calls.counts() for name, calls in CALLS.items()}
    return {"worker": os.getpid(), "told": time.time(), "functions": functions, "tiers": tiers}


def tell() -> None:
    """Leave the counts of this process where the others find them."""
    caches["counts"].set(f"worker-{os.getpid() % PLACES}", own_counts(), 60)


def all_counts() -> dict[str, Any]:
    """The counts of each worker that is there."""
    tell()
    found = caches["counts"].get_many(f"worker-{place}" for place in range(PLACES)).values()
    workers = [one for one in found if time.time() - one["told"] < STALE]
    return {
        "configuration": settings.CONFIGURATION,
        "version": getattr(quickcache, "__version__", "0.5.4"),
        "answered_by": os.getpid(),
        "workers": sorted(workers, key=lambda one: int(one["worker"])),
    }


def keep_telling() -> None:
    """Tell once in a second, for as long as the process lives."""
    while True:
        tell()
        time.sleep(1)


class CountsOfWorkers:
    """Middleware: has each worker tell its counts, and says which worker has answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._telling = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer. The first request of a process has it begin to tell: threads do not outlive a fork."""
        if self._telling != os.getpid():
            self._telling = os.getpid()
            threading.Thread(target=keep_telling, daemon=True).start()
        response = self._get_response(request)
        response["X-Worker"] = str(os.getpid())
        return response


def known_user(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: loads the user first, so that this is not in the time of a function that varies on it."""

    def load(request: HttpRequest) -> HttpResponse:
        _ = request.user.pk
        return get_response(request)

    return load
