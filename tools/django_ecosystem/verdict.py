"""What passes with Django's backends and not with ours."""

from typing import Any

from .backends import BACKENDS
from .outcomes import Outcomes


def worse(ours: Outcomes, theirs: Outcomes) -> set[str]:
    """The tests that pass with Django's backend and not with ours: failed, skipped, or not there."""
    return {
        test
        for test, outcome in theirs.by_test.items()
        if outcome == "passed" and ours.by_test.get(test) != "passed"
    }


def judge(package: dict[str, Any], results: dict[str, Outcomes]) -> list[str]:
    """A line for each difference that packages.toml does not name, or names although there is none."""
    named = {difference["test"] for difference in package.get("differs", [])}
    seen: set[str] = set()
    lines = []
    for backend in BACKENDS:
        if backend.rival is None:
            continue
        ours = results[backend.name]
        found = worse(ours, results[backend.rival])
        seen |= found
        for test in sorted(found - named):
            why = ours.messages.get(test, ours.by_test.get(test, "was not run"))
            first, *_ = why.split("\n")
            lines.append(f"{backend.name}, {test}: {first}")
    lines += [f"packages.toml names a difference that is none: {test}" for test in sorted(named - seen)]
    return lines


def cell(package: dict[str, Any], outcomes: Outcomes) -> str:
    """How many failed of how many; a star if packages.toml names one of them."""
    named = {difference["test"] for difference in package.get("differs", [])}
    star = "*" if any(outcomes.by_test.get(test) == "failed" for test in named) else ""
    return f"{outcomes.count('failed')}{star} of {outcomes.ran}"
