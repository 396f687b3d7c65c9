"""Many threads on one RedisCache: `python redis_threads.py SECONDS URL`. Fails if there is no progress.

One thread collects garbage all the time, one switches a profiler on and off, the others call and check.
"""

import collections
import faulthandler
import gc
import sys
import threading
import time

from quickcache import RedisCache, get_quickcache

WORKERS = 14
NAMES = 40
STALL = 20  # seconds in which each thread makes some progress, however busy the machine is

SECONDS, URL = float(sys.argv[1]), sys.argv[2]
CACHE = RedisCache(URL, key_prefix="threads:", deadline=8)
is_over = threading.Event()
progress = collections.Counter()
problems = []


class Cyclic:
    """Something for the collector; what is pickled has a cycle."""

    def __init__(self, x):
        self.x = x
        self.me = self


@get_quickcache(cache=CACHE, flight_wait=1_000)(["x"])
def cyclic(x):
    return Cyclic(x)


@get_quickcache(cache=CACHE)(["x"], skip_arg="again")
def plain(x, again=False):
    return {"x": x, "list": [x] * 10}


def use(turn):
    x = turn % NAMES
    value = cyclic(x)
    assert value.x == x
    assert value.me is value
    assert plain(x, again=turn % 13 == 0) == {"x": x, "list": [x] * 10}
    CACHE.set(f"k{x}", x)
    assert CACHE.get(f"k{x}") == x
    found = CACHE.get_many(f"k{each}" for each in range(x, x + 3))
    assert all(found[key] == int(key[1:]) for key in found)
    if turn % 5 == 0:
        cyclic.clear(x)


def work(number):
    turn = number * 7
    while not is_over.is_set():
        use(turn)
        turn += 1
        progress[number] += 1


def collect():
    while not is_over.is_set():
        gc.collect()
        progress["collector"] += 1


def profile():
    while not is_over.is_set():
        sys.setprofile(lambda *event: None)
        plain(1)
        sys.setprofile(None)
        if sys.version_info >= (3, 12):
            threading.setprofile_all_threads(lambda *event: None)
            plain(2)
            threading.setprofile_all_threads(None)
        progress["profiler"] += 1


def run(target, *arguments):
    try:
        target(*arguments)
    except BaseException as error:
        problems.append(repr(error))
        is_over.set()
        raise


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(SECONDS + 3 * STALL, exit=True)
    targets = [(work, number) for number in range(WORKERS)] + [(collect,), (profile,)]
    threads = [threading.Thread(target=run, args=target) for target in targets]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    stalls = 0
    while time.monotonic() < end and not problems:
        stalls = max(stalls, await_progress(len(threads)))
    is_over.set()
    for thread in threads:
        thread.join(STALL)
        assert not thread.is_alive()
    assert not problems, problems
    stats = CACHE.stats()
    assert (stats["errors"], stats["undecodable"]) == (0, 0), stats
    print(f"{progress.total()} turns, at most {stalls:.2f} s until all had made one")


def await_progress(threads):
    """Wait until each thread has made a turn more; how many seconds that took."""
    begun = time.monotonic()
    before = dict(progress)
    while sum(progress[number] > before.get(number, 0) for number in list(progress)) < threads:
        if problems:
            break
        took = time.monotonic() - begun
        assert took < STALL, f"{before} and after {took:.0f} s {progress}"
        time.sleep(0.01)
    return time.monotonic() - begun


main()
