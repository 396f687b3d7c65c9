"""Destructors that use what they are dropped from: a share of all combinations."""

import subprocess
import sys
from pathlib import Path


def test_a_destructor_may_use_the_function_its_value_is_dropped_from():
    program = Path(__file__).with_name("destructors.py")
    done = subprocess.run(
        [sys.executable, str(program), "11"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ("161 combinations, 0 failed\n", "", 0) == (done.stdout, done.stderr[-4_000:], done.returncode)
