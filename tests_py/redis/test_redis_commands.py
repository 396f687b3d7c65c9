"""How many commands a call of a decorated function costs its server, as the server tells them by MONITOR."""

import threading

import pytest
from redis_servers.server import Server

from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache


@pytest.fixture
def server(program):
    with Server(program) as one:
        yield one


@pytest.fixture
def cache(server):
    return RedisCache(server.url)


def commands_of(server, call):
    """The names of the commands that the server runs meanwhile, without those that its scripts run."""
    with server.monitor() as commands:
        call()
    return [command.name for command in commands if command.client != "lua"]


@pytest.fixture
def function(cache):
    """A decorated function that has been called for 1, so that a connection and the scripts are there."""

    @get_quickcache(cache=cache)(["x"], skip_arg="again")
    def function(x, again=False):
        return [x]

    function(1)
    function.clear(1)
    function(1, again=True)
    function(1, again=True)
    return function


def test_a_hit_is_one(server, function):
    assert ["GET"] == commands_of(server, lambda: function(1))


def test_a_miss_is_three(server, function):
    assert ["GET", "SET", "EVALSHA"] == commands_of(server, lambda: function(2))


def test_a_miss_of_what_another_computes_is_four(server, cache):
    """The placeholder is there already: it is read, and its lease is shared."""
    begun, goes_on = threading.Event(), threading.Event()

    def compute(x):
        begun.set()
        assert goes_on.wait(20)
        return [x]

    def compute_too(x):
        return [x]

    slow = get_quickcache(cache=cache, single_flight=False)(["x"])(compute)
    quick = get_quickcache(cache=cache, single_flight=False)(["x"])(compute_too)
    key = slow.get_cache_key(1)
    quick.clear.__self__.get_cache_key = lambda *args: key
    quick(1)
    slow.clear(1)
    first = threading.Thread(target=slow, args=(1,))
    first.start()
    assert begun.wait(20)
    try:
        assert ["GET", "SET", "GET", "EVALSHA"] == commands_of(server, lambda: quick(1))
    finally:
        goes_on.set()
        first.join()


def test_a_clear_is_one(server, function):
    assert ["DEL"] == commands_of(server, lambda: function.clear(1))


def test_a_refresh_is_two(server, function):
    assert ["EVALSHA", "EVALSHA"] == commands_of(server, lambda: function(1, again=True))


class TestUnderAMemoryTier:
    @pytest.fixture
    def tiered(self, cache):
        # Kept true to the server, memory would have it from the second call on.
        @get_quickcache(cache=TieredCache([MemoryCache(), cache], coherence="off"))(["x"])
        def function(x):
            return [x]

        function(1)
        return function

    def test_a_hit_in_memory_is_none(self, server, tiered):
        assert [] == commands_of(server, lambda: tiered(1))

    def test_a_hit_below_asks_for_its_life_too(self, server, tiered):
        tiered.clear.__self__.cache.caches[0].clear()

        assert ["GET", "PTTL"] == commands_of(server, lambda: tiered(1))
