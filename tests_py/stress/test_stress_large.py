"""Large texts and bytes as arguments and values: of a million characters each."""

import subprocess
import sys
from pathlib import Path


def test_large_texts_and_bytes_are_keys_and_values_like_others():
    program = Path(__file__).with_name("large.py")
    done = subprocess.run(
        [sys.executable, str(program), "1000000"], capture_output=True, text=True, check=False, timeout=60
    )

    assert ("right\n", "", 0) == (done.stdout, done.stderr[-4_000:], done.returncode)
