"""Forks under load: `python forking.py hooked|raw FORKS`. Prints what became of the children."""

import collections
import ctypes
import faulthandler
import gc
import itertools
import os
import signal
import sys
import threading
import time

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache, stats

LIMIT = 5  # seconds after which a child hangs
CAPACITY = 50  # of each cache
SLACK = 50  # values that threads are about to use or to free, or that copies keep alive for a while

OUTCOMES = [
    "well",
    "failed",
    "hung",
    "more entries than fit",
    "more live values than fit",
    "live values after a clear",
]
WELL, FAILED, HUNG, TOO_MANY_ENTRIES, TOO_MANY_VALUES, TOO_MANY_AFTER_CLEARS = range(len(OUTCOMES))

in_child = threading.Event()
is_over = threading.Event()


class Live:
    """A value that can be counted."""

    def __init__(self, x):
        self.x = x


class DictTier:
    """A tier in Python that holds a few values."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        if len(self.values) >= CAPACITY:
            self.values = {}
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


def memory(**options):
    return MemoryCache(max_entries=CAPACITY, **options)


shared = memory(isolate=False)
apart = memory()
by_use = memory(policy="lru", timeout=0.005)
tiers = TieredCache([CacheWithPresets(memory(isolate=False), 0.005), memory(isolate=False)])
over_python = TieredCache([memory(), DictTier()])
MEMORIES = [shared, apart, by_use, tiers.caches[0].cache, tiers.caches[1], over_python.caches[0]]
LIVING = [shared, *MEMORIES[3:5]]  # those that hold values of class Live


@get_quickcache(cache=shared, flight_wait=1_000)(["x"])
def one(x):
    return Live(x)


@get_quickcache(cache=apart, flight_wait=1_000)(["x"])
def listed(x):
    return [x, x]


@get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
def fresh(x):
    return Live(x)


@get_quickcache(cache=tiers, flight_wait=1_000)(["x"])
def tiered(x):
    return Live(x)


@get_quickcache(cache=over_python, flight_wait=1_000)(["x"], skip_arg="fresh")
def stored(x, fresh=False):
    return [x]


def let_others_run(x):
    if not in_child.is_set():
        time.sleep(0.0001)
    return [x]


slow = get_quickcache(cache=by_use, flight_wait=1_000)(["x"])(let_others_run)
until_the_end = threading.Event()


@get_quickcache(cache=memory(), flight_wait=1_000)(["x"])
def endless(x):
    if not in_child.is_set():
        until_the_end.wait()
    return x


def use(x):
    """One of each."""
    assert one(x % 300).x == x % 300
    assert one(1).x == 1
    assert listed(x % 150) == [x % 150] * 2
    assert tiered(x % 120).x == x % 120
    assert stored(x % 130, fresh=x % 7 == 0) == [x % 130]
    assert slow(x % 5) == [x % 5]
    apart.set(str(x % 500), [x])
    if x % 20 == 0:
        one.clear(x % 300)
        tiered.clear(x % 120)
        stored.clear(x % 130)
        listed.set_cached_value(x % 150).to([x % 150] * 2)
    if x % 500 == 0:
        MEMORIES[x // 500 % len(MEMORIES)].clear()


def work(seed):
    for x in itertools.count(seed):
        if is_over.is_set():
            return
        use(x)
        time.sleep(0)


def live_values():
    return sum(type(each) is Live for each in gc.get_objects())


def child():
    """What a child does: the number of the outcome that it has come to.

    It never gives up the interpreter: after a raw fork that can hang in CPython itself, which waits for
    threads of the parent.
    """
    for x in range(20):
        use(x)
    if endless(0) != 0:  # which a thread of the parent has begun, and another waits for
        return FAILED
    fresh.clear.__self__.cache = new = memory(isolate=False)
    for x in range(6 * CAPACITY):
        if fresh(x).x != x or tiered(x).x != x:
            return FAILED
        shared.set(str(x), Live(x))
    if any(len(cache) > CAPACITY for cache in [new, *MEMORIES]):
        return TOO_MANY_ENTRIES
    if live_values() > CAPACITY * len([new, *LIVING]) + SLACK:
        return TOO_MANY_VALUES
    for cache in [new, *LIVING]:
        cache.clear()
    return TOO_MANY_AFTER_CLEARS if live_values() > SLACK else WELL


def outcome_of(fork):
    """Fork, and the number of what became of the child."""
    pid = fork()
    if pid == 0:
        in_child.set()
        outcome = FAILED
        signal.alarm(LIMIT)  # ends it
        try:
            outcome = child()
        finally:
            os._exit(outcome)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return HUNG if ended == -signal.SIGALRM else ended


def main(way, forks):
    faulthandler.enable()
    if way == "raw":
        fork = ctypes.PyDLL(None).fork
        # A thread that wants the interpreter makes the child give it up, and wait for a thread that is
        # not there: plain CPython, without any cache. So here threads give it up by themselves alone.
        sys.setswitchinterval(1_000)
    else:
        fork = os.fork
        sys.setswitchinterval(1e-4)
    threads = [threading.Thread(target=work, args=(1_000 * n,)) for n in range(8)]
    threads += [threading.Thread(target=endless, args=(0,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while stats(endless)["waits"] < 1:
        assert time.monotonic() < end, "nobody came to wait"
        time.sleep(0.001)
    outcomes = collections.Counter()
    for _ in range(forks):
        time.sleep(0.002)
        outcome = outcome_of(fork)
        outcomes[OUTCOMES[outcome] if outcome >= 0 else f"ended by signal {-outcome}"] += 1
    is_over.set()
    until_the_end.set()
    for thread in threads:
        thread.join()
    print(f"{forks} forks: {dict(outcomes)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
