"""Contenders made ready for a load, and their answers checked, before anything is timed."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benches.contender import Cached, Contender
from benches.loop import Sample, once, timed
from benches.subjects import ONE, Load, computed

DEFAULT_CAPACITY = 10_000
LIFE = 0.5  # seconds


class WrongAnswerError(Exception):
    """A contender does not do what it is to be timed for."""


@dataclass
class Field:
    """The contenders that can take a load, and why the others cannot."""

    cached: dict[str, Cached] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def prepared(load: Load, contenders: Iterable[Contender], capacity: int = DEFAULT_CAPACITY) -> Field:
    """Decorate, fill and check. What a contender refuses leaves it out; a wrong answer ends the run."""
    found = Field()
    for contender in contenders:
        try:
            cached = contender.decorate(load.subject, capacity, None)
            check(contender.name, load, cached)
        except (TypeError, ValueError) as error:
            found.left_out[contender.name] = f"{type(error).__name__}: {error}"
        else:
            found.cached[contender.name] = cached
    return found


def value(load: Load, names: Mapping[str, Any], complete: Callable[[Any], Any] | None = None) -> Any:
    """What the call of a load returns."""
    found = once(load.statement, names)
    return complete(found) if complete else found


def check(name: str, load: Load, cached: Cached) -> None:
    """WrongAnswerError unless calls have the plain function's answer, and the second computes nothing."""
    expected = value(load, load.names_for(load.subject.function))
    names = load.names_for(cached.call)
    first = value(load, load.names_for(cached.fill) if cached.fill else names, cached.complete)
    before = computed[0]
    second = value(load, names, cached.complete)
    if first != expected or second != expected:
        raise WrongAnswerError(f"{name}, {load.name}: {first!r}, then {second!r}, not {expected!r}")
    if computed[0] != before:
        raise WrongAnswerError(f"{name}, {load.name}: the second call was no hit")


def check_apart(name: str, load: Load, cached: Cached) -> None:
    """WrongAnswerError if what a caller does to a value is seen by the next one."""
    names = load.names_for(cached.call)
    value(load, names, cached.complete).clear()
    if not value(load, names, cached.complete):
        raise WrongAnswerError(f"{name}, {load.name}: callers share a value")


def check_lives(contenders: Iterable[Contender]) -> None:
    """WrongAnswerError if a value with a life is not held during it, or is held after it."""
    living = {one.name: one.decorate(ONE, DEFAULT_CAPACITY, LIFE) for one in contenders if one.expires}
    told = {name: [computations(cached), computations(cached)] for name, cached in living.items()}
    time.sleep(LIFE * 1.5)
    for name, cached in living.items():
        told[name].append(computations(cached))
    for name, counts in told.items():
        if counts != [1, 0, 1]:
            raise WrongAnswerError(f"{name}: computations {counts} for new, held and expired")


def computations(cached: Cached) -> int:
    """How often the function ran for one call."""
    before = computed[0]
    found = (cached.fill or cached.call)("key")
    if cached.complete:
        cached.complete(found)
    return computed[0] - before


def samples_of(load: Load, found: Field) -> dict[str, Sample]:
    """A timed loop for each contender, with a hit in each turn."""
    samples: dict[str, Sample] = {}
    for name, cached in found.cached.items():
        samples[name] = timed(load.statement, load.names_for(cached.call), cached.complete)
    return samples
