"""How long the tests here are. QUICKCACHE_STRESS: "full" (`make stress`), "short", or nothing.

With nothing, real servers are left out: they take packages of their own, tools/requirements/stress.txt.
"""

import os
import sys
from pathlib import Path

import pytest

# The tests share modules, servers load some, and redis_servers is with the tests of redis/.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.with_name("redis"))]

LENGTH = os.environ.get("QUICKCACHE_STRESS", "")
if LENGTH not in {"", "short", "full"}:
    raise pytest.UsageError(f"QUICKCACHE_STRESS is {LENGTH!r}, and not full, short or nothing")

# None of the servers runs on Windows.
WITH_SERVERS = LENGTH and sys.platform != "win32"
OF_SERVERS = [
    "test_stress_servers.py",
    "test_stress_site.py",
    "test_stress_redis_*",
    "test_stress_coherence*",
]
collect_ignore_glob = [] if WITH_SERVERS else OF_SERVERS


@pytest.fixture(scope="session")
def is_full():
    """Whether a test is to take its time."""
    return LENGTH == "full"


def pytest_terminal_summary(terminalreporter):
    """What a test counted, which it recorded as `seen`."""
    for report in terminalreporter.getreports("passed"):
        for seen in (value for name, value in report.user_properties if name == "seen"):
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {seen}")
