"""Calls while a server answers nothing: `python redis_black_hole.py SETTINGS`. Prints their cost, in JSON.

It says "ready" and waits for a line on its standard input wherever the server is to change: the proxy before
it becomes a black hole, and lets through again. Settings, in JSON: `url`, `calls`, `deadline`.
"""

import faulthandler
import json
import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from quickcache import RedisCache, get_quickcache

SETTINGS = json.loads(sys.argv[1])
THREADS = 8
LIMIT = 120
CACHE = RedisCache(SETTINGS["url"], deadline=SETTINGS["deadline"], key_prefix="hole:")


@get_quickcache(cache=CACHE)(["x"])
def function(x):
    return [x]


class Lines(logging.Handler):
    """Counts lines."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def timed(x):
    """When a call began, and how long it took."""
    begun = time.perf_counter()
    assert function(x) == [x]
    return begun, time.perf_counter() - begun


def turn():
    """Have the server changed."""
    print("ready", flush=True)
    assert sys.stdin.readline()


def quantile(times, part):
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    lines = Lines()
    logging.getLogger("quickcache").addHandler(lines)
    with ThreadPoolExecutor(THREADS) as pool:
        together = threading.Barrier(THREADS)
        list(pool.map(lambda x: (together.wait(), timed(x)), range(THREADS)))
        assert CACHE.stats()["stores"] == THREADS
        turn()
        begun = time.perf_counter()
        opened = []
        watch = threading.Thread(target=await_opening, args=(opened,))
        watch.start()
        calls = list(pool.map(timed, range(1_000, 1_000 + SETTINGS["calls"])))
        watch.join()
    while_closed = [took for began, took in calls if began < opened[0]]
    after = [took for began, took in calls if began >= opened[0]]
    alone = own_cost()
    # By one thread, with which others do not compete for the interpreter.
    after_alone = [timed(x)[1] for x in range(100_000, 100_000 + SETTINGS["calls"])]
    errors = len(lines.lines)
    minute = time.perf_counter() - begun
    turn()
    back = time.perf_counter()
    while not CACHE.get("there"):
        CACHE.set("there", 1)
        time.sleep(0.01)
    print(
        json.dumps(
            {
                "calls while closed": len(while_closed),
                "p99 while closed": quantile(while_closed, 0.99),
                "opened after": opened[0] - begun,
                "calls while open": len(after),
                "p50 while open": quantile(after_alone, 0.5) - alone,
                "p99 while open": quantile(after_alone, 0.99) - alone,
                "back after": time.perf_counter() - back,
                "lines": errors,
                "seconds": minute,
                "stats": CACHE.stats(),
            }
        )
    )


def await_opening(opened):
    while not CACHE.stats()["breaker_opens"]:
        time.sleep(0.001)
    opened.append(time.perf_counter())


def own_cost():
    """What a call costs by itself."""

    def plain(x):
        return [x]

    times = []
    for x in range(1_000):
        begun = time.perf_counter()
        plain(x)
        times.append(time.perf_counter() - begun)
    return quantile(times, 0.5)


main()
