"""Statistics: medians, spreads, percentiles, ratios."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """A median, and the quartiles around it."""

    low: float
    middle: float
    high: float


def spread(samples: Sequence[float]) -> Spread:
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0])
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return Spread(low, median(samples), high)


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio within each round, in which both were measured shortly after each other."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of ordered samples that so many percent of them do not exceed."""
    place = math.ceil(len(ordered) * percent / 100)
    return ordered[max(place, 1) - 1]


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))
