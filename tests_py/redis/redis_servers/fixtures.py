"""Fixtures: servers that tests share, each with keys of its own, and servers that a test may harm."""

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import pytest
import redis

from .binaries import PROGRAMS, Program, redis7, redis62, valkey
from .certificates import Certificates
from .cluster import Cluster
from .ports import HOST
from .proxy import Proxy
from .sentinel import Sentinels
from .server import Server, User

__all__ = ["prefix", "program", "proxy", "server", "shared", "shared_tier_server"]

Running = TypeVar("Running", Server, Proxy, Sentinels, Cluster)

# All that a cache may need, with characters that a URL has to quote.
CACHE_USER = User("cache@user:1", "p@ss:w/rd?#%", "~* &* +@all -@admin")


@dataclass(frozen=True)
class TierServer:
    """What a RedisCache is made with: `RedisCache(url, **options)`; and redis-py for the same server."""

    name: str
    url: str
    client: Callable[[], "redis.Redis | redis.RedisCluster"]
    options: Mapping[str, str] = field(default_factory=dict)


class Shared:
    """Servers that are started when a test first asks for one, and stopped after the last test."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Server | Proxy | Sentinels | Cluster] = {}

    def _start(self, name: str, make: Callable[[], Running]) -> Running:
        if name not in self._running:
            self._running[name] = self._stack.enter_context(make())
        return cast("Running", self._running[name])

    def server(self, program: Program | None = None) -> Server:
        program = program or valkey()
        return self._start(program.name, lambda: Server(program))

    def with_users(self) -> Server:
        return self._start("users", lambda: Server(valkey(), users=[CACHE_USER]))

    def tls(self) -> Proxy:
        """TLS before the server of Valkey; it wants to see a client's certificate."""
        path = self.server().socket_path
        return self._start("tls", lambda: Proxy(path, self.certificates, ask_client=True))

    @functools.cached_property
    def certificates(self) -> Certificates:
        return Certificates.make()

    def sentinels(self) -> Sentinels:
        return self._start("sentinels", lambda: Sentinels(valkey()))

    def cluster(self) -> Cluster:
        return self._start("cluster", lambda: Cluster(valkey()))

    def proxy(self) -> Proxy:
        path = self.server().socket_path
        return self._start("proxy", lambda: Proxy(path))


def _plain(name: str, url: str, **options: str) -> TierServer:
    def client() -> redis.Redis:
        made: redis.Redis = redis.Redis.from_url(url, **options)
        return made

    return TierServer(name, url, client, options)


def _with_tls(shared: Shared) -> TierServer:
    files = shared.certificates
    return _plain(
        "TLS",
        shared.tls().url,
        ssl_ca_certs=files.authority,
        ssl_certfile=files.client,
        ssl_keyfile=files.client_key,
    )


def _with_sentinels(shared: Shared) -> TierServer:
    sentinels = shared.sentinels()

    def client() -> redis.Redis:
        places = [(HOST, sentinel.port) for sentinel in sentinels.sentinels]
        asked = redis.Sentinel(places)  # type: ignore[no-untyped-call]
        made: redis.Redis = asked.master_for(sentinels.service)  # type: ignore[no-untyped-call]
        return made

    return TierServer("sentinel", sentinels.url, client)


def _with_cluster(shared: Shared) -> TierServer:
    cluster = shared.cluster()
    return TierServer(
        "cluster", cluster.url, lambda: redis.RedisCluster(host=HOST, port=cluster.nodes[0].port)
    )


# One line for each kind of server that a cache can be over.
TIER_SERVERS: dict[str, Callable[[Shared], TierServer]] = {
    "valkey": lambda shared: _plain("valkey", shared.server().url),
    "redis 6.2": lambda shared: _plain("redis 6.2", shared.server(redis62()).url),
    **({"redis 7": lambda shared: _plain("redis 7", shared.server(redis7()).url)} if redis7() else {}),
    "unix socket": lambda shared: _plain("unix socket", shared.server().unix_url),
    "TLS": _with_tls,
    "ACL user": lambda shared: _plain("ACL user", shared.with_users().url),
    "sentinel": _with_sentinels,
    "cluster": _with_cluster,
}


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    """Servers to share. Whoever harms one of them asks for `server` and starts what else it needs."""
    with contextlib.ExitStack() as stack:
        yield Shared(stack)


@pytest.fixture(params=TIER_SERVERS)
def shared_tier_server(request: pytest.FixtureRequest, shared: Shared) -> TierServer:
    """Each kind of server in turn. Tests keep apart by `prefix`."""
    return TIER_SERVERS[request.param](shared)


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
