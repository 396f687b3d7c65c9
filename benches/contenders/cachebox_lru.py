"""cachebox: as fast as its decorator goes, without its lock against stampedes and without copies."""

import cachebox

from benches.contender import Cached, Contender, Subject


def cache_for(capacity: int, timeout: float | None) -> cachebox.BaseCacheImpl:
    return cachebox.LRUCache(capacity) if timeout is None else cachebox.TTLCache(capacity, timeout)


def shared(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    decorator = cachebox.cached(cache_for(capacity, timeout), postprocess=None, lock=None)
    return Cached(decorator(subject.function))


def apart(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    copies = cachebox.postprocess_deepcopy_mutables
    decorator = cachebox.cached(cache_for(capacity, timeout), postprocess=copies, lock=None)
    return Cached(decorator(subject.function))


CONTENDERS = [
    Contender("cachebox", shared, frozenset({"cachebox", "hot", "shared", "lru"})),
    Contender("cachebox, deep copies", apart, frozenset({"apart"})),
]
