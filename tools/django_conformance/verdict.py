"""What a run of Django's tests shows: which failed, which were expected to, and whether the list is true."""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def ordered(version: str) -> tuple[int, ...]:
    """A version, to be compared."""
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True)
class Exclusion:
    """A test that cannot apply."""

    test: str
    reason: str
    what: str
    fails: str  # words that are in its error
    since: str = "0"  # the version of Django that has it first

    @property
    def test_class(self) -> str:
        return self.test.rpartition(".")[0]


@dataclass(frozen=True)
class Selection:
    """Which of Django's tests are run, with which backend, and which of them cannot apply."""

    labels: list[str]
    others: list[str]
    subjects: dict[str, list[str]]
    reasons: dict[str, str]
    skips: dict[str, str]
    excluded: list[Exclusion]

    def left_out(self, backend: str) -> list[str]:
        """The classes that have another backend for their subject."""
        foreign = [name for name, backends in self.subjects.items() if backend not in backends]
        return sorted(self.others + foreign)

    def excluded_from(self, backend: str, django: str) -> dict[str, Exclusion]:
        """The tests that are run with this backend and cannot apply."""
        left_out = self.left_out(backend)
        return {
            one.test: one
            for one in self.excluded
            if one.test_class not in left_out and ordered(one.since) <= ordered(django)
        }


def selection(file: Path) -> Selection:
    """Read the list."""
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    excluded = [Exclusion(**one) for one in told.pop("excluded")]
    unfounded = [one.test for one in excluded if one.reason not in told["reasons"]]
    if unfounded:
        raise ValueError(f"{file.name} gives none of its reasons for {', '.join(unfounded)}")
    return Selection(**told, excluded=excluded)


@dataclass(frozen=True)
class Verdict:
    """What a run shows."""

    run: int  # tests, with those that cannot apply
    failures: list[tuple[str, str]]  # of tests that apply, or not as listed; by subtest, with the error
    excluded: list[str]  # tests that failed as the list says
    skipped: dict[str, int]  # by what Django says
    untrue: list[str]  # what should be so and is not

    @property
    def passed(self) -> bool:
        return not self.failures and not self.untrue


def judge(record: dict[str, Any], chosen: Selection, backend: str, django: str, *, whole: bool) -> Verdict:
    """Compare what was recorded with what is listed. Of a run that is not `whole`, tests may be missing."""
    there, failed = set(record["tests"]), {test for test, _ in record["failures"]}
    listed = chosen.excluded_from(backend, django)
    failures = [
        (test, text)
        for test, text in record["failures"]
        if test not in listed or listed[test].fails not in text
    ]
    expected = failed & listed.keys() - {test for test, _ in failures}
    skipped = Counter(reason for _, reason in record["skipped"])
    untrue = [f"{test} does not fail" for test in listed if test in there - failed]
    untrue += [f'{times} skipped: "{said}"' for said, times in skipped.items() if said not in chosen.skips]
    if whole:
        untrue += [f"{test} is not there" for test in listed if test not in there]
        gone = set(chosen.left_out(backend)) - set(record["left out"])
        untrue += [f"{name} is not there" for name in sorted(gone)]
    if record["run"] != len(record["tests"]):
        untrue.append(f"of {len(record['tests'])} tests {record['run']} were run")
    if record["locmem"]:
        untrue.append("LocMemCache itself was used")
    return Verdict(
        run=record["run"],
        failures=failures,
        excluded=sorted(expected),
        skipped=dict(skipped),
        untrue=untrue,
    )
