"""Workers of real servers, threads and greenlets, see each other's clears in memory, and none hangs."""

import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import servers
from coherent_members import BEAT, BOUND, listening
from redis_servers.binaries import valkey
from redis_servers.server import Server
from redis_servers.waiting import until

from .lengths import length

WORKERS = 2
CLIENTS = 4
GUNICORN = {
    "gthread": ["--worker-class", "gthread", "--threads", "4"],
    "gthread, loaded before the fork": ["--worker-class", "gthread", "--threads", "4", "--preload"],
    "gevent": ["--worker-class", "gevent"],
}


@pytest.fixture(params=["tracking", "pubsub"])
def mode(request):
    return request.param


@pytest.fixture
def redis():
    with Server(valkey()) as one:
        yield one


@pytest.fixture
def start(tmp_path, redis, mode):
    """Start a server of the application; in the end nothing of it is left."""
    started = []
    source = tmp_path / "source"
    source.mkdir()
    tiers = json.dumps({"coherence": mode, "beat": BEAT})
    env = {"SERVED_URL": redis.url, "SERVED_SOURCE": str(source), "SERVED_TIERS": tiers}

    def start(*command):
        log = tmp_path / f"log{len(started)}"
        server = servers.Server(log, [sys.executable, "-W", "ignore", *command], env)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()


def check(ports, record_property):
    """Clear in one worker and read in both, in several threads, each with a name of its own."""
    asks = [servers.over_http(port) for port in ports]
    last = {}  # what each process answered last
    longest = []

    def ask(what, number):
        told = asks[number % len(asks)](what)
        last[told["pid"]] = told
        return told

    def clear_and_read(client):
        name = f"item{client}"
        for _ in range(length(5, 60)):
            cleared = ask(f"replace={name}", client)
            begun = time.monotonic()
            fresh = {}  # the reads of each process since it has seen the clear
            reads = 0
            while len(fresh) < WORKERS or min(fresh.values()) < 3:
                now = time.monotonic()
                assert now < begun + servers.LIMIT, f"only these have answered: {fresh}"
                told = ask(f"read={name}", reads)
                reads += 1
                pid = told["pid"]
                if told["version"] == cleared["version"]:
                    if pid not in fresh:
                        longest.append(time.monotonic() - begun)
                    fresh[pid] = fresh.get(pid, 0) + 1
                    continue
                assert pid not in fresh, "it goes back"
                assert pid != cleared["pid"], "an old version after its own clear"
                assert now < begun + BOUND, f"an old version {now - begun:.3f} s after the clear"

    with ThreadPoolExecutor(CLIENTS) as pool:
        for one in [pool.submit(clear_and_read, client) for client in range(CLIENTS)]:
            one.result()

    assert WORKERS == len(last)
    for told in last.values():
        assert 0 < told["asked"] < told["reads"], "memory was used"
    counts = [f"{told['reads'] - told['asked']} of {told['reads']}" for told in last.values()]
    record_property("seen", f"{', '.join(counts)} from memory; fresh after {max(longest):.3f} s at most")


class TestGunicorn:
    @pytest.mark.parametrize("kind", GUNICORN)
    def test_workers_see_each_others_clears(self, start, redis, record_property, kind):
        command = ["-m", "gunicorn", "served_coherent:application", "--no-control-socket"]
        command += ["--bind", "127.0.0.1:0", "--workers", str(WORKERS), *GUNICORN[kind]]
        server = start(*command)
        server.await_workers(WORKERS)

        check([server.port()], record_property)
        server.stop(WORKERS)
        assert [] == server.complaints()
        until("no listener is left", lambda: not listening(redis))


class TestEventlet:
    def test_workers_see_each_others_clears(self, start, redis, record_property):
        workers = [start("served_eventlet.py") for _ in range(WORKERS)]

        check([worker.port() for worker in workers], record_property)
        for worker in workers:
            worker.process.terminate()
            assert -signal.SIGTERM == worker.process.wait(servers.LIMIT)
            assert [] == worker.complaints()
        until("no listener is left", lambda: not listening(redis))
