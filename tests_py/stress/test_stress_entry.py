"""The stress of the entry, a short while; `python tests_py/stress/entry.py 10000000` is the long one."""

import subprocess
import sys
from pathlib import Path


def test_mixed_calls_leave_all_references_as_they_were():
    program = Path(__file__).with_name("entry.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), "20000"], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "all references as they were" in done.stdout
