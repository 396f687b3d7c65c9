"""Django's LocMemCache: its get alone, under a key that is there already, without any decorator."""

import itertools
from typing import Any

from django.core.cache.backends.locmem import LocMemCache

from benches.contender import Cached, Contender, Subject

NUMBERS = itertools.count()
LONGEST = 200  # Django's own limit is 250, for memcached's sake, with what it puts before a key


def local_memory(capacity: int) -> LocMemCache:
    """A cache of its own: those with one name share their values."""
    return LocMemCache(f"bench {next(NUMBERS)}", {"OPTIONS": {"MAX_ENTRIES": capacity}, "TIMEOUT": None})


def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    cache = local_memory(capacity)

    def fill(key: Any) -> Any:
        if type(key) is not str:
            raise TypeError("takes a str as its key, and no call")
        if len(key) > LONGEST:
            raise TypeError(f"warns at each call of a key with more than {LONGEST} characters")
        if key not in cache:
            cache.set(key, subject.function(key), timeout)
        return cache.get(key)

    return Cached(cache.get, fill)


CONTENDERS = [Contender("Django LocMemCache.get", decorate, frozenset({"hot", "apart"}))]
