"""Calibrated samples, taken in turn.

Contenders are timed in the same rounds and in another order each round, so that what the machine
does meanwhile meets all of them. Ratios are taken within a round.
"""

import gc
from collections.abc import Mapping
from dataclasses import dataclass

from benches.draw import seeded
from benches.loop import Sample

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float  # of one sample
    quick: bool  # leave out what no target needs


FULL = Plan(rounds=15, seconds=0.025, quick=False)
QUICK = Plan(rounds=5, seconds=0.02, quick=True)


def calibrated(sample: Sample, seconds: float) -> int:
    """How many turns of its loop a sample takes to last that long. Warms up on the way."""
    wanted = seconds * NANOSECONDS
    turns = 1
    while True:
        taken = max(sample(turns), 1)
        if taken >= wanted:
            return turns
        # No more than tenfold: the first turns are slow, and say little.
        turns = min(turns * 10, max(turns + 1, int(turns * wanted / taken * 1.1)))


def interleaved(samples: Mapping[str, Sample], plan: Plan, calls: int = 1) -> dict[str, list[float]]:
    """Nanoseconds per call in each round, where one turn of a loop makes so many calls."""
    turns = {name: calibrated(sample, plan.seconds) for name, sample in samples.items()}
    taken: dict[str, list[float]] = {name: [] for name in samples}
    order = list(samples)
    chance = seeded(plan.rounds)
    for _ in range(plan.rounds):
        chance.shuffle(order)
        for name in order:
            taken[name].append(undisturbed(samples[name], turns[name]) / turns[name] / calls)
    return taken


def undisturbed(sample: Sample, turns: int) -> int:
    """Take a sample without garbage collections in it."""
    gc.collect()
    gc.disable()
    try:
        return sample(turns)
    finally:
        gc.enable()
