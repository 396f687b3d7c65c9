"""The soak, for some seconds; `make soak MINUTES=10` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

from .lengths import length

PROGRAM = Path(__file__).with_name("soak.py")


def soak(program, seconds):
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(program), str(seconds / 60)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )


def test_a_soak_ends_well():
    done = soak(PROGRAM, length(1, 30))
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert "wrong values: 0\nwell\n" in done.stdout


@pytest.mark.parametrize(
    ("place", "wrong", "told"),
    [
        ("self.values.get(key, default)", "next(iter(self.values.values()), default)", " for "),
        ("self.function.clear(key)", "pass", ", which is between "),
    ],
    ids=["a tier with others' values", "clears that do nothing"],
)
def test_a_soak_sees_what_is_wrong(tmp_path, place, wrong, told):
    text = PROGRAM.read_text()
    assert place in text
    broken = tmp_path / "soak.py"
    broken.write_text(text.replace(place, wrong))

    done = soak(broken, 1)

    assert (1, "") == (done.returncode, done.stderr)
    assert told in done.stdout
    assert done.stdout.endswith("NOT WELL\n")
