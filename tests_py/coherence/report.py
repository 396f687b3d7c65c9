"""What is shown of runs at their end: a table, and what each was made of."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from judge import RULES, Fault, Verdict, Violation

COLUMNS = (
    "topology",
    "mode",
    "minutes",
    "bound",
    "reads judged",
    "clears judged",
    "not acked",
    "at risk",
    "late p50",
    "p99",
    "worst",
    "violations (1, 2, 3)",
)


@dataclass
class Outcome:
    """One run, with what was done in it."""

    topology: str
    mode: str
    seconds: float
    bound: float
    verdict: Verdict
    faults: list[Fault]
    told: list[dict[str, Any]]

    @property
    def problems(self) -> list[str]:
        """What makes a run worthless, whatever its reads were."""
        found = [problem for one in self.told for problem in one["problems"]]
        reads = max(1, self.verdict.reads)
        hits = sum(one["memory"]["hits"] for one in self.told)
        if hits < reads // 10:
            found.append(f"of {reads:,} reads only {hits:,} were hits of a memory: nothing was tried")
        return found

    def row(self) -> list[str]:
        """As in COLUMNS. Lateness in milliseconds."""
        verdict = self.verdict
        return [
            self.topology,
            self.mode,
            f"{self.seconds / 60:.2f}",
            f"{self.bound:.1f} s",
            f"{verdict.reads:,}",
            f"{verdict.clears - verdict.at_risk:,}",
            f"{verdict.unacknowledged:,}",
            f"{verdict.at_risk:,}",
            *(f"{verdict.late(part):.3f} ms" for part in (0.5, 0.99, 1)),
            ", ".join(f"{verdict.violations[rule]:,}" for rule in RULES),
        ]


def show(outcomes: list[Outcome]) -> None:
    rows = [list(COLUMNS), *(one.row() for one in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))
    for one in outcomes:
        show_details(one)


def show_details(one: Outcome) -> None:
    verdict = one.verdict
    print(f"\n{one.topology}, {one.mode}")
    kinds = Counter(fault.kind for fault in one.faults)
    print("  faults:", ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none")
    print(f"  lateness: of {len(verdict.lateness):,} clears made in health, each in another process")
    print(f"  steps back of a thread, within the bound: {verdict.steps_back:,}")
    print(f"  reads not judged while servers may have lost clears: {verdict.unjudged:,}")
    for name in ("tiers", "memory", "redis"):
        keys = [key for key in one.told[0][name] if any(process[name].get(key) for process in one.told)]
        counts = {key: [process[name].get(key) for process in one.told] for key in keys}
        print(f"  {name}, by process: {counts}")
    for rule in RULES:
        if verdict.violations[rule]:
            print(
                f"  RULE {rule} was broken by {verdict.violations[rule]:,} runs of reads, the first of them:"
            )
        for found in verdict.examples[rule]:
            print(f"    {in_words(found)}")
    for problem in one.problems:
        print(f"  PROBLEM: {problem}")


def in_words(found: Violation) -> str:
    run, clear = found.run, found.clear
    return (
        f"process {found.process}, thread {found.thread}: key {run.key}, version {run.version}, "
        f"in {run.reads} reads that began from {run.first} to {run.last} (ended {run.end}); "
        f"process {found.clearer} had cleared it with version {clear.version} "
        f"from {clear.begin} to {clear.end}{'' if clear.acknowledged else ', which no server took'}: "
        f"{found.late:.6f} s late; {found.near}"
    )
