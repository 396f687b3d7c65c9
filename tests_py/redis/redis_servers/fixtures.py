"""Fixtures: servers to share, one or each in turn, and servers that a test may harm."""

import secrets
from collections.abc import Iterator

import pytest

from .binaries import PROGRAMS, Program, valkey
from .proxy import Proxy
from .server import Server
from .sharing import TIER_SERVERS, Shared, TierServer

__all__ = ["link", "mode", "prefix", "program", "proxy", "server", "shared_tier_server"]


@pytest.fixture(params=TIER_SERVERS)
def shared_tier_server(request: pytest.FixtureRequest, shared: Shared) -> TierServer:
    """Each kind of server in turn. Tests keep apart by `prefix`."""
    return shared.tier_server(request.param)


@pytest.fixture
def prefix() -> str:
    """What a test begins its keys with on a server that it shares."""
    return f"{secrets.token_hex(8)}:"


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each server program in turn."""
    return PROGRAMS[request.param]()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of Valkey that the test may harm."""
    with Server(valkey()) as one:
        yield one


@pytest.fixture
def proxy(shared: Shared) -> Iterator[Proxy]:
    """A proxy before the shared server of Valkey, which passes all on until it is told otherwise."""
    one = shared.proxy()
    yield one
    one.heal()
    one.drop()


@pytest.fixture
def link(server: Server) -> Iterator[Proxy]:
    """A proxy of the test's own before the server, whose own port is as well as ever."""
    with Proxy(server.socket_path) as one:
        yield one


@pytest.fixture(params=["tracking", "pubsub"])
def mode(request: pytest.FixtureRequest) -> str:
    """Who tells of changes, with coherent tiers."""
    return str(request.param)
