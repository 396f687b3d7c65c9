"""Processes end well while their threads are in calls, misses, waits and evictions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .lengths import length

PROGRAM = Path(__file__).with_name("exiting.py")
PARTS = 4  # to be run at the same time


@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
@pytest.mark.parametrize("part", range(PARTS))
def test_exits_under_load_have_their_code_and_say_nothing(part):
    wrong = []
    seeds = range(part, length(20, 500), PARTS)
    for seed in seeds:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(seed)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if (done.stdout.split(",")[0], "") != (str(done.returncode), done.stderr):
            wrong.append((seed, done.returncode, done.stdout, done.stderr[-2_000:]))

    assert not wrong, f"{len(wrong)} of {len(seeds)}, first: {wrong[0]}"
