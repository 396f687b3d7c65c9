"""Hits that have become hot, and programs of their own for what could crash or hang the tests."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# The program ends by itself with every thread's traceback on stderr if it hangs.
PRELUDE = """
import faulthandler; faulthandler.enable(); faulthandler.dump_traceback_later({limit}, exit=True)
from quickcache import CacheWithPresets, ManualClock, MemoryCache
from quickcache import QuickCacheHelper, TieredCache, get_quickcache
"""


def pytest_collection_modifyitems(items):
    """Functions of one text are all over these tests, each with a memory of its own."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning"))


# A miss, a hit in the tier that puts a copy into the front, and hits in the front.
CALLS = 5


@pytest.fixture
def run_apart(tmp_path):
    """Run a program in a fresh interpreter: what it prints, once it has ended well within `limit` seconds."""

    def run(*parts: str, limit: float = 10) -> str:
        file = tmp_path / "program.py"  # a file, since decorated functions are known by their source
        file.write_text(PRELUDE.format(limit=limit) + "".join(map(textwrap.dedent, parts)))
        done = subprocess.run(
            [sys.executable, str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * limit + 5,
        )
        assert (0, "") == (done.returncode, done.stderr[-4_000:])
        return done.stdout

    return run


@pytest.fixture(scope="session")
def hot():
    """Call a decorated function until the front answers; what it then answers."""

    def heat(cached, *args, **kwargs):
        found = [cached(*args, **kwargs) for _ in range(CALLS)]
        return found[-1]

    return heat
