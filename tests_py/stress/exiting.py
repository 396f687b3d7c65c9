"""A process that ends under load: `python exiting.py SEED`. What its threads do and how it ends is drawn.

Ends with the exit code that it prints first, and nothing on stderr.
"""

import atexit
import faulthandler
import itertools
import random
import signal
import sys
import threading
import time

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache, stats

LIMIT = 40  # seconds after which the process hangs

draw = random.Random(int(sys.argv[1]))
shared = MemoryCache(max_entries=50, isolate=False)
apart = MemoryCache(max_entries=50)


class DictTier:
    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        time.sleep(0.0001)
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


class Slow:
    """Gives up the interpreter wherever it can."""

    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        time.sleep(0.0001)
        return Slow, (self.x,)

    def __del__(self, sleep=time.sleep, cache=apart):
        sleep(0.0001)
        cache.get("k")

    def __quickcache_key__(self):
        time.sleep(0.0001)
        return self.x


@get_quickcache(cache=shared)(["x"])
def hit(x):
    return Slow(x)


@get_quickcache(cache=apart, flight_wait=1_000)(["x"])
def compute(x):
    time.sleep(0.0001)
    return [x]


@get_quickcache(cache=TieredCache([CacheWithPresets(apart, 0.002), shared]))(["x"], skip_arg="fresh")
def tiered(x, fresh=False):
    return [x]


@get_quickcache(cache=TieredCache([apart, DictTier()]))(["x"])
def over_python(x):
    return [x]


@get_quickcache(cache=apart, flight_wait=1_000)(["x"])
def endless(x):
    if threading.current_thread() is not threading.main_thread():
        threading.Event().wait()
    return x


def leave(x):
    raise SystemExit(0)


leaving = get_quickcache(cache=apart)(["x"])(leave)


def pickled(x):
    apart.set(str(x % 100), Slow(x))
    apart.get(str((x + 1) % 100))


def evicted(x):
    shared.set(str(x), Slow(x))


def cleared(x):
    compute.clear(x % 30)
    tiered.set_cached_value(x % 30).to([x])
    if x % 50 == 0:
        draw.choice([apart, shared]).clear()


LOADS = {
    "hits": lambda x: hit(1),
    "misses": compute,
    "waits for each other": lambda x: compute(x // 20),
    "waits for ever": lambda x: endless(1),
    "tiers": lambda x: tiered(x % 100, fresh=x % 5 == 0),
    "tiers in python": lambda x: over_python(x % 100),
    "keys in python": lambda x: compute(Slow(x)),
    "pickles": pickled,
    "evictions": evicted,
    "clears": cleared,
}


def end_of_main():
    pass


def exit_of_sys():
    sys.exit(0)


def exit_from_a_function():
    leaving(1)


def uncaught_error():
    sys.excepthook = lambda *error: None
    raise LookupError


def error_in_a_function():
    sys.excepthook = lambda *error: None
    get_quickcache(cache=apart)(["x"])(lambda x: 1 // 0)(1)


def signal_in_a_loop_of_hits():
    terminate_soon()
    while True:
        hit(1)
        compute(2)


def signal_in_a_computation():
    terminate_soon()
    get_quickcache(cache=apart)(["x"])(lambda x: threading.Event().wait())(1)


def signal_in_a_wait():
    @get_quickcache(cache=apart, flight_wait=1_000)(["y"])
    def never(y):
        threading.Event().wait()

    threading.Thread(target=never, args=(1,), daemon=True).start()
    until(lambda: stats(never)["computations"] == 1)
    terminate_soon()
    never(1)


def last_calls():
    """Registered with atexit: the caches are there to the last."""
    compute(1)
    hit(1)
    tiered(1, fresh=True)
    compute.clear(1)


def terminate_soon():
    def on_alarm(number, frame):
        while frame:
            if frame.f_code is Slow.__del__.__code__:
                return  # where errors are only printed
            frame = frame.f_back
        # Once and for all. The alarm repeats: CPython sees a signal that comes just before a thread begins
        # to wait for a lock only when the next one interrupts it.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.raise_signal(signal.SIGTERM)

    def on_term(number, frame):
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.01)


def until(is_so):
    end = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.0005)


ENDS = {  # with the exit codes
    end_of_main: 0,
    exit_of_sys: 0,
    exit_from_a_function: 0,
    uncaught_error: 1,
    error_in_a_function: 1,
    signal_in_a_loop_of_hits: 0,
    signal_in_a_computation: 0,
    signal_in_a_wait: 0,
}


def work(load, begun):
    for x in itertools.count(draw.randrange(100)):
        begun.set()
        LOADS[load](x)


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    sys.setswitchinterval(draw.choice([1e-6, 1e-4, 0.005]))
    loads = draw.choices(list(LOADS), k=draw.randrange(3, 8))
    end, code = draw.choice(list(ENDS.items()))
    print(code, end.__name__, *loads, sep=", ", flush=True)
    if draw.random() < 0.3:
        atexit.register(last_calls)
    for load in loads:
        begun = threading.Event()
        threading.Thread(target=work, args=(load, begun), daemon=True).start()
        assert begun.wait(LIMIT)
    time.sleep(draw.random() * 0.01)
    end()


main()
