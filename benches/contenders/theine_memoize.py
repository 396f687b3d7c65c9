"""theine's Memoize, thread-safe as it is by default, with the keys that it makes itself."""

from datetime import timedelta

import theine

from benches.contender import Cached, Contender, Subject


def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    life = None if timeout is None else timedelta(seconds=timeout)
    return Cached(theine.Memoize(capacity, life)(subject.function))


CONTENDERS = [Contender("theine", decorate, frozenset({"hot", "shared", "policy"}))]
