"""Hits that have become hot, and programs of their own for what could crash or hang the tests."""

from pathlib import Path

import pytest

IMPORTS = """
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
def run_apart(run_program):
    """Run the parts of a program after the imports: what it prints."""

    def run(*parts: str) -> str:
        return run_program(IMPORTS, *parts)

    return run


@pytest.fixture(scope="session")
def hot():
    """Call a decorated function until the front answers; what it then answers."""

    def heat(cached, *args, **kwargs):
        found = [cached(*args, **kwargs) for _ in range(CALLS)]
        return found[-1]

    return heat
