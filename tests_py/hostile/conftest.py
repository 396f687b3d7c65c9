"""Programs of their own, for what could hang or crash the process that runs the tests."""

import subprocess
import sys
import textwrap

import pytest

LIMIT = 20  # seconds after which something hangs

# The program ends by itself with every thread's traceback on stderr if it hangs.
PRELUDE = f"""
import faulthandler; faulthandler.enable(); faulthandler.dump_traceback_later({LIMIT}, exit=True)
import gc, os, sys, warnings
gc.set_threshold(int(os.environ.get("QUICKCACHE_GC_THRESHOLD", 700)))
warnings.simplefilter("ignore")  # of functions of one name and text
from quickcache import CacheWithPresets, ManualClock, MemoryCache, TieredCache, get_quickcache, stats
"""


@pytest.fixture
def run_apart(tmp_path):
    """Run a program in a fresh interpreter: what it prints, once it has ended well within `LIMIT`."""

    def run(program: str, *arguments: str) -> str:
        file = tmp_path / "program.py"  # a file, since decorated functions are known by their source
        file.write_text(PRELUDE + textwrap.dedent(program))
        done = subprocess.run(
            [sys.executable, str(file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * LIMIT,
        )
        assert (0, "") == (done.returncode, done.stderr[-4_000:])
        return done.stdout

    return run
