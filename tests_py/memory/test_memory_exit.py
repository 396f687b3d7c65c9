"""A process ends well whatever its threads are doing with caches: exit code 0, nothing on stderr."""

import pytest

PROGRAM = """
import sys, threading, time
from quickcache import MemoryCache, TieredCache, get_quickcache

first = MemoryCache(max_entries=50, isolate=sys.argv[1] != "destructors")
quickcache = get_quickcache(cache=TieredCache([first, MemoryCache(max_entries=50)]))

@quickcache(["x"])
def compute(x):
    time.sleep(0.0001)
    return [x]

@quickcache(["x"], skip_arg=lambda x: time.sleep(0.0001))
def asks(x):
    return x

@quickcache(lambda x: [time.sleep(0.0001), x])
def varies(x):
    return x

class Slow:
    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        time.sleep(0.0001)
        return Slow, (1,)

    def __del__(self):
        time.sleep(0.0001)

    def __quickcache_key__(self):
        time.sleep(0.0001)
        return self.x

WAYS = {
    "computing": lambda i: compute(i % 100),
    "in skip_arg": lambda i: asks(i),
    "in vary_on": lambda i: varies(i),
    "in a key of one's own": lambda i: varies(Slow(i)),
    "pickling": lambda i: (first.set("k", Slow(i)), first.get("k")),
    "destructors": lambda i: first.set("k", Slow(i)),
    "sets and clears": lambda i: (first.set(str(i % 100), i), first.clear() if i % 50 == 0 else None),
}

def work():
    i = 0
    while True:
        i += 1
        WAYS[sys.argv[1]](i)

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.03)
print("the end")
"""

WAYS = [
    "computing",
    "in skip_arg",
    "in vary_on",
    "in a key of one's own",
    "pickling",
    "destructors",
    "sets and clears",
]


@pytest.mark.parametrize("way", WAYS)
def test_daemon_threads_may_be_in_the_midst_of_it(run_apart, way):
    """Up to Python 3.13 a daemon thread ends by unwinding its stack, wherever in it Rust is."""
    assert ["the end\n"] * 3 == [run_apart(PROGRAM, way) for _ in range(3)]


def test_values_and_caches_may_outlive_their_modules(run_apart):
    told = run_apart("""
        from quickcache import MemoryCache, get_quickcache
        import quickcache

        cache = MemoryCache(isolate=False)

        class Value:
            def __del__(self, cache=cache):
                cache.set("again", 1)
                cache.get("k")
                print("dropped")

        @get_quickcache(cache=cache)([])
        def make():
            return Value()

        make()
        quickcache.keep = cache
    """)

    assert told in ("", "dropped\n")
