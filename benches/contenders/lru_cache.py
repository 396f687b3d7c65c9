"""functools.lru_cache, bounded as a MemoryCache is, and without a bound."""

import functools

from benches.contender import Cached, Contender, Subject


def bounded(subject: Subject, capacity: int, _timeout: float | None) -> Cached:
    return Cached(functools.lru_cache(maxsize=capacity)(subject.function))


def unbounded(subject: Subject, _capacity: int, _timeout: float | None) -> Cached:
    return Cached(functools.lru_cache(maxsize=None)(subject.function))


CONTENDERS = [
    Contender("lru_cache", bounded, frozenset({"lru_cache", "hot", "shared"}), expires=False),
    Contender("lru_cache(None)", unbounded, frozenset({"unbounded", "hot"}), expires=False),
]
