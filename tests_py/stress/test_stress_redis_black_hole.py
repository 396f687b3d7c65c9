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
LIMIT = 300  # seconds after which it hangs


def await_turn(program):
    assert "ready\n" == program.stdout.readline(), program.communicate()


def go_on(program):
    program.stdin.write("\n")
    program.stdin.flush()


def test_calls_cost_a_deadline_and_then_next_to_nothing(is_full, record_property):
    """What is measured is printed; it is asserted only in the full form, where nothing else runs."""
    with Server(valkey()) as server, Proxy(server.socket_path) as proxy:
        rounds = length(2, 125)  # of eight calls each
        settings = {"url": proxy.url, "rounds": rounds, "deadline": DEADLINE, "outage": length(0, 60)}
        with subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            try:
                for _ in range(rounds):
                    await_turn(program)
                    proxy.set(replies=BLACK_HOLE)
                    go_on(program)
                    await_turn(program)
                    proxy.heal()
                    go_on(program)
                told, complaints = program.communicate(timeout=LIMIT)
            finally:
                program.kill()

    assert (0, "") == (program.returncode, complaints)
    seen = json.loads(told)
    record_property("seen", ", ".join(f"{name}: {value:.6g}" for name, value in seen.items()))
    assert seen["calls while closed"] == 8 * rounds
    assert seen["breaker_opens"] == rounds
    assert seen["rejections"] >= 2_000  # one of each call while it is open, at least
    if is_full:
        assert seen["p99 while closed"] <= DEADLINE + 0.02
        assert seen["opened after"] <= 3 * DEADLINE
        assert seen["p50 while open"] < 50e-6
        assert seen["back after"] < 2
        assert seen["lines of the first outage"] < 10
