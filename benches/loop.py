"""Timed loops, each compiled anew as timeit does it.

Python specialises byte code where it runs. In a loop shared by contenders, they would spoil this for
each other.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Any

# Runs something so many times, and returns how many nanoseconds that took.
Sample = Callable[[int], int]

CLOCK = {"clock": time.perf_counter_ns, "repeat": repeat}


def compiled(lines: list[str], names: Mapping[str, Any], parameters: str = "", kind: str = "def") -> Any:
    """A function of these lines. Names are its locals, which are found faster than globals."""
    given = ", ".join([*filter(None, [parameters]), *(f"{name}={name}" for name in names)])
    text = "\n    ".join([f"{kind} compiled({given}):", *lines])
    namespace = dict(names)
    exec(text, namespace)  # noqa: S102  it is our own text
    return namespace["compiled"]


def once(expression: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression."""
    return compiled([f"return {expression}"], names)()


def timed(statement: str, names: Mapping[str, Any], complete: Callable[[Any], Any] | None = None) -> Sample:
    """A statement in a loop; awaited if it has to be completed."""
    lines = [
        "start = clock()",
        "for _ in repeat(None, n):",
        f"    {'await ' if complete else ''}{statement}",
        "return clock() - start",
    ]
    kind = "async def" if complete else "def"
    function: Any = compiled(lines, {**names, **CLOCK}, "n", kind)
    if complete is None:
        sample: Sample = function
        return sample
    return lambda n: complete(function(n))


def swept(statement: str, names: Mapping[str, Any], keys: list[Any]) -> Sample:
    """A statement in a loop over keys, which it calls x; the whole loop runs n times."""
    lines = [
        "start = clock()",
        "for _ in repeat(None, n):",
        "    for x in keys:",
        f"        {statement}",
        "return clock() - start",
    ]
    sample: Sample = compiled(lines, {**names, "keys": keys, **CLOCK}, "n")
    return sample


def by_threads(statement: str, names_of_each: Sequence[Mapping[str, Any]]) -> Sample:
    """A statement's turns shared out among threads: from the first one's start to the last one's end."""
    lines = [
        "barrier.wait()",
        "start = clock()",
        "for _ in repeat(None, n):",
        f"    {statement}",
        "spans.append((start, clock()))",
    ]
    # A loop of its own for each, as threads have that run different parts of a program.
    loops = [compiled(lines, {**names, **CLOCK}, "n, barrier, spans") for names in names_of_each]

    def sample(n: int) -> int:
        spans: list[tuple[int, int]] = []
        barrier = threading.Barrier(len(loops))
        each = -(-n // len(loops))
        threads = [threading.Thread(target=loop, args=(each, barrier, spans)) for loop in loops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(end for _, end in spans) - min(start for start, _ in spans)

    return sample


def each_timed(statement: str, names: Mapping[str, Any]) -> Callable[[list[Any], list[int]], None]:
    """A loop over keys that notes for each how long the statement took."""
    lines = [
        "for place, x in enumerate(keys):",
        "    start = clock()",
        f"    {statement}",
        "    times[place] = clock() - start",
    ]
    loop: Callable[[list[Any], list[int]], None] = compiled(lines, {**names, **CLOCK}, "keys, times")
    return loop
