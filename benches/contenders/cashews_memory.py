"""cashews in memory. It caches coroutine functions only, so what is timed is an await."""

import asyncio
import functools
from typing import Any

from cashews import Cache

from benches.contender import Cached, Contender, Subject

LOOP = asyncio.new_event_loop()
# A life has to be given. This is longer than any benchmark.
A_DAY = 24 * 60 * 60


def decorate(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    function = subject.function

    @functools.wraps(function)
    async def awaitable(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    cache = Cache()
    # Without a task that looks for expired values each second: it would run within what is timed.
    cache.setup(f"mem://?size={capacity}&check_interval=0")
    decorator = cache(ttl=A_DAY if timeout is None else timeout)
    return Cached(decorator(awaitable), complete=LOOP.run_until_complete)


CONTENDERS = [Contender("cashews (awaited)", decorate, frozenset({"hot"}))]
