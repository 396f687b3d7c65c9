"""Children of a process that reads from a server disturb nobody's replies, and leave no connections."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from redis_servers.binaries import valkey
from redis_servers.certificates import Certificates
from redis_servers.proxy import Proxy
from redis_servers.server import Server
from redis_servers.waiting import until

from .lengths import length

PROGRAM = Path(__file__).with_name("redis_forking.py")
WAYS = ["hooked", "raw", "pool"]


@pytest.fixture
def server():
    with Server(valkey()) as one:
        yield one


def check_forks(way, forks, server, url, record_property, **options):
    def connections():
        return int(server.info("clients")["connected_clients"])

    before = connections()
    settings = json.dumps({"url": url, "options": options, "server": server.pid})
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(PROGRAM), way, str(forks), settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            told = program.stdout.readline()
            if told:
                until("no connection is left", lambda: connections() <= before)
            _, complaints = program.communicate("\n", timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.kill()

    assert (0, "") == (program.returncode, complaints[-4_000:])
    seen = json.loads(told)
    record_property("seen", f"{forks} forks, {seen['calls']} reads of the parent meanwhile")
    assert {"children": {"well": forks}, "problems": []} == {
        name: seen[name] for name in ("children", "problems")
    }
    assert seen["calls"] > forks


@pytest.mark.parametrize("way", WAYS)
def test_children_use_connections_of_their_own(server, way, record_property):
    check_forks(way, length(20, 100), server, server.url, record_property)


@pytest.mark.parametrize("way", WAYS)
def test_children_use_connections_of_their_own_with_tls(server, way, record_property):
    """A child that closed the parent's TLS connections would say so to the server: close_notify."""
    files = Certificates.make()
    with Proxy(server.socket_path, files) as proxy:
        ca = files.authority
        check_forks(way, length(10, 100), server, proxy.url, record_property, ssl_ca_certs=ca)
