"""Hits by several threads at once."""

from collections.abc import Iterator
from dataclasses import replace

from benches.contender import Contender, tagged
from benches.loop import by_threads
from benches.preparing import prepared
from benches.result import Race
from benches.scenarios.hot import LOADS
from benches.timing import Plan, interleaved

# Long beside the 5 ms after which Python lets another thread run.
SECONDS, QUICK_SECONDS = 0.1, 0.05
COUNTS = (1, 2, 4)


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    load = LOADS[0]
    chosen = ("ours", "lru_cache") if plan.quick else ("ours", "shared")
    found = prepared(load, tagged(contenders, *chosen))
    counts = COUNTS[:2] if plan.quick else COUNTS
    # In turn over contenders and counts of threads, since both are compared.
    samples = {
        f"{count} {name}": by_threads(load.statement, [load.names_for(cached.call)] * count)
        for count in counts
        for name, cached in found.cached.items()
    }
    taken = interleaved(samples, replace(plan, seconds=QUICK_SECONDS if plan.quick else SECONDS))
    for count in counts:
        figures = {name: taken[f"{count} {name}"] for name in found.cached}
        title = f"{count} thread{'s' if count > 1 else ''}"
        yield Race(f"threads/{count}", title, "ns", figures, found.left_out)
