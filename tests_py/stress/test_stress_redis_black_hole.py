"""A server that accepts and never answers costs its callers little, and not for long."""

import json
import subprocess
import sys
from pathlib import Path

from redis_servers.binaries import valkey
from redis_servers.faults import BLACK_HOLE
from redis_servers.proxy import Proxy
from redis_servers.server import Server

from .lengths import length

PROGRAM = Path(__file__).with_name("redis_black_hole.py")
DEADLINE = 0.25
LIMIT = 120


def await_turn(program):
    assert "ready\n" == program.stdout.readline(), program.communicate()


def go_on(program):
    program.stdin.write("\n")
    program.stdin.flush()


def test_calls_cost_a_deadline_and_then_next_to_nothing(is_full, record_property):
    """What is measured is printed; it is asserted only in the full form, where nothing else runs."""
    with Server(valkey()) as server, Proxy(server.socket_path) as proxy:
        settings = {"url": proxy.url, "calls": length(100, 1_000), "deadline": DEADLINE}
        with subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            try:
                await_turn(program)
                proxy.set(replies=BLACK_HOLE)
                go_on(program)
                await_turn(program)
                proxy.heal()
                told, complaints = program.communicate("\n", timeout=LIMIT)
            finally:
                program.kill()

    assert (0, "") == (program.returncode, complaints)
    seen = json.loads(told)
    stats = seen.pop("stats")
    record_property("seen", ", ".join(f"{name}: {value:.6g}" for name, value in seen.items()))
    assert stats["timeouts"] > 0
    assert stats["breaker_opens"] == 1
    assert stats["rejections"] > 0
    if is_full:
        assert seen["p99 while closed"] <= DEADLINE + 0.02
        assert seen["opened after"] <= 3 * DEADLINE
        assert seen["p50 while open"] < 50e-6
        assert seen["back after"] < 2
        assert seen["lines"] < 10
