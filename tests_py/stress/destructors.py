"""Destructors that use the function or the cache their value is dropped from: every combination.

`python tests_py/stress/destructors.py` runs all of them, `... 9` every ninth. What destructors do to a
MemoryCache alone is in tests_py/memory/test_memory_reentry.py.
"""

import faulthandler
import gc
import itertools
import os
import sys
import threading
import warnings

from quickcache import CacheWithPresets, ManualClock, MemoryCache, TieredCache, get_quickcache

LIMIT = 20  # seconds after which one combination hangs
MOST = 20  # values in a cache


class World:
    """What the destructors of one combination find."""

    def __init__(self, isolate, use):
        self.isolate = isolate
        self.use = use
        self.uses = 0
        self.may_use = 0
        self.time = 0
        self.clock = ManualClock()
        self.caches = []
        self.f = None

    def advance(self, seconds):
        self.time += seconds
        self.clock.advance(seconds)

    def memory(self):
        cache = MemoryCache(max_entries=MOST, isolate=self.isolate, timeout=10, clock=self.clock)
        self.caches.append(cache)
        return cache

    def store(self):
        self.caches.append(Store())
        return self.caches[-1]


class Value:
    """A value that leads to the function it is kept for, if it is no unpickled one."""

    def __init__(self, n, f=None):
        self.n = n
        self.f = f

    def __reduce__(self):
        return Value, (self.n,)

    def __del__(self):
        f = self.f or world.f
        # What a use drops uses the cache as well, but not for ever.
        if world.may_use and f is not None:
            world.may_use -= 1
            world.uses += 1
            world.use(f)


class Store(dict):
    """A tier in Python, with lives and a bound, that shares its values."""

    def __init__(self):
        self.ends = {}

    def get(self, key, default=None):
        if key in self.ends and world.time > self.ends[key]:
            self.delete(key)
        return super().get(key, default)

    def set(self, key, value, timeout=10):
        if len(self) > MOST:
            self.delete(next(iter(self)))
        self.ends[key] = world.time + timeout
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


world = World(True, None)

CACHES = {
    "memory": lambda: world.memory(),  # noqa: PLW0108  of the world at that time
    "presets around memory": lambda: CacheWithPresets(world.memory(), 10, lambda: "t"),
    "tiers of memory": lambda: TieredCache([world.memory(), world.memory()]),
    "memory before python": lambda: TieredCache([world.memory(), world.store()]),
    "python before memory": lambda: TieredCache([world.store(), world.memory()]),
    "presets around python": lambda: CacheWithPresets(world.store(), 10),
    "python": lambda: world.store(),  # noqa: PLW0108  as above
}


def cache_of(f):
    return f.clear.__self__.cache


USES = {
    "the same call": lambda f: f(1),
    "a call with another argument": lambda f: f(2),
    "a call that skips the cache": lambda f: f(1, fresh=True),
    "many calls": lambda f: [f(n) for n in range(100, 140)],
    "get_cached_value": lambda f: f.get_cached_value(1),
    "set_cached_value": lambda f: f.set_cached_value(1).to(Value(1, f)),
    "clear of the same": lambda f: f.clear(1),
    "clear of another": lambda f: f.clear(2),
    "get of the cache": lambda f: cache_of(f).get(f.get_cache_key(1)),
    "set of the cache": lambda f: cache_of(f).set(f.get_cache_key(1), Value(1, f)),
    "delete of the cache": lambda f: cache_of(f).delete(f.get_cache_key(1)),
    "clear of all caches": lambda f: [cache.clear() for cache in world.caches],
    "the same cache assigned": lambda f: setattr(f.clear.__self__, "cache", cache_of(f)),
    "a collection": lambda f: gc.collect(),
}


def replace(f):
    f.set_cached_value(1).to(Value(1, f))


def refresh(f):
    f(1, fresh=True)


def clear(f):
    f.clear(1)


def clear_all(f):
    for cache in world.caches:
        cache.clear()


def evict(f):
    for n in range(1_000, 1_100):
        f(n)
    clear_all(f)


def expire(f):
    world.advance(100)
    f(1)


def sweep(f):
    world.advance(100)
    for n in range(1_000, 1_100):
        f(n)


def together(f):
    """Two threads miss at once, and drop what they have computed or been handed."""
    f.clear(1)
    threads = [threading.Thread(target=f, args=(1,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    f.clear(1)


def drop(f):
    """The function becomes garbage, with its caches and the values that lead back to it."""
    world.f = None
    world.caches.clear()


EVENTS = [replace, refresh, clear, clear_all, evict, expire, sweep, together, drop]


def new_function(cache):
    def f(x, fresh=False):
        return Value(x, itself[0])

    itself = [get_quickcache(cache=cache, skip_arg="fresh")(["x"])(f)]
    return itself[0]


def run(isolate, make_cache, use, event):
    """One combination: what went wrong, or None."""
    global world  # noqa: PLW0603  its destructors are to find it
    world = World(isolate, use)
    world.f = new_function(make_cache())
    # Isolated values are not in the cache as such: those die that are computed, and those unpickled.
    world.may_use = 10 if isolate else 0
    for _ in range(4):  # in the tiers, then in the front, then in the memo
        world.f(1), world.f(2)
    world.may_use = 10
    event(world.f)
    gc.collect()
    world.may_use = 0
    if not world.uses:
        return "nothing was dropped"
    if event is drop:
        return None
    found = [world.f(n).n for n in (1, 2, 3, 1)]
    if found != [1, 2, 3, 1]:
        return f"found {found}"
    sizes = [len(cache) for cache in world.caches if type(cache) is MemoryCache]
    return f"{sizes} values held" if max(sizes, default=0) > MOST else None


def main(step):
    warnings.simplefilter("ignore")  # of functions of one name and text
    faulthandler.enable()
    gc.set_threshold(int(os.environ.get("QUICKCACHE_GC_THRESHOLD", "0")))  # 0: only where a use asks for it
    combinations = itertools.product((True, False), CACHES.items(), USES.items(), EVENTS)
    count = failed = 0
    for isolate, (cache, make_cache), (use, act), event in itertools.islice(combinations, 0, None, step):
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        wrong = run(isolate, make_cache, act, event)
        if wrong:
            failed += 1
            print(f"isolate={isolate}, {cache}, {event.__name__}, {use}: {wrong}")
        count += 1
    print(f"{count} combinations, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)))
