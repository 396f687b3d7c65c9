"""Runs hits between marks, for benches.instructions, which counts the instructions between them.

A mark is a call of getppid, at which callgrind writes down its counts so far. Each load runs between
three marks: N times, then 2N times.
"""

import functools
import gc
import os
from collections.abc import Callable
from typing import Any

from benches.contender import Subject
from benches.loop import timed
from benches.scenarios.hot import LOADS as HOT
from benches.scenarios.values import DICT
from quickcache import MemoryCache, get_quickcache

# A multiple of how rarely the front asks moka, so that what this costs is in both in the same share.
N = 4_096
WARM = 200  # after which Python has specialised the loop's byte code, and a hit is found nearest
MORTAL = "hot/deadline"  # an int whose value has a deadline
TURNS = "hot/turns"  # two ints by turns, per pair of calls
CONTROL = "lru_cache"  # never judged: if it has changed as well, the interpreter has

LOADS = [*HOT, DICT]


def main() -> None:
    samples = {load.name: timed(load.statement, load.names_for(ours(load.subject))) for load in LOADS}
    mortal = ours(HOT[0].subject, timeout=300)
    samples[MORTAL] = timed(HOT[0].statement, HOT[0].names_for(mortal))
    by_turns = {"call": ours(HOT[0].subject), "x": 4_321, "y": 4_322}
    samples[TURNS] = timed("(call(x), call(y))", by_turns)
    bounded = functools.lru_cache(maxsize=10_000)(HOT[0].subject.function)
    samples[CONTROL] = timed(HOT[0].statement, HOT[0].names_for(bounded))
    for sample in samples.values():
        sample(WARM)
    gc.disable()
    for name, sample in samples.items():
        os.getppid()
        sample(N)
        os.getppid()
        sample(2 * N)
        os.getppid()
        print(name)


def ours(subject: Subject, timeout: float | None = None) -> Callable[..., Any]:
    """The function as the benchmarks cache it. `timeout` in seconds."""
    quickcache = get_quickcache(cache=MemoryCache(max_entries=10_000, timeout=timeout))
    return quickcache(list(subject.vary_on))(subject.function)


if __name__ == "__main__":
    main()
