"""How the tests of a run ended."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass
class Outcomes:
    """How each test ended: passed, failed or skipped."""

    by_test: dict[str, str]
    messages: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        return Counter(self.by_test.values())[outcome]

    @property
    def ran(self) -> int:
        return self.count("passed") + self.count("failed")


def read(report: Path) -> Outcomes:
    """What pytest has written of a run. Of several entries of one test, as subtests have them, the worst."""
    outcomes = Outcomes({})
    order = ("skipped", "passed", "failed")
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  pytest has just written it
        test = f"{case.get('classname')}::{case.get('name')}"
        failure = next(
            (found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None
        )
        outcome = "failed" if failure is not None else "passed"
        if failure is None and case.find("skipped") is not None:
            outcome = "skipped"
        if failure is not None:
            outcomes.messages[test] = failure.get("message") or ""
        outcomes.by_test[test] = max(outcome, outcomes.by_test.get(test, outcome), key=order.index)
    return outcomes
