"""Coherent tiers under faults, for some seconds; `make coherence MINUTES=10` is the long one."""

import subprocess
import sys
from pathlib import Path

from .lengths import length

PROGRAM = Path(__file__).parents[1] / "coherence" / "check.py"
# A short beat, by which the bound is half a second: more faults in the same time.
SHORT = ("--beat", "0.25", "--health", "3", "--topology", "standalone")


def check(seconds, *options):
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(PROGRAM), str(seconds / 60), *SHORT, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 180,
    )


def judged(done, record_property):
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    table = done.stdout.partition("\n\n")[2].partition("\n\n")[0]
    record_property("seen", table)
    assert done.stdout.endswith("0 violations: well\n")


def test_by_tracking_no_read_is_older_than_is_promised(record_property):
    judged(check(length(12, 90), "--mode", "tracking"), record_property)


def test_by_pubsub_no_read_is_older_than_is_promised(record_property):
    judged(check(length(6, 90), "--mode", "pubsub"), record_property)


def test_without_coherence_the_same_traffic_finds_older_reads():
    """What shows that the tests above can fail."""
    done = check(3, "--mode", "off", "--faults", "--expect-violations")

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "RULE 2 others was broken" in done.stdout
