"""Programs of their own, for what could hang or crash the process that runs the tests."""

import pytest

PRELUDE = """
import gc, os, sys, warnings
gc.set_threshold(int(os.environ.get("QUICKCACHE_GC_THRESHOLD", 700)))
warnings.simplefilter("ignore")  # of functions of one name and text
from quickcache import CacheWithPresets, ManualClock, MemoryCache, TieredCache, get_quickcache, stats
"""


@pytest.fixture
def run_apart(run_program):
    """Run a program after the prelude, with some arguments: what it prints."""

    def run(program: str, *arguments: str) -> str:
        return run_program(PRELUDE, program, arguments=arguments)

    return run
