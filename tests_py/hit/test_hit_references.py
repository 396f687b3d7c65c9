"""Hot calls leave the counts of references, and the memory of the process, as they found them."""

import sys

import pytest

SETUP = """
import gc, sys, tracemalloc

class Owner:
    def __init__(self, id_):
        self.id = id_

class Text(str):
    pass

memory = MemoryCache(isolate=False)
quickcache = get_quickcache(cache=memory)
isolated = get_quickcache(cache=MemoryCache())
prefixed = get_quickcache(cache=CacheWithPresets(MemoryCache(), 60, lambda: PREFIX))
PREFIX = "".join(["pre", "fix"])

default = "".join(["de", "fault"])
value = ["value"]

@quickcache(["a", "b", "c"])
def plain(a, b=default, *, c=default): return value

@quickcache(["self.id", "a"])
def method(self, a): return value

@quickcache(lambda a: [a])
def of_function(a): return value

@quickcache(["a"], skip_arg="skip")
def skipped(a, skip=False): return value

@isolated(["a"])
def copied(a): return {"a": [1, (2, [3])]}

@isolated(["a"])
def pickled(a): return Owner(a)

@prefixed(["a"])
def of_prefix(a): return value

text, number, items = "".join(["te", "xt"]), 10**30, ["x", {"y": (1, "z" * 30)}]
odd, names = Text("odd"), {"".join(["b"]): "".join(["n", "a"]), "c": items}
identity = Owner("".join(["i", "d"]))
large = 1 << 62

def mixed():
    plain(text)
    plain(number, b=text)
    plain(large, items, c=text)
    plain(items, **names)
    plain(a=odd, **names)
    method(identity, text)
    method(identity, a=items)
    of_function(items)
    skipped(text)
    skipped(text, skip=None)
    copied(items)
    pickled(text)
    of_prefix(text)

def wrong():
    calls = [((), {}), ((text, text, text), {}), ((text,), {"bogus": text}), ((object(),), {})]
    for args, kwargs in calls:
        try:
            plain(*args, **kwargs)
        except (TypeError, ValueError):
            pass
    try:
        method(text, text)
    except AttributeError:
        pass

def name_tuples():
    return [const for const in mixed.__code__.co_consts if isinstance(const, tuple)]

watched = [
    text, number, items, odd, names, identity, identity.id, large, default, value, PREFIX, *items,
    *names.values(), *name_tuples(), *mixed.__code__.co_names, Owner, Text, memory,
    plain, method, of_function, skipped, copied, pickled, of_prefix, plain.__code__, plain.__wrapped__,
    plain.__closure__[0], plain.__closure__[0].cell_contents, type(plain.__closure__[0].cell_contents),
    plain.clear.__self__, plain.clear.__self__.cache, plain.clear.__self__.vary_on, QuickCacheHelper,
    MemoryCache,
    method.__wrapped__, plain.__wrapped__.__defaults__, plain.__wrapped__.__kwdefaults__,
]

def counts():
    return [sys.getrefcount(each) for each in watched]
"""


@pytest.mark.parametrize("calls", ["mixed", "wrong"])
def test_counts_are_unchanged_after_many_calls(run_apart, calls):
    turns = 15_400 if calls == "mixed" else 1_000  # 200,000 calls
    told = run_apart(
        SETUP,
        f"""
        for _ in range(20):
            {calls}()
        gc.collect()
        counts()
        before = counts()
        for _ in range({turns}):
            {calls}()
        gc.collect()
        after = counts()
        print([(repr(e), b, a) for e, b, a in zip(watched, before, after) if abs(a - b) > 5])
        """,
    )
    assert "[]\n" == told


@pytest.mark.parametrize("calls", ["mixed", "wrong"])
def test_blocks_of_memory_are_none_more_after_many_calls(run_apart, calls):
    """By tracemalloc and by the count of blocks that objects take: one in three turns would be seen."""
    told = run_apart(
        SETUP,
        f"""
        def grown(turns):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
            for _ in range(turns):
                {calls}()
            gc.collect()
            return [now - then for now, then in zip(
                (tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()), before)]

        tracemalloc.start()
        grown(500)  # caches of Python's own fill
        size, blocks = grown(1_500)
        print(size < 24_000, blocks < 500, size, blocks)
        """,
    )
    assert told.startswith("True True")


@pytest.mark.parametrize("calls", ["mixed", "wrong"])
@pytest.mark.skipif(sys.platform == "win32", reason="resource is a module of Unix")
def test_memory_of_the_process_is_flat(run_apart, calls):
    """What Rust allocates too."""
    told = run_apart(
        SETUP,
        f"""
        import resource

        def most():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        for _ in range(1_000):
            {calls}()
        before = most()
        for _ in range(5_000):
            {calls}()
        grown = most() - before
        print(grown < 1_024, grown)
        """,
    )
    assert told.startswith("True")


@pytest.mark.parametrize("run", range(3))
def test_what_is_read_for_the_first_time_keeps_no_collection_from_a_look(run_apart, run):
    """What is made once was made in PyO3's cells, which let other threads in: here, under a lock."""
    told = run_apart("""
        import gc, threading, uuid

        @get_quickcache(cache=MemoryCache())(["x"])
        def f(x):
            return x

        begun, done = threading.Semaphore(0), threading.Event()

        def collect():
            while not done.is_set():
                gc.collect()
                begun.release()

        for _ in range(3):
            f(1)
        collectors = [threading.Thread(target=collect) for _ in range(4)]
        for thread in collectors:
            thread.start()
        for _ in range(20):
            begun.acquire()
        f(uuid.UUID(int=1))
        done.set()
        for thread in collectors:
            thread.join()
        print("done")
    """)
    assert "done\n" == told


def test_clears_and_misses_leave_nothing_behind(run_apart):
    told = run_apart(
        SETUP,
        """
        def turn(i):
            for x in (i % 50, str(i % 50), (i % 50, "x")):
                plain(x); plain(x); plain(x)
                copied(x); copied(x); copied(x)
                plain.clear(x)
                copied.clear(x)

        for i in range(200):
            turn(i)
        gc.collect()
        before, blocks = counts(), sys.getallocatedblocks()
        for i in range(2_000):
            turn(i)
        gc.collect()
        changed = [(repr(e), b, a) for e, b, a in zip(watched, before, counts()) if abs(a - b) > 40]
        print(changed, abs(sys.getallocatedblocks() - blocks) < 400)
        """,
    )
    assert "[] True\n" == told
