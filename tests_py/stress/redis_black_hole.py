"""Calls while a server answers nothing: `python redis_black_hole.py SETTINGS`. Prints their cost, in JSON.

Each of some rounds begins with calls of eight threads at once, into a black hole that the breaker knows
nothing of yet. It says "ready" and waits for a line on its standard input wherever the server is to change:
the proxy before it becomes a black hole, and lets through again. Settings, in JSON: `url`, `deadline`,
`rounds`, and `outage`, the seconds that the first one lasts.
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
LIMIT = 300
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
    """How long a call took."""
    begun = time.perf_counter()
    assert function(x) == [x]
    return time.perf_counter() - begun


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
    CACHE.set("there", 1)
    took, begun = [], time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        opened, after = a_round(pool, 0, took)
        alone = own_cost()
        # By one thread, with which others do not compete for the interpreter.
        while_open = [timed(x) - alone for x in range(1_000_000, 1_001_000)]
        while time.perf_counter() < begun + SETTINGS["outage"]:
            timed(0)
        outage, told = time.perf_counter() - begun, len(lines.lines)
        rejections = CACHE.stats()["rejections"]
        turn()
        back = time.perf_counter()
        while not CACHE.get("there"):
            time.sleep(0.01)
        back = time.perf_counter() - back
        for number in range(1, SETTINGS["rounds"]):
            a_round(pool, number, took)
            turn()
            CACHE.ping()  # has the breaker closed
    print(
        json.dumps(
            {
                "calls while closed": len(took),
                "p50 while closed": quantile(took, 0.5),
                "p99 while closed": quantile(took, 0.99),
                "opened after": opened,
                "calls of eight threads while open": len(after),
                "p50 of these": quantile(after, 0.5) - alone,
                "p50 while open": quantile(while_open, 0.5),
                "p99 while open": quantile(while_open, 0.99),
                "back after": back,
                "lines of the first outage": told,
                "its seconds": outage,
                "rejections": rejections,
                "breaker_opens": CACHE.stats()["breaker_opens"],
            }
        )
    )


def a_round(pool, number, took):
    """Eight calls at once that find out; after how long the breaker was open, and the cost of calls then."""
    turn()
    together = threading.Barrier(THREADS)

    def find_out(x):
        together.wait()
        return timed(x)

    opens, begun = CACHE.stats()["breaker_opens"], time.perf_counter()
    took += pool.map(find_out, range(THREADS * number, THREADS * (number + 1)))
    opened = time.perf_counter() - begun
    assert CACHE.stats()["breaker_opens"] == opens + 1
    return opened, list(pool.map(timed, range(10_000, 11_000)))


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
