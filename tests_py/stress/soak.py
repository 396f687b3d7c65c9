"""Everything at once for a while: `python soak.py MINUTES [SEED]`.

Threads, forks, clears, expiry, garbage collection and many keys, on decorated functions over memory and
tiers, with isolated and shared values. A line each second; at the end, what grew and what was wrong. Each
value carries its key and its version, and no call that begins after a clear may have an older version.
Exit code 1 if a value was wrong, a child or a thread failed, or memory grew by 2 % or more after the first
minute (of runs of three or more).
"""

import contextlib
import faulthandler
import gc
import itertools
import os
import random
import signal
import statistics
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache, stats

MINUTE = 60  # the first is for caches to fill, and the others are compared
ALLOWED_GROWTH = 0.02
CHILD_LIMIT = 10  # seconds after which a child hangs
KEYS = 3_000
THREADS = 6


class Value:
    """A value that is no plain data."""

    def __init__(self, key, version):
        self.pair = key, version

    def __iter__(self):
        return iter(self.pair)


class DictTier:
    """A tier in Python, which drops all it has when it is full."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value, timeout=None):
        if len(self.values) > 1_000:
            self.values = {}
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


class Subject:
    """A decorated function and the versions of its source."""

    def __init__(self, name, cache, memories, make=lambda key, version: [key, version]):
        self.name = name
        self.memories = memories  # all of the cache's tiers, if they are these
        self.versions = [0] * KEYS  # each changed by the thread that owns the key alone
        self.cleared = [0] * KEYS  # the version of the last clear that has returned
        # A tier in Python cannot compare and set in one step: what overtook a clear is there for a moment.
        self.is_exact = bool(memories)
        self.is_apart = self.is_exact and all(memory.isolate for memory in memories)

        def compute(key, fresh=False):
            return make(key, self.versions[key])

        self.function = get_quickcache(cache=cache)(["key"], skip_arg="fresh")(compute)

    def call(self, key, fresh=False):
        """A call; what is wrong with its value, or None."""
        oldest = self.cleared[key]
        value = self.function(key, fresh=fresh) if fresh else self.function(key)
        newest = self.versions[key]
        found, version = value
        if found != key:
            return f"{self.name}: {found} for {key}"
        if version > newest or (version < oldest and self.is_exact):
            return f"{self.name}: version {version} of {key}, which is between {oldest} and {newest}"
        if isinstance(value, list) and self.is_apart:
            value.append("the caller's own")
        return None

    def change(self, key, draw):
        """Write to the source and clear, one way or another."""
        self.versions[key] = version = self.versions[key] + 1
        match draw.randrange(8):
            case 0 if self.memories:
                self.function.clear.__self__.cache.delete(self.function.get_cache_key(key))
            case 1:
                self.function.set_cached_value(key).to([key, version])
            case 2 if draw.random() < 0.05:
                for memory in reversed(self.memories):
                    memory.clear()
                self.function.clear(key)
            case _:
                self.function.clear(key)
        self.cleared[key] = version


def make_subjects():
    def memory(**options):
        return MemoryCache(max_entries=500, **options)

    alone, shared, small, by_use = (
        memory(),
        memory(isolate=False),
        memory(max_bytes=50_000),
        memory(policy="lru"),
    )
    two = [memory(isolate=False), memory(isolate=False, timeout=0.02)]
    brief, below = memory(), memory(timeout=0.05)
    return [
        Subject("memory", alone, [alone]),
        Subject("shared values", shared, [shared], make=Value),
        Subject("pickled values", small, [small], make=Value),
        Subject("what was used last", by_use, [by_use]),
        Subject("memory over memory", TieredCache(two), two),
        Subject("brief over memory", TieredCache([CacheWithPresets(brief, 0.01), below]), [brief, below]),
        Subject("memory over python", TieredCache([CacheWithPresets(memory(), 0.01), DictTier()]), []),
        Subject("python", DictTier(), []),
    ]


class Soak:
    def __init__(self, minutes, seed):
        self.seconds = minutes * 60
        self.seed = seed
        self.subjects = make_subjects()
        self.caches = {id(one): one for subject in self.subjects for one in subject.memories}.values()
        self.calls = [0] * THREADS
        self.clears = [0] * THREADS
        self.forks = Counter()
        self.wrong = []
        self.is_over = False

    def work(self, number):
        """What a thread does. It changes only keys of its own: others' versions are theirs to know."""
        draw = random.Random(self.seed * 100 + number)
        try:
            while not self.is_over:
                subject = draw.choice(self.subjects)
                key = int(KEYS * draw.random() ** 3)
                for _ in range(draw.choice((1, 1, 1, 20))):
                    self.calls[number] += 1
                    self.note(subject.call(key))
                if draw.random() < 0.1:
                    mine = key - key % THREADS + number
                    if mine < KEYS:
                        self.clears[number] += 1
                        subject.change(mine, draw)
                        self.note(subject.call(mine, fresh=subject.is_exact and draw.random() < 0.1))
                if draw.random() < 0.001:
                    self.make_garbage()
        except BaseException:  # noqa: BLE001  told at the end
            self.note(f"thread {number}: {traceback.format_exc()}")

    def note(self, wrong):
        if wrong:
            self.wrong.append(wrong)

    def make_garbage(self):
        """A cache and its function in a circle with a value of theirs."""
        cache = MemoryCache(isolate=False)

        @get_quickcache(cache=cache)([])
        def circle():
            return [cache, circle]

        circle()

    def fork(self):
        """A child that goes on by itself for a moment."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                faulthandler.register(signal.SIGALRM, chain=True)
                signal.alarm(CHILD_LIMIT)
                self.wrong = []
                draw = random.Random(self.seed + sum(self.forks.values()))
                for subject in self.subjects * 5:
                    key = draw.randrange(KEYS)
                    self.note(subject.call(key))
                    subject.change(key, draw)
                    self.note(subject.call(key))
                code = 2 if self.wrong else 0
            finally:
                os._exit(code)
        self.forks[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])] += 1

    def hits_and_misses(self):
        each = [cache.stats() for cache in self.caches]
        return sum(one["hits"] for one in each), sum(one["misses"] for one in each)

    def run(self):
        threads = [threading.Thread(target=self.work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        resident = []
        with contextlib.suppress(KeyboardInterrupt):
            for second in itertools.count(1):
                if second > self.seconds:
                    break
                if hasattr(os, "fork"):
                    self.fork()
                if second % 5 == 0:
                    gc.collect()
                time.sleep(max(0, begin + second - time.monotonic()))
                resident.append(resident_bytes())
                self.tell(second, resident[-1])
        self.is_over = True
        for thread in threads:
            thread.join(20)
            if thread.is_alive():
                faulthandler.dump_traceback()
                self.note("a thread hangs")
        return self.judge(resident)

    def tell(self, second, resident):
        hits, misses = self.hits_and_misses()
        print(
            f"{second:5} s  {sum(self.calls):11,} calls  {hits:11,} hits  {misses:10,} misses  "
            f"{sum(self.clears):9,} clears  {sum(self.forks.values()):4} forks  "
            f"{resident / 1e6:7.1f} MB  {len(self.wrong)} wrong",
            flush=True,
        )

    def judge(self, resident):
        """The exit code, with what it is for."""
        computed = {subject.name: stats(subject.function)["computations"] for subject in self.subjects}
        print("computed:", ", ".join(f"{name} {count:,}" for name, count in computed.items()))
        print(f"children's exit codes: {dict(self.forks)}")
        print(f"wrong values: {len(self.wrong)}", *self.wrong[:5], sep="\n  ")
        is_well = not self.wrong and set(self.forks) <= {0} and min(self.calls) > 0
        if len(resident) >= 3 * MINUTE:
            # Medians of a minute: single seconds differ by 3 %.
            before = statistics.median(resident[MINUTE : 2 * MINUTE])
            after = statistics.median(resident[-MINUTE:])
            growth = after / before - 1
            print(f"memory: {before / 1e6:.1f} MB, then {after / 1e6:.1f} MB: {growth:+.2%}")
            is_well &= growth < ALLOWED_GROWTH
        print("well" if is_well else "NOT WELL")
        return 0 if is_well else 1


def resident_bytes():
    """The process's resident memory; 0 where nobody says so."""
    with contextlib.suppress(OSError), Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    sys.exit(Soak(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1).run())
