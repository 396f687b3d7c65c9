"""Hits by several threads at once."""

import threading
from collections.abc import Iterator
from dataclasses import replace

from benches.contender import Contender, tagged
from benches.loop import CLOCK, Sample, compiled
from benches.preparing import prepared
from benches.result import Race
from benches.scenarios.hot import LOADS
from benches.subjects import Load
from benches.timing import Plan, interleaved

# Long beside the 5 ms after which Python lets another thread run.
SECONDS, QUICK_SECONDS = 0.1, 0.05
COUNTS = (1, 2, 4)

LINES = [
    "barrier.wait()",
    "start = clock()",
    "for _ in repeat(None, n):",
    "    call(x)",
    "spans.append((start, clock()))",
]


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    load = LOADS[0]
    chosen = ("ours", "lru_cache") if plan.quick else ("ours", "shared")
    found = prepared(load, tagged(contenders, *chosen))
    counts = COUNTS[:2] if plan.quick else COUNTS
    # In turn over contenders and counts of threads, since both are compared.
    samples = {
        f"{count} {name}": by_threads(load, cached.call, count)
        for count in counts
        for name, cached in found.cached.items()
    }
    taken = interleaved(samples, replace(plan, seconds=QUICK_SECONDS if plan.quick else SECONDS))
    for count in counts:
        figures = {name: taken[f"{count} {name}"] for name in found.cached}
        title = f"{count} thread{'s' if count > 1 else ''}"
        yield Race(f"threads/{count}", title, "ns", figures, found.left_out)


def by_threads(load: Load, call: object, count: int) -> Sample:
    """The calls of a sample shared out among threads: from the first call's start to the last one's end."""
    names = {**load.names, "call": call, **CLOCK}
    # A loop of its own for each, as threads have that run different parts of a program.
    loops = [compiled(LINES, names, "n, barrier, spans") for _ in range(count)]

    def sample(n: int) -> int:
        spans: list[tuple[int, int]] = []
        barrier = threading.Barrier(count)
        each = -(-n // count)
        threads = [threading.Thread(target=loop, args=(each, barrier, spans)) for loop in loops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(end for _, end in spans) - min(start for start, _ in spans)

    return sample
