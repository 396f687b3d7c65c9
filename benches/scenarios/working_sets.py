"""Hits of many keys in random order: what a cache's memory costs when it is not in the processor's."""

from collections.abc import Iterator
from dataclasses import dataclass

from benches.contender import Cached, Contender, tagged
from benches.draw import seeded, zipf
from benches.loop import Sample, swept
from benches.preparing import DEFAULT_CAPACITY, prepared
from benches.result import Race
from benches.subjects import computed, of_one_argument
from benches.timing import Plan, interleaved

# A shorter list of few keys would cost more for the loop around it.
LEAST_CALLS = 10_000


@dataclass(frozen=True)
class WorkingSet:
    name: str
    title: str
    size: int
    capacity: int
    order: str = "uniform"
    equal: bool = False  # ask with other objects than were asked with before
    needed: bool = False  # for a target


SETS = [
    WorkingSet("sets/1", "1 key", 1, DEFAULT_CAPACITY),
    WorkingSet("sets/1k", "1,000 keys", 1_000, DEFAULT_CAPACITY),
    WorkingSet("sets/10k", "10,000 keys", 10_000, DEFAULT_CAPACITY, needed=True),
    WorkingSet("sets/10k equal", "10,000 keys, equal and not the same", 10_000, DEFAULT_CAPACITY, equal=True),
    WorkingSet("sets/100k", "100,000 keys", 100_000, 200_000, needed=True),
    WorkingSet("sets/1k zipf", "1,000 keys, Zipf", 1_000, DEFAULT_CAPACITY, "zipf"),
    WorkingSet("sets/10k zipf", "10,000 keys, Zipf", 10_000, DEFAULT_CAPACITY, "zipf"),
    WorkingSet("sets/100k zipf", "100,000 keys, Zipf", 100_000, 200_000, "zipf"),
]

# Sweeps of so many keys would take it most of the time of all.
TOO_SLOW_FROM, TOO_SLOW = 10_000, "quickcache 0.5.4"
FIRST_KEY = 1_000_000


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    needed = tagged(contenders, "ours", "unbounded") if plan.quick else tagged(contenders, "hot")
    for chosen in SETS:
        if chosen.needed or not plan.quick:
            yield race(plan, chosen, needed)


def race(plan: Plan, chosen: WorkingSet, contenders: list[Contender]) -> Race:
    """Contenders that hold the keys, asked for them in the same order."""
    keys = list(range(FIRST_KEY, FIRST_KEY + chosen.size))
    asked = sequence(chosen, keys)
    load = of_one_argument(chosen.name, chosen.title, keys[0])
    found = prepared(load, contenders, chosen.capacity)
    samples: dict[str, Sample] = {}
    notes: dict[str, str] = {}
    for name, cached in found.cached.items():
        if cached.complete or (chosen.size >= TOO_SLOW_FROM and name.startswith(TOO_SLOW)):
            found.left_out[name] = "too slow"
            continue
        held = hits(cached, keys)
        if held < len(keys):
            notes[name] = f"{held / len(keys):.2%} hits"
        samples[name] = swept("call(x)", {"call": cached.call}, asked)
    samples["the loop alone"] = swept("pass", {}, asked)
    taken = interleaved(samples, plan, len(asked))
    return Race(chosen.name, chosen.title, "ns", taken, found.left_out, notes)


def sequence(chosen: WorkingSet, keys: list[int]) -> list[int]:
    """The keys of the calls of one sweep."""
    chance = seeded(chosen.size)
    if chosen.order == "zipf":
        asked = zipf(keys, max(2 * len(keys), LEAST_CALLS), chance)
    else:
        asked = keys * -(-LEAST_CALLS // len(keys))
        chance.shuffle(asked)
    return [int(str(key)) for key in asked] if chosen.equal else asked


def hits(cached: Cached, keys: list[int]) -> int:
    """Fill the cache, and see how many keys it holds then."""
    for _ in range(2):
        for key in keys:
            cached.call(key)
    before = computed[0]
    for key in keys:
        cached.call(key)
    return len(keys) - (computed[0] - before)
