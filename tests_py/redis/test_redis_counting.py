"""Counters and locks: `incr`, `add` and `in`, also where others write to the server, and where it fails."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from quickcache import CacheUnavailableError, RedisCache

KEYS = ["a key of enough bytes for signing"]


@pytest.fixture
def client(shared):
    with redis.Redis.from_url(shared.server().url) as client:
        yield client


@pytest.fixture
def make(shared, prefix):
    def make(**options):
        return RedisCache(shared.server().url, key_prefix=prefix, deadline=60, **options)

    return make


class TestIncr:
    @pytest.mark.parametrize("signing_keys", [(), KEYS], ids=["bare", "signed"])
    @pytest.mark.parametrize("number", [2**53, 2**63 - 2, -(2**63), -(2**53) - 2])
    def test_counts_all_integers_of_64_bits(self, make, number, signing_keys):
        cache = make(signing_keys=signing_keys)
        cache.set("n", number)
        assert cache.incr("n") == number + 1
        assert cache.get("n") == number + 1

    @pytest.mark.parametrize("signing_keys", [(), KEYS], ids=["bare", "signed"])
    @pytest.mark.parametrize(("value", "delta"), [(2**63 - 1, 1), (-(2**63), -1), (2**70, 1), ("text", 1)])
    def test_what_cannot_be_counted_is_no_failure_of_the_server(self, make, value, delta, signing_keys):
        cache = make(signing_keys=signing_keys, on_error="raise")
        cache.set("n", value)
        with pytest.raises(ValueError, match=r"or it holds no int, or the sum takes more than 64 bits$"):
            cache.incr("n", delta)

        assert value == cache.get("n")
        assert 0 == cache.stats()["errors"]

    def test_signed_counters_lose_nothing_between_threads(self, make):
        cache = make(signing_keys=KEYS)
        cache.set("n", 0)
        with ThreadPoolExecutor(8) as threads:
            sums = list(threads.map(lambda _: cache.incr("n"), range(2_000)))

        assert sorted(sums) == list(range(1, 2_001))


class TestSigned:
    @pytest.fixture
    def cache(self, make, client, prefix):
        client.set(prefix + "forged", b"\x80\x05N.")
        return make(signing_keys=KEYS)

    def test_a_value_that_nobody_signed_is_not_in_the_cache(self, cache):
        assert "forged" not in cache
        cache.set("own", 1)
        assert "own" in cache

    def test_a_value_that_nobody_signed_is_in_nobodys_way(self, cache):
        assert cache.add("forged", "own") is True
        assert cache.get("forged") == "own"
        assert cache.add("forged", "other") is False


class TestWhereFailuresAreRaised:
    def test_nothing_is_done_later(self, server):
        cache = RedisCache(server.url, on_error="raise", deadline=0.5)
        server.kill()
        for write in (lambda: cache.set("lock", "mine"), lambda: cache.delete("lock")):
            with pytest.raises(CacheUnavailableError):
                write()
        assert cache.stats()["deletes_queued"] == 0
        for read in (lambda: cache.get("lock"), lambda: "lock" in cache, lambda: cache.incr("lock")):
            with pytest.raises(CacheUnavailableError) as raised:
                read()
            assert not raised.value.refused

    def test_what_the_server_refuses_is_told_from_its_absence(self, server):
        cache = RedisCache(server.url, on_error="raise", deadline=60)
        server.cli("CONFIG", "SET", "maxmemory", 1, "maxmemory-policy", "noeviction")
        with pytest.raises(CacheUnavailableError, match="OOM") as raised:
            cache.set("a", 1)
        assert raised.value.refused
