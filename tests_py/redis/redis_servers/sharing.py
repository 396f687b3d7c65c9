"""Servers that tests share, each with keys of its own, and what a cache and redis-py are given for them."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import redis

from .binaries import Program, redis7, redis62, valkey
from .certificates import Certificates
from .cluster import Cluster
from .ports import HOST
from .proxy import Proxy
from .sentinel import Sentinels
from .server import Server, User

Running = TypeVar("Running", Server, Proxy, Sentinels, Cluster)

# Milliseconds after which those that are shared take a server for dead: none of them is harmed, but on a busy
# machine one may be silent for a second.
PATIENCE = 60_000
# With characters that a URL has to quote.
PASSWORD = "p@ss:w/rd?#%"
OTHER_PASSWORD = "another: p@ss"
# All that a cache may need.
CACHE_USER = User("cache@user:1", PASSWORD, "~* &* +@all -@admin")


@dataclass
class TierServer:
    """What a RedisCache is made with: `RedisCache(url, **options)`; and redis-py for the same server."""

    name: str
    url: str
    connect: "Callable[[], redis.Redis | redis.RedisCluster]"
    options: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def client(self) -> "redis.Redis | redis.RedisCluster":
        """A client of redis-py, which all tests of the process share."""
        return self.connect()

    def close(self) -> None:
        self.client.close()


class Shared:
    """Servers that are started when a test first asks for one, and stopped after the last test."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Server | Proxy | Sentinels | Cluster] = {}
        self._tier_servers: dict[str, TierServer] = {}

    def tier_server(self, name: str) -> TierServer:
        """One of TIER_SERVERS."""
        if name not in self._tier_servers:
            one = self._tier_servers[name] = TIER_SERVERS[name](self)
            self._stack.callback(one.close)
        return self._tier_servers[name]

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
        def make() -> Sentinels:
            return Sentinels(
                valkey(), password=PASSWORD, sentinel_password=OTHER_PASSWORD, down_after=PATIENCE
            )

        return self._start("sentinels", make)

    def cluster(self) -> Cluster:
        return self._start("cluster", lambda: Cluster(valkey(), password=PASSWORD, node_timeout=PATIENCE))

    def proxy(self) -> Proxy:
        path = self.server().socket_path
        return self._start("proxy", lambda: Proxy(path))


def _plain(name: str, url: str, **options: str) -> TierServer:
    def connect() -> redis.Redis:
        made: redis.Redis = redis.Redis.from_url(url, **options)
        return made

    return TierServer(name, url, connect, options)


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

    def connect() -> redis.Redis:
        places = [(HOST, sentinel.port) for sentinel in sentinels.sentinels]
        login = {"password": sentinels.sentinel_password}
        asked = redis.Sentinel(places, sentinel_kwargs=login)  # type: ignore[no-untyped-call]
        made: redis.Redis = asked.master_for(  # type: ignore[no-untyped-call]
            sentinels.service, password=sentinels.password
        )
        return made

    return TierServer("sentinel", sentinels.url, connect)


def _with_cluster(shared: Shared) -> TierServer:
    cluster = shared.cluster()
    return TierServer(
        "cluster",
        cluster.url,
        lambda: redis.RedisCluster(host=HOST, port=cluster.nodes[0].port, password=cluster.password),
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
