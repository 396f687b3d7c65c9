"""With single_flight='fleet', one process computes for all that miss at the same time."""

import threading
import time

import pytest
import redis

from quickcache import (
    CacheWithPresets,
    MemoryCache,
    RedisCache,
    TieredCache,
    UncacheableValueError,
    get_quickcache,
)

PLACEHOLDER = b"\x80\x05cbuiltins\nEllipsis\n." + b"0123456789abcdef" + b"\xc1qcl"

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


@pytest.fixture
def client(shared):
    with redis.Redis.from_url(shared.server().url) as client:
        yield client


@pytest.fixture
def process(shared, prefix):
    """What stands for one process: a cache, a helper and flights of its own, and the same keys."""

    def process(body, **options):
        cache = RedisCache(shared.server().url, key_prefix=prefix, deadline=5)

        def function(x):
            return body(x)

        quickcache = get_quickcache(cache=cache, single_flight="fleet", **{"flight_wait": 30, **options})
        return quickcache(["x"])(function), cache

    return process


class TestOneComputesForAll:
    def test_those_who_come_meanwhile_wait(self, process):
        begun, go_on = threading.Event(), threading.Event()
        calls, found = [], []

        def body(x):
            calls.append(x)
            begun.set()
            assert go_on.wait(30)
            return "value"

        processes = [process(body) for _ in range(4)]
        threads = [threading.Thread(target=lambda call=call: found.append(call(1))) for call, _ in processes]
        threads[0].start()
        assert begun.wait(30)
        for thread in threads[1:]:
            thread.start()
        while sum(cache.stats()["misses"] for _, cache in processes) < 4:
            time.sleep(0.001)
        go_on.set()
        for thread in threads:
            thread.join(30)
        assert found == ["value"] * 4
        assert calls == [1]
        assert sum(cache.stats()["wait_timeouts"] for _, cache in processes) == 0

    def test_a_clear_meanwhile_has_them_compute_anew(self, process, client, prefix):
        begun, go_on = threading.Event(), threading.Event()

        def old(x):
            begun.set()
            assert go_on.wait(30)
            return "old"

        first, _ = process(old)
        second, _ = process(lambda x: "new")
        found = []
        thread = threading.Thread(target=lambda: found.append(first(1)))
        thread.start()
        assert begun.wait(30)
        first.clear(1)
        assert second(1) == "new"
        go_on.set()
        thread.join(30)
        assert found == ["old"]
        assert second(1) == "new"

    def test_if_it_raises_the_next_one_computes_at_once(self, process):
        begun, go_on = threading.Event(), threading.Event()

        def fails(x):
            begun.set()
            assert go_on.wait(30)
            raise ValueError("no value")

        first, _ = process(fails)
        second, cache = process(lambda x: "value")
        raised, found = [], []

        def call_first():
            try:
                first(1)
            except ValueError as error:
                raised.append(str(error))

        threads = [
            threading.Thread(target=call_first),
            threading.Thread(target=lambda: found.append(second(1))),
        ]
        threads[0].start()
        assert begun.wait(30)
        threads[1].start()
        while cache.stats()["misses"] == 0:
            time.sleep(0.001)
        go_on.set()
        for thread in threads:
            thread.join(30)
        assert raised == ["no value"]
        assert found == ["value"]
        assert cache.stats()["wait_timeouts"] == 0


class TestARefresh:
    def test_that_raises_over_nothing_has_nobody_wait(self, shared, prefix):
        cache = RedisCache(shared.server().url, key_prefix=prefix, deadline=5)
        results = [ValueError("no value"), "value"]

        @get_quickcache(cache=cache, single_flight="fleet", flight_wait=30)(["x"], skip_arg="fresh")
        def function(x, fresh=False):
            result = results.pop(0)
            if isinstance(result, Exception):
                raise result
            return result

        with pytest.raises(ValueError, match="no value"):
            function(1, fresh=True)
        assert function(1) == "value"
        assert cache.stats()["waits"] == 0


class TestAValueThatCannotBeSerialised:
    def test_has_nobody_wait(self, process, client, prefix):
        function, cache = process(lambda x: lambda: x)
        for _ in range(3):
            with pytest.raises(UncacheableValueError):
                function(1)
        assert cache.stats()["waits"] == 0
        assert client.get(prefix + function.get_cache_key(1)) is None


class TestOneThatIsNotThereAnyMore:
    def test_is_waited_for_no_longer_than_flight_wait(self, process, client, prefix):
        function, cache = process(lambda x: "value", flight_wait=0.2)
        client.set(prefix + function.get_cache_key(1), PLACEHOLDER, px=3_600_000)
        assert function(1) == "value"
        assert cache.stats()["waits"] == 1

    def test_is_not_waited_for_if_it_is_gone_for_long(self, process, client, prefix):
        function, cache = process(lambda x: "value")
        client.set(prefix + function.get_cache_key(1), PLACEHOLDER, px=3_600_000 - 31_000)
        assert function(1) == "value"
        assert cache.stats()["waits"] == 0
        assert function(1) == "value"


class TestWithoutAServer:
    def test_everybody_computes(self, process, server):
        cache = RedisCache(server.url, deadline=0.2)
        server.kill()
        calls = []

        @get_quickcache(cache=cache, single_flight="fleet")(["x"])
        def function(x):
            calls.append(x)
            return x

        assert [function(1) for _ in range(3)] == [1, 1, 1]
        assert calls == [1, 1, 1]


class TestWhatItNeeds:
    @pytest.mark.parametrize(
        "cache",
        [
            MemoryCache(),
            TieredCache([MemoryCache()]),
            RedisCache("redis://localhost", leases=False),
            CacheWithPresets(MemoryCache(), 5),
        ],
        ids=["memory", "tiers", "no leases", "presets"],
    )
    def test_is_a_cache_that_processes_share(self, cache):
        with pytest.raises(ValueError, match="needs a RedisCache among the tiers, with leases"):
            get_quickcache(cache=cache, single_flight="fleet")(["x"])(lambda x: x)

    @pytest.mark.parametrize("given", ["flat", 1, None, "FLEET"])
    def test_is_that_very_word(self, given):
        with pytest.raises(TypeError, match="single_flight is True, False or 'fleet'"):
            get_quickcache(cache=MemoryCache(), single_flight=given)(["x"])(lambda x: x)
