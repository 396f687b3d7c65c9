"""cachetools, with the lock that its documentation asks for where there are threads."""

import threading

import cachetools

from benches.contender import Cached, Contender, Subject


def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    cache = cachetools.LRUCache(capacity) if timeout is None else cachetools.TTLCache(capacity, timeout)
    return Cached(cachetools.cached(cache, lock=threading.Lock())(subject.function))


CONTENDERS = [Contender("cachetools", decorate, frozenset({"hot", "shared", "policy"}))]
