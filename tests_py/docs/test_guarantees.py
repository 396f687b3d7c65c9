"""docs/guarantees.md: each guarantee names a test that is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
GUARANTEES = [row for row in ROWS if row[0] not in {"guarantee", "---"}]


def named_in(text):
    """The tests of a cell, each with the file that it is said to be in."""
    for part in text.split("; "):
        file, *names = re.findall(r"`([^`]+)`", part)
        if file.endswith(".py"):
            yield from ((file, name) for name in names)


def test_each_guarantee_names_tests_that_are_there():
    assert len(GUARANTEES) >= 20
    for guarantee, shown_by in GUARANTEES:
        named = list(named_in(shown_by))
        assert named, guarantee
        for file, name in named:
            text = (ROOT / "tests_py" / file).read_text(encoding="utf-8")
            assert re.search(rf"def {name}\(", text), f"{file}: {name}"
