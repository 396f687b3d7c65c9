"""Threads share one RedisCache, with a collector and a profiler in their way, and all get on."""

import subprocess
import sys
from pathlib import Path

from redis_servers.binaries import valkey
from redis_servers.server import Server

from .lengths import length

PROGRAM = Path(__file__).with_name("redis_threads.py")


def test_all_threads_make_progress_and_see_their_values(record_property):
    seconds = length(3, 60)
    with Server(valkey()) as server:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(seconds), server.url],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 120,
        )

    assert (0, "") == (done.returncode, done.stderr[-4_000:])
    record_property("seen", done.stdout.strip())
