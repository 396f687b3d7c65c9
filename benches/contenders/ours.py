"""The quickcache of this checkout."""

from collections.abc import Callable
from typing import Any

from benches.contender import Cached, Contender, Subject
from quickcache import MemoryCache, get_quickcache

FIVE_MINUTES = 300


def deco(**options: Any) -> Callable[[Subject, int, float | None], Cached]:
    """How to decorate with a MemoryCache that has these options."""

    def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
        cache = MemoryCache(**{"max_entries": capacity, "timeout": timeout} | options)
        quickcache = get_quickcache(cache=cache)
        return Cached(quickcache(list(subject.vary_on))(subject.function))

    return decorate


CONTENDERS = [
    Contender("quickcache", deco(), frozenset({"ours", "hot", "apart"})),
    Contender("quickcache, timeout=300", deco(timeout=FIVE_MINUTES), frozenset({"hot"}), expires=False),
    Contender("quickcache, policy='lru'", deco(policy="lru"), frozenset({"policy"})),
    Contender("quickcache, isolate=False", deco(isolate=False), frozenset({"shared"})),
]
