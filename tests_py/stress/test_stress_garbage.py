"""Garbage that leads in circles through functions and caches: a hundred of each kind."""

import subprocess
import sys
from pathlib import Path


def test_functions_and_caches_that_are_garbage_die_with_their_values():
    program = Path(__file__).with_name("garbage.py")
    done = subprocess.run(
        [sys.executable, str(program), "100"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ("12 kinds of 100 cycles, 0 failed\n", "", 0) == (
        done.stdout,
        done.stderr[-4_000:],
        done.returncode,
    )
