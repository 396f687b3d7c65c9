"""How long single hits take, the rare slow ones too: percentiles among 10,000 keys in random order."""

import gc
from collections.abc import Callable, Iterator

from benches.contender import Contender, tagged
from benches.draw import seeded
from benches.figures import percentile
from benches.loop import each_timed
from benches.preparing import prepared
from benches.result import Race
from benches.scenarios.working_sets import FIRST_KEY, TOO_SLOW, hits
from benches.subjects import of_one_argument
from benches.timing import Plan

KEYS = 10_000
SWEEPS, QUICK_SWEEPS = 20, 10
PERCENTS = (50, 90, 99, 99.9, 99.99)
ALONE = "the clock alone"

Loop = Callable[[list[int], list[int]], None]


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    keys = list(range(FIRST_KEY, FIRST_KEY + KEYS))
    load = of_one_argument("latency", "10,000 keys", keys[0])
    chosen = tagged(contenders, "ours", "lru_cache") if plan.quick else tagged(contenders, "shared", "ours")
    found = prepared(load, [one for one in chosen if not one.name.startswith(TOO_SLOW)])
    loops: dict[str, Loop] = {ALONE: each_timed("pass", {})}
    for name, cached in found.cached.items():
        hits(cached, keys)
        loops[name] = each_timed("call(x)", {"call": cached.call})
    rounds = measured(loops, keys, plan)
    for percent in PERCENTS:
        figures = {
            name: [percentile(ordered, percent) for ordered in rounds_of]
            for name, rounds_of in rounds.items()
        }
        yield Race(f"latency/p{percent}", f"p{percent}", "ns", figures, found.left_out)


def measured(loops: dict[str, Loop], keys: list[int], plan: Plan) -> dict[str, list[list[int]]]:
    """For each contender and round, the times of all calls in order."""
    chance = seeded(KEYS)
    asked = keys * (QUICK_SWEEPS if plan.quick else SWEEPS)
    chance.shuffle(asked)
    times = [0] * len(asked)
    order = list(loops)
    found: dict[str, list[list[int]]] = {name: [] for name in loops}
    for _ in range(plan.rounds):
        chance.shuffle(order)
        for name in order:
            gc.collect()
            gc.disable()
            loops[name](asked, times)
            gc.enable()
            found[name].append(sorted(times))
    return found
