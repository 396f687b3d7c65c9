"""A server that takes connections and never answers holds nobody up for longer than the deadline."""

import socket
import time
from contextlib import closing

import pytest
from redis_servers import faults
from redis_servers.proxy import Proxy

from quickcache import RedisCache

DEADLINE = 0.05
SLACK = 0.02  # seconds that a call may take beyond what a bare socket takes to give up


@pytest.fixture
def proxy(shared):
    with Proxy(shared.server().socket_path) as one:
        yield one


@pytest.mark.parametrize("fault", [faults.BLACK_HOLE, faults.HALF_OPEN], ids=str)
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "new"])
def test_no_call_takes_longer_than_the_deadline(proxy, is_full, record_property, fault, is_open):
    """Each call by a cache of its own: one that has failed three times would not ask any more."""
    took, bare = [], []
    for _ in range(100 if is_full else 3):
        bare.append(time_of_a_bare_socket())
        with closing(RedisCache(proxy.url, deadline=DEADLINE)) as cache:
            if is_open:
                cache.get("k")
            proxy.set(requests=fault, replies=fault)
            before = cache.stats()["timeouts"]
            begun = time.perf_counter()
            assert cache.get("k") is None
            took.append(time.perf_counter() - begun)
            assert before + 1 == cache.stats()["timeouts"]
        proxy.heal()
        proxy.drop()
    record_property("seen", f"p50 {at(took, 50)} s, p99 {at(took, 99)} s; a bare socket's {at(bare, 99)} s")
    if is_full:  # a few say nothing, and the very slowest say more of the machine than of the cache
        assert at(took, 90) <= at(bare, 90) + SLACK


def time_of_a_bare_socket():
    """What this machine makes of the same deadline, busy as it is."""
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(DEADLINE)
        begun = time.perf_counter()
        with pytest.raises(TimeoutError):
            one.recv(1)
        return time.perf_counter() - begun


def at(times, percent):
    return round(sorted(times)[max(0, len(times) * percent // 100 - 1)], 4)
