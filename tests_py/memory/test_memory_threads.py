"""MemoryCache in many threads: right values only, no lost writes, no hang.

What a single thread proves is elsewhere; these hunt races, under a switch interval that provokes them.
"""

import gc
import itertools
import sys
import threading
import time

import pytest

from quickcache import MemoryCache


@pytest.fixture(autouse=True)
def _frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def run_together(*works, seconds=0.5):
    """Run each of `works` again and again in a thread of its own; return what went wrong."""
    wrong = []
    done = threading.Event()
    start = threading.Barrier(len(works))

    def loop(work):
        start.wait()
        try:
            while not done.is_set():
                work()
        except BaseException as error:  # noqa: BLE001  whatever it is, the test is to show it
            wrong.append(error)
            done.set()

    threads = [threading.Thread(target=loop, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    done.wait(seconds)
    done.set()
    for thread in threads:
        thread.join(5)
    assert [False] * len(threads) == [thread.is_alive() for thread in threads], "a thread hangs"
    return wrong


@pytest.mark.parametrize("policy", ["tinylfu", "lru"])
@pytest.mark.parametrize("isolate", [True, False])
def test_a_key_never_has_anothers_value(policy, isolate):
    """Few slots, used anew all the time: what is found under a key is what was set under it."""
    cache = MemoryCache(max_entries=50, policy=policy, isolate=isolate)
    keys = [f"k{i}" for i in range(120)]

    def write():
        for key in keys:
            cache.set(key, [key, {"k": key}])

    def read():
        for key in keys:
            if (found := cache.get(key)) is not None:
                assert [key, {"k": key}] == found

    def read_many():
        for key, found in cache.get_many(keys).items():
            assert [key, {"k": key}] == found

    def remove():
        for key in keys[::3]:
            cache.delete(key)
        cache.touch(keys[1], 5)
        cache.set(keys[2], [keys[2], {"k": keys[2]}], timeout=0.0001)
        cache.clear()

    assert [] == run_together(write, write, read, read_many, remove)
    assert len(cache) <= 50


def test_the_last_write_stays():
    """One writer and a hundred readers' worth of noise: the writer always reads its own write."""
    cache = MemoryCache(max_entries=1_000)

    def writer(key):
        count = iter(range(10**9))

        def write():
            value = next(count)
            cache.set(key, value)
            assert value == cache.get(key)
            cache.delete(key)
            assert cache.get(key) is None

        return write

    def noise():
        for i in range(500):
            cache.set(f"noise{i}", i)
            cache.get(f"noise{i}")

    assert [] == run_together(writer("a"), writer("b"), noise)


def test_collections_under_way_disturb_nobody():
    cache = MemoryCache(max_entries=50, isolate=False)

    class Value:
        def __init__(self, i):
            self.i, self.me = i, self

    def work():
        for i in range(100):
            cache.set(f"k{i}", Value(i))
            found = cache.get(f"k{i}")
            assert found is None or (found.i == i and found.me is found)

    assert [] == run_together(work, work, gc.collect, lambda: (cache.clear(), time.sleep(0.001)))


def reading(count):
    """Where an itertools.count is, without moving it."""
    return int(repr(count).removeprefix("count(").removesuffix(")"))


def test_bounds_hold_under_eight_writers():
    """Without help, moka let 1,000 grow to 11,273 in such a race."""
    made, dropped, numbers = (
        itertools.count(),
        itertools.count(),
        itertools.count(),
    )  # each next() is one step
    most = [0]

    class Counted:
        def __init__(self):
            next(made)

        def __del__(self):
            next(dropped)

    cache = MemoryCache(max_entries=1_000, isolate=False)

    def write():
        for _ in range(50):
            cache.set(f"k{next(numbers)}", Counted())
        # read in this order, a count taken late makes the difference smaller, never larger
        born = reading(made)
        most[0] = max(most[0], born - reading(dropped))

    assert [] == run_together(*[write] * 8)
    assert most[0] <= 2_000  # how far threads get before one keeps the bounds is a matter of scheduling
    assert len(cache) <= 1_000
