"""Prints by how many bytes per entry this process grows when one contender is filled.

`python -m benches.memory_probe NAME ENTRIES`, on Linux.
"""

import ctypes
import gc
import os
import sys
from pathlib import Path

from benches.contender import Subject
from benches.contenders import load
from benches.subjects import computed, small_int

FIRST_KEY = 1_000_000
# What is found in a cache moves nearer to its function by being asked for again.
PASSES = 4


def main(name: str, entries: int) -> None:
    (contender,) = (one for one in load()[0] if one.name == name)
    # Above what is held, so that nothing is evicted.
    cached = contender.decorate(Subject(small_int, ("x",)), entries + entries // 4, None)
    cached.call(FIRST_KEY)
    before = resident()
    for _ in range(PASSES):
        for key in range(FIRST_KEY, FIRST_KEY + entries):
            cached.call(key)
    if computed[0] != entries:
        sys.exit(f"{name} computed {computed[0]} values for {entries} entries: it does not hold all of them")
    print((resident() - before) / entries)


def resident() -> int:
    """The bytes of memory that this process holds, after it has given back what it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
