"""The two sides as fixtures, and the count of compared cases."""

import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import compat_sides
from compat_case import Case


class Tally:
    """What the summary line reports."""

    def __init__(self) -> None:
        self.cases = 0
        self.differences = 0
        self.deviations = 0

    def count(self, expected: Sequence[Case], actual: Sequence[Case]) -> None:
        """Count the cases of both, and those that differ."""
        pairs = list(zip_longest(expected, actual))
        self.cases += len(pairs)
        self.differences += sum(one != other for one, other in pairs)


TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash.setdefault(TALLY, Tally())


@pytest.fixture(scope="session")
def original() -> Iterator[compat_sides.Side]:
    """Quickcache 0.5.4."""
    with compat_sides.Side("quickcache 0.5.4", compat_sides.oracle_directory()) as side:
        yield side


@pytest.fixture(scope="session")
def ours() -> Iterator[compat_sides.Side]:
    """The quickcache that this interpreter has."""
    with compat_sides.Side("this quickcache") as side:
        yield side


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    tally = config.stash.get(TALLY, None)
    if tally is not None:
        terminalreporter.write_line(
            f"differential: {tally.cases} cases, "
            f"{tally.differences} differences outside the listed deviations "
            f"({tally.deviations} listed)"
        )
