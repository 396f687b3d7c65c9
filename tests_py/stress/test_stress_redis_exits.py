"""Processes end well while their threads ask servers that answer, or do not, or are not there."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis_servers.binaries import valkey
from redis_servers.faults import BLACK_HOLE
from redis_servers.ports import HOST, Port
from redis_servers.proxy import Proxy
from redis_servers.server import Server
from redis_servers.waiting import until

from .lengths import length

PROGRAM = Path(__file__).with_name("redis_exiting.py")
PARTS = 2  # to be run at the same time


@pytest.fixture
def server():
    with Server(valkey()) as one:
        yield one


@pytest.fixture
def hole(server):
    with Proxy(server.socket_path) as proxy:
        proxy.set(replies=BLACK_HOLE)
        yield proxy


@pytest.fixture
def urls(server, hole):
    port = Port()
    yield {"live": server.url, "hole": hole.url, "gone": f"redis://{HOST}:{port.number}/0"}
    port.release()


@pytest.mark.parametrize("part", range(PARTS))
def test_exits_under_load_have_their_code_and_say_nothing(part, urls):
    wrong = []
    seeds = range(part, length(20, 500), PARTS)
    for seed in seeds:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(seed), json.dumps(urls)],
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )
        if (done.stdout.split(",")[0], "") != (str(done.returncode), done.stderr):
            wrong.append((seed, done.returncode, done.stdout, done.stderr[-2_000:]))

    assert not wrong, f"{len(wrong)} of {len(seeds)}, first: {wrong[0]}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_a_call_that_is_not_answered(number, hole, record_property):
    """SIGTERM, as the system has it, at once; Ctrl-C as soon as the call's deadline has passed."""
    call = (
        "import logging, signal, sys; from quickcache import RedisCache\n"
        # A shell in the background has it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "logging.getLogger('quickcache').addHandler(logging.NullHandler())\n"
        "cache = RedisCache(sys.argv[1], deadline=float(sys.argv[2]))\n"
        "try: cache.get('k')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    deadline = 1 if number == signal.SIGINT else 3_600
    with subprocess.Popen(
        [sys.executable, "-c", call, hole.url, str(deadline)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            until("the call has been made", lambda: hole.counts().requests)
            begun = time.monotonic()
            program.send_signal(number)
            told, complaints = program.communicate(timeout=30)
        finally:
            program.kill()

    record_property("seen", f"{time.monotonic() - begun:.3f} s")
    expected = (0, "interrupted\n") if number == signal.SIGINT else (-number, "")
    assert (*expected, "") == (program.returncode, told, complaints)
