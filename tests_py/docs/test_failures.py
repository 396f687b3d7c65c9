"""docs/failures.md: what its table says of each state of a server is what a cache does."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest

from quickcache import RedisCache, get_quickcache

PAGE = (Path(__file__).parents[2] / "docs" / "failures.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## What happens when")[1].split("\n## ")[0]
ROWS = [re.split(r" *\| *", line.strip("| ")) for line in SECTION.splitlines() if line.startswith("| ")]
TABLE = {state: (*does, breaker) for state, *does, _time, breaker in ROWS[2:]}

PATIENT, HASTY = 30, 0.05  # seconds: for servers that answer, and for those that do not
KNOWN = "known"
USER = ("somebody", "with a password")

Make = Callable[[], RedisCache]
STATES: dict[str, Callable[[], contextlib.AbstractContextManager[Make]]] = {}


def state(begins: str):
    """What a row of the table is about, which begins so: yields what makes a cache in that state."""

    def note(function):
        [row] = [row for row in TABLE if row.startswith(begins)]
        STATES[row] = contextlib.contextmanager(function)
        return function

    return note


def of(url: str, deadline: float = PATIENT, **options: Any) -> Make:
    return lambda: RedisCache(url, deadline=deadline, **options)


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Any]:
    """A server of its own, which knows one key."""
    from redis_servers.binaries import valkey
    from redis_servers.server import Server

    with Server(valkey(), **options) as server:
        server.cli("SET", KNOWN, 1)
        yield server


@contextlib.contextmanager
def behind_a_proxy(*certificates: Any, **faults: Any) -> Iterator[str]:
    from redis_servers.proxy import Proxy

    with running() as server, Proxy(server.socket_path, *certificates) as proxy:
        proxy.set(**faults)
        yield proxy.url


@state("is slow")
def slow():
    from redis_servers import faults

    with behind_a_proxy(replies=faults.delay(0.01)) as url:
        yield of(url)


@state("does not answer in time")
def stopped():
    with running() as server:
        server.pause()
        yield of(server.url, HASTY)
        server.resume()


@state("does not run")
def killed():
    with running() as server:
        server.kill()
        yield of(server.url)


@state("has a host name")
def unknown():
    yield of("redis://no-such-host.invalid", HASTY)


@state("breaks connections")
def broken():
    from redis_servers import faults

    with behind_a_proxy(replies=faults.RESET) as url:
        yield of(url, HASTY)


@state("was restarted")
def restarted():
    with running() as server:

        def make():
            cache = of(server.url)()
            cache.ping()
            server.restart()
            return cache

        yield make


@state("is loading")
def loading():
    from redis_servers.waiting import until

    def is_loading():
        with contextlib.suppress(OSError):
            try:
                server.cli("PING")
            except hiredis.ReplyError as error:
                return str(error).startswith("LOADING")

    settings = {"key-load-delay": "1000", "loading-process-events-interval-bytes": "1024"}
    with running(persistence="save", settings=settings) as server:
        server.cli("MSET", *(word for number in range(50_000) for word in (f"key {number}", "x" * 50)))
        restarting = threading.Thread(target=server.restart)
        restarting.start()
        until("it loads", is_loading)
        yield of(server.url, HASTY)
        server.cli("CONFIG", "SET", "key-load-delay", "0")
        restarting.join()


@state("is full")
def full():
    with running(settings={"maxmemory-policy": "noeviction"}) as server:
        server.cli("CONFIG", "SET", "maxmemory", "1")
        yield of(server.url)


@state("is read-only")
def read_only():
    with running() as primary, running_replica(primary) as replica:
        yield of(replica.url)


@contextlib.contextmanager
def running_replica(primary: Any) -> Iterator[Any]:
    from redis_servers.binaries import valkey
    from redis_servers.server import Server

    with Server(valkey(), replica_of=primary) as server:
        yield server


@state("does not know the password")
def wrong_password():
    with running(password="right") as server:  # noqa: S106  the server's
        yield of(server.url.replace("right", "wrong"))


@state("does not have the database")
def without_the_database():
    with running() as server:
        yield of(f"{server.url[:-1]}99")


@state("gives no right")
def without_rights():
    from redis_servers.server import User

    with running(users=[User(*USER, "~* -@all +ping")]) as server:
        yield of(server.url)


@state("is busy")
def busy():
    from redis_servers.waiting import until

    def spin():
        with contextlib.suppress(hiredis.ReplyError):
            server.cli("EVAL", "while true do end", "0")

    def is_busy():
        try:
            server.cli("PING")
        except hiredis.ReplyError as error:
            return str(error).startswith("BUSY")

    with running(settings={"busy-reply-threshold": "1"}) as server:
        thread = threading.Thread(target=spin)
        thread.start()
        until("it is busy", is_busy)
        yield of(server.url)
        server.cli("SCRIPT", "KILL")
        thread.join()


@state("has too many clients")
def crowded():
    with running() as server, server.connect() as connection:
        connection.ask("CONFIG", "SET", "maxclients", "1")
        yield of(server.url)
        connection.ask("CONFIG", "SET", "maxclients", "100")


@state("shows a certificate")
def untrusted():
    from redis_servers.certificates import Certificates

    theirs, ours = Certificates.make(), Certificates.make()
    with behind_a_proxy(theirs) as url:
        yield of(url, ssl_ca_certs=ours.authority)


@state("speaks TLS")
def without_tls():
    from redis_servers.certificates import Certificates

    with running() as server:
        url = server.url.replace("redis://", "rediss://")
        yield of(url, HASTY, ssl_ca_certs=Certificates.make().authority)


def got(cache: RedisCache) -> str:
    return "a miss" if cache.get(KNOWN) is None else "the value"


def written(cache: RedisCache) -> str:
    cache.set("other", 1)
    counts = cache.stats()
    return {(1, 0): "stored", (0, 1): "dropped, queued"}[counts["stores"], counts["deletes_queued"]]


def deleted(cache: RedisCache) -> str:
    cache.delete("other")
    counts = cache.stats()
    return {(0, 0): "done", (1, 1): "queued"}[counts["errors"], counts["deletes_queued"]]


def called(cache: RedisCache) -> str:
    calls = []

    @get_quickcache(cache=cache)(["x"])
    def function(x):
        calls.append(x)
        return x

    assert [1, 1] == [function(1), function(1)]
    if len(calls) == 1:
        return "as ever"
    return "computes" if cache.get(KNOWN) is None else "a hit, or computes"


def breaks(cache: RedisCache) -> str:
    for _ in range(5):
        cache.set("other", 1)
    return "opens" if cache.stats()["breaker_opens"] else "closed"


def test_each_row_is_tried():
    assert list(TABLE) == list(STATES)


@pytest.mark.parametrize("row", STATES)
def test_a_row_says_what_happens(row):
    with STATES[row]() as make:
        found = [look(make()) for look in (got, written, deleted, called, breaks)]

    assert TABLE[row] == tuple(found)
