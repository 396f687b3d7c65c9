"""The stress of the entry, in a process of its own: as long as is asked for."""

import subprocess
import sys
from pathlib import Path


def test_mixed_calls_leave_all_references_as_they_were(is_full):
    program = Path(__file__).with_name("entry.py")
    calls = "10000000" if is_full else "20000"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(program), calls], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "all references as they were" in done.stdout
