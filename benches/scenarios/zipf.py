"""A cache that is too small, under Zipf's law: what it keeps tells as much as how fast it is."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace

from benches.contender import Cached, Contender, Subject, tagged
from benches.draw import seeded, zipf
from benches.loop import swept
from benches.preparing import DEFAULT_CAPACITY
from benches.result import Race
from benches.subjects import computed, slow
from benches.timing import Plan

KEYS = 100_000
CALLS, QUICK_CALLS = 500_000, 100_000
ROUNDS, QUICK_ROUNDS = 5, 3
FIRST_KEY = 1_000_000


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    chosen = tagged(contenders, "ours", "lru_cache", "lru")
    chosen += [
        one for one in tagged(contenders, "policy") if one.name.startswith("quickcache") or not plan.quick
    ]
    calls = QUICK_CALLS if plan.quick else CALLS
    chance = seeded(KEYS)
    asked = zipf(range(FIRST_KEY, FIRST_KEY + KEYS), calls, chance)
    plan = replace(plan, rounds=QUICK_ROUNDS if plan.quick else ROUNDS)
    taken: dict[str, list[float]] = {one.name: [] for one in chosen}
    shares: dict[str, float] = {}
    for _ in range(plan.rounds):
        chance.shuffle(chosen)
        for one in chosen:
            milliseconds, share = run(one.decorate(Subject(slow, ("x",)), DEFAULT_CAPACITY, None), asked)
            taken[one.name].append(milliseconds)
            shares[one.name] = share
    notes = {name: f"{share:.1%} hits" for name, share in shares.items()}
    title = f"{calls:,} calls among 100,000 keys, 10,000 of them held; a miss computes for 10 us"
    yield Race("zipf", title, "ms", taken, notes=notes)


def run(cached: Cached, asked: list[int]) -> tuple[float, float]:
    """Milliseconds for all calls, from an empty cache on, and the share of hits."""
    sweep: Callable[[int], int] = swept("call(x)", {"call": cached.call}, asked)
    gc.collect()
    gc.disable()
    before = computed[0]
    try:
        taken = sweep(1)
    finally:
        gc.enable()
    return taken / 1e6, 1 - (computed[0] - before) / len(asked)
