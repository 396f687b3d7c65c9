"""moka-py, with its default policy, which is TinyLFU."""

import moka_py

from benches.contender import Cached, Contender, Subject


def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    return Cached(moka_py.cached(maxsize=capacity, ttl=timeout)(subject.function))


CONTENDERS = [Contender("moka-py", decorate, frozenset({"hot", "shared", "policy"}))]
