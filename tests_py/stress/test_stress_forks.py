"""Forks of a parent with eight busy threads: children hang on nothing of theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .lengths import length

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


@pytest.mark.parametrize("way", ["hooked", "raw"])
def test_children_of_a_busy_parent_neither_hang_nor_keep_what_they_replaced(way):
    """Hooked: os.fork, with Python's hooks. Raw: fork of the C library, as others' C code calls it."""
    forks = length(20, 200)
    program = Path(__file__).with_name("forking.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), way, str(forks)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + forks * 6,
    )

    assert (0, "") == (done.returncode, done.stderr[-4_000:])
    assert f"{forks} forks: {{'well': {forks}}}\n" == done.stdout
