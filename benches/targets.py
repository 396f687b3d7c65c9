"""The speed to reach: each row's limits, and whether what was measured keeps them.

A row's figure is a ratio within each round, of which the median counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benches.figures import geometric_mean, ratios, spread
from benches.result import Race, Races

# Names of contenders.
OURS = "quickcache"
OURS_SHARED = "quickcache, isolate=False"
OURS_LRU = "quickcache, policy='lru'"
LRU = "lru_cache"
DICT = "lru_cache(None)"

# A row's ratios, one per round. KeyError if something of it was not measured.
Measure = Callable[[Races], list[float]]


def over(race: str, ours: str, peer: str) -> Measure:
    """Our time as a part of the peer's."""

    def measure(races: Races) -> list[float]:
        return ratios(races[race].samples[ours], races[race].samples[peer])

    return measure


def times_faster(race: str, ours: str, peer: str) -> Measure:
    """The peer's time as a multiple of ours."""
    return over(race, peer, ours)


def scaling(threads: int) -> Measure:
    """What several threads do to the time of a call, as a part of what they do to lru_cache's."""

    def growth(races: Races, name: str) -> list[float]:
        return ratios(races[f"threads/{threads}"].samples[name], races["threads/1"].samples[name])

    return lambda races: ratios(growth(races, OURS), growth(races, LRU))


def memory(races: Races) -> list[float]:
    """Our memory per entry as a part of lru_cache's, averaged over the numbers of entries."""
    by_size = [
        ratios(race.samples[OURS], race.samples[LRU])
        for name, race in races.items()
        if name.startswith("memory/")
    ]
    if not by_size:
        raise KeyError("memory")
    return [geometric_mean(of_round) for of_round in zip(*by_size, strict=True)]


@dataclass(frozen=True)
class Target:
    """A row: what is measured, the limit that we commit ourselves to, and the one we hope for."""

    what: str
    measure: Measure
    commit: float
    stretch: float | None = None
    at_least: bool = False  # times faster; otherwise the ratio is to be at most the limit

    def keeps(self, ratio: float, limit: float | None) -> bool:
        if limit is None:
            return False
        return ratio >= limit if self.at_least else ratio <= limit


TARGETS = [
    Target("hot hit, an int, of lru_cache", over("hot/int", OURS, LRU), 0.95, 0.75),
    Target("hot hit, a str of 16, of lru_cache", over("hot/str16", OURS, LRU), 0.95, 0.75),
    Target("hot hit, a str of 36, of lru_cache", over("hot/str36", OURS, LRU), 1.15, 0.75),
    Target("hot hit by keyword, of lru_cache", over("hot/keyword", OURS, LRU), 0.42, 0.35),
    Target("method on `self.id`, of lru_cache as a method", over("hot/method", OURS, LRU), 0.9, 0.75),
    Target("two arguments, of lru_cache", over("hot/two", OURS, LRU), 0.85, 0.6),
    Target("five arguments, of lru_cache", over("hot/five", OURS, LRU), 0.85, 0.6),
    Target("a tuple argument, of lru_cache", over("hot/tuple", OURS, LRU), 0.85, 0.6),
    Target("10,000 keys, random order, of lru_cache(None)", over("sets/10k", OURS, DICT), 1.25, 1.0),
    Target("100,000 keys, random order, of lru_cache(None)", over("sets/100k", OURS, DICT), 1.25, 1.0),
    Target(
        "hot hit, times faster than cachebox",
        times_faster("hot/int", OURS, "cachebox"),
        11,
        15,
        at_least=True,
    ),
    Target(
        "hot hit, times faster than moka-py", times_faster("hot/int", OURS, "moka-py"), 11, 15, at_least=True
    ),
    Target(
        "hot hit, times faster than cachetools",
        times_faster("hot/int", OURS, "cachetools"),
        22,
        30,
        at_least=True,
    ),
    Target(
        "hot hit, times faster than quickcache 0.5.4",
        times_faster("hot/int", OURS, "quickcache 0.5.4"),
        220,
        300,
        at_least=True,
    ),
    Target(
        "a dict of four, isolated, of Django's LocMemCache.get alone",
        over("values/dict apart", OURS, "Django LocMemCache.get"),
        0.045,
        0.035,
    ),
    Target("p99.9 of a hit, 10,000 keys, of lru_cache's", over("latency/p99.9", OURS, LRU), 1.2, 1.0),
    Target("two threads over one, of the same of lru_cache", scaling(2), 1.1, 1.0),
    Target("Zipf, total time, of cachebox's", over("zipf", OURS, "cachebox"), 1.0, 0.85),
    Target("Zipf, total time, of lru_cache's", over("zipf", OURS, LRU), 1.15, 1.05),
    Target("Zipf, policy='lru', of cachebox's", over("zipf", OURS_LRU, "cachebox"), 1.2, 1.05),
    Target("Zipf, policy='lru', of lru_cache's", over("zipf", OURS_LRU, LRU), 1.5, 1.35),
    Target("memory per small int, of lru_cache's", memory, 4.2, 3.5),
]


@dataclass(frozen=True)
class Verdict:
    """What a row came to; the figures are missing if something of it was not measured."""

    what: str
    commit: float
    stretch: float | None
    at_least: bool
    ratio: float | None
    low: float | None
    high: float | None
    met: str  # stretch, commit, missed or not measured

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def verdicts(races: dict[str, Race], targets: list[Target]) -> Iterator[Verdict]:
    """Each row's median ratio with its quartiles, and which limit it keeps."""
    for row in targets:
        limits = (row.what, row.commit, row.stretch, row.at_least)
        try:
            found = spread(row.measure(races))
        except KeyError:
            yield Verdict(*limits, None, None, None, "not measured")
            continue
        met = "missed"
        if row.keeps(found.middle, row.commit):
            met = "stretch" if row.keeps(found.middle, row.stretch) else "commit"
        yield Verdict(*limits, found.middle, found.low, found.high, met)
