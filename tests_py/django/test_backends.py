"""The backends in CACHES: all that Django's own do, each over its cache."""

import asyncio
import pickle
import socket
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import CacheKeyWarning, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django_settings import config, in_settings

from quickcache import MemoryCache
from quickcache.django import RedisCache as OurRedisCache

KINDS = ["MemoryCache"] if sys.platform == "win32" else ["MemoryCache", "RedisCache", "TieredCache"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def location(kind, request):
    """Where a cache of that kind is, for this test alone or with a prefix."""
    return request.node.nodeid if kind == "MemoryCache" else request.getfixturevalue("shared").server().url


@pytest.fixture
def cache(kind, location, prefix):
    with in_settings(default=config(kind, location, prefix)):
        yield caches["default"]


class TestOperations:
    def test_a_value_is_kept_and_forgotten(self, cache):
        cache.set("a", [1, None])

        assert [1, None] == cache.get("a")
        assert "a" in cache
        assert cache.has_key("a")
        assert cache.delete("a") is True
        assert cache.delete("a") is False
        assert cache.get("a") is None
        assert 5 == cache.get("a", 5)
        assert 5 == cache.get("a", default=5)

    def test_none_is_a_value(self, cache):
        cache.set("a", None)

        assert cache.get("a", 5) is None
        assert cache.get_or_set("a", 5) is None

    def test_add_keeps_what_is_there(self, cache):
        assert cache.add("a", 1) is True
        assert cache.add("a", 2) is False
        assert 1 == cache.get("a")
        assert cache.add("a", 2, timeout=0) is False
        assert cache.add("b", 2, timeout=0) is True
        assert "b" not in cache

    def test_what_pickle_raises_is_raised(self, cache):
        for keep in (cache.set, cache.add, lambda key, value: cache.set_many({key: value})):
            with pytest.raises((pickle.PicklingError, AttributeError), match="pickle"):
                keep("a", lambda: None)

    def test_counters(self, cache):
        cache.set("n", 1)

        assert 2 == cache.incr("n")
        assert 12 == cache.incr("n", 10)
        assert 11 == cache.decr("n")
        assert 11 == cache.get("n")
        for count in (cache.incr, cache.decr):
            with pytest.raises(ValueError, match="not found"):
                count("nothing")
        cache.set("text", "1")
        with pytest.raises(TypeError, match="holds no int"):
            cache.incr("text")
        with pytest.raises(TypeError, match="delta is an int"):
            cache.incr("n", 1.5)

    def test_several_at_once(self, cache):
        assert [] == cache.set_many({"a": 1, "b": 2})
        assert {"a": 1, "b": 2} == cache.get_many(["a", "b", "c"])
        assert {"a": 1} == cache.get_many(iter(["a"]))
        cache.delete_many(["a"])
        assert {"b": 2} == cache.get_many(["a", "b"])
        assert {} == cache.get_many([])
        assert [] == cache.set_many({})

    def test_lives(self, cache):
        cache.set("a", 1, timeout=0)
        assert cache.get("a") is None

        cache.set("a", 1, timeout=None)
        assert cache.touch("a", 100) is True
        assert 1 == cache.get("a")
        assert cache.touch("a", 0) is True
        assert cache.get("a") is None
        assert cache.touch("a", 100) is False

    def test_versions(self, cache):
        cache.set("a", 1)
        cache.set("a", 2, version=2)

        assert (1, 2) == (cache.get("a"), cache.get("a", version=2))
        assert {"a": 2} == cache.get_many(["a"], version=2)
        assert 3 == cache.incr_version("a", version=2)
        assert cache.get("a", version=2) is None
        assert 2 == cache.get("a", version=3)
        cache.version = 3
        assert 2 == cache.get("a")

    def test_any_object_is_a_key_by_its_text(self, cache):
        cache.set(5, "five")

        assert "five" == cache.get("5")
        assert "five" == cache.get(5)

    @pytest.mark.parametrize("name", ["key_prefix", "version", "key_func", "get"])
    def test_patches_of_a_backend_end(self, cache, name):
        cache.set("a", 1)
        before = getattr(cache, name)
        with mock.patch.object(caches["default"], name, "patched"):
            assert "patched" == getattr(cache, name)
        assert before == getattr(cache, name)
        assert 1 == cache.get("a")


class TestKeys:
    @pytest.mark.parametrize("key", ["key with spaces", "k" * 300, "tab\t", "\x7f"], ids=repr)
    def test_that_memcached_would_refuse_are_warned_of(self, cache, key):
        for operation in (cache.get, cache.delete, lambda key: cache.set(key, 1), lambda key: key in cache):
            with pytest.warns(CacheKeyWarning, match="memcached"):
                operation(key)

    def test_may_be_of_any_alphabet(self, cache):
        cache.set("ключ", 1)

        assert 1 == cache.get("ключ")

    @pytest.mark.parametrize(
        "key", ["k", "key with a space", "k" * 300, "ключ", "\udc80", 5, None, b"k"], ids=ascii
    )
    @pytest.mark.parametrize("version", [None, 1, 2, "two"])
    def test_are_djangos(self, cache, prefix, key, version):
        django = LocMemCache("", {"KEY_PREFIX": prefix})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheKeyWarning)
            expected = django.make_and_validate_key(key, version=version)
            assert expected == cache.make_and_validate_key(key, version=version)

            cache.set(key, "value", version=version)
            assert "value" == cache.get(key, version=version)
            assert "value" == cache._store.get(expected)

    def test_may_be_made_by_a_function(self, kind, location, prefix):
        def key_function(key, prefix, version):
            return f"{prefix}-{version}-{key}"

        configs = {
            "one": config(kind, location, prefix, KEY_FUNCTION=key_function),
            "other": config(kind, location, prefix),
        }
        with in_settings(**configs):
            caches["one"].set("a", 1)
            assert 1 == caches["one"].get("a")
            assert caches["other"].get("a") is None
            caches["other"].key_func = key_function
            assert 1 == caches["other"].get("a")


class TestAsynchronously:
    def test_each_operation_has_a_twin(self, cache):
        async def all_of_them():
            await cache.aset("a", 1)
            assert 1 == await cache.aget("a")
            assert 2 == await cache.aincr("a")
            assert 1 == await cache.adecr("a")
            assert await cache.aadd("a", 5) is False
            assert await cache.atouch("a", 100) is True
            assert await cache.ahas_key("a") is True
            assert [] == await cache.aset_many({"b": 2})
            assert {"a": 1, "b": 2} == await cache.aget_many(["a", "b"])
            assert 7 == await cache.aget_or_set("c", 7)
            await cache.adelete_many(["b", "c"])
            assert await cache.adelete("a") is True
            await cache.aclose()

        asyncio.run(all_of_them())

    def test_counters_lose_nothing(self, cache):
        async def count():
            await cache.aset("n", 0)
            await asyncio.gather(*(cache.aincr("n") for _ in range(200)))
            return await cache.aget("n")

        assert 200 == asyncio.run(count())

    def test_a_function_for_keys_has_the_thread_that_django_gives_it(self, kind, location, prefix):
        """Tenants are told by what lies in the thread of the request's synchronous parts."""
        tenant = threading.local()

        def by_tenant(key, prefix, version):
            return f"{prefix}:{getattr(tenant, 'name', 'nobody')}:{version}:{key}"

        async def request(name, value=None):
            await sync_to_async(lambda: setattr(tenant, "name", name))()
            if value is not None:
                await caches["default"].aset("secret", value)
            return await caches["default"].aget("secret")

        async def requests():
            return [await request("red", "red's"), await request("blue"), await request("red")]

        with in_settings(default=config(kind, location, prefix, KEY_FUNCTION=by_tenant)):
            assert ["red's", None, "red's"] == asyncio.run(requests())


class TestOneCacheForAll:
    def test_threads_share_it(self, cache):
        def elsewhere():
            assert caches["default"] is not cache
            caches["default"].incr("n")

        cache.set("n", 0)
        threads = [threading.Thread(target=elsewhere) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 20 == cache.get("n")

    def test_locations_are_apart(self):
        with in_settings(
            default=config("MemoryCache", "one"),
            same=config("MemoryCache", "one"),
            other=config("MemoryCache", "other"),
        ):
            caches["default"].set("here", 1)
            assert 1 == caches["same"].get("here")
            assert caches["other"].get("here") is None
            caches["default"].clear()

    def test_settings_that_change_are_followed(self, kind, location, prefix):
        for timeout in (None, 0):
            with in_settings(default=config(kind, location, prefix, TIMEOUT=timeout)):
                caches["default"].set("a", 1)
                assert (1 if timeout is None else None) == caches["default"].get("a")


class TestMemoryOptions:
    def test_clear_forgets_all_of_a_location(self):
        with in_settings(default=config("MemoryCache", "clear")):
            caches["default"].set("a", 1)
            caches["default"].clear()

            assert caches["default"].get("a") is None

    def test_bounds_and_policy(self):
        options = {"MAX_ENTRIES": 7, "CULL_FREQUENCY": 3, "policy": "tinylfu", "isolate": False}
        with in_settings(default=config("MemoryCache", "bounds", options=options)):
            native = caches["default"]._store

            assert isinstance(native, MemoryCache)
            assert (7, "tinylfu", False) == (native.max_entries, native.policy, native.isolate)

    def test_others_are_refused(self):
        with (
            in_settings(default=config("MemoryCache", "others", options={"deadline": 1})),
            pytest.raises(ImproperlyConfigured, match="no option 'deadline'; accepted in OPTIONS are max_b"),
        ):
            caches["default"]

    @pytest.mark.parametrize(
        ("kind", "location", "options", "said"),
        [
            ("MemoryCache", "", {"MAX_ENTRIES": "many"}, "MAX_ENTRIES is a number of entries, not 'many'"),
            ("RedisCache", 5, {}, "LOCATION is a URL such as redis://.* not 5"),
            ("RedisCache", "", {}, "LOCATION is a URL such as redis://.* not ''"),
            ("RedisCache", [], {}, "LOCATION is a URL"),
            ("RedisCache", "redis://h", {"dead_line": 1}, "no option 'dead_line'; accepted .* deadline.* db"),
            ("RedisCache", "redis://h", {"CLIENT_CLASS": "x"}, "leave it out: there is one client"),
            ("TieredCache", "redis://h", {"SOCKET_TIMEOUT": 5}, "SOCKET_TIMEOUT.* deadline, in seconds"),
            ("RedisCache", "redis://h", {"timeout": 5}, "TIMEOUT stands beside OPTIONS"),
            ("TieredCache", "", {"TIERS": "a"}, r"TIERS'\] is a list of two aliases, not 'a'"),
        ],
    )
    def test_of_what_is_wrong_the_message_helps(self, kind, location, options, said):
        one = {"BACKEND": f"quickcache.django.{kind}", "LOCATION": location, "OPTIONS": options}
        with in_settings(default=one), pytest.raises(ImproperlyConfigured, match=said):
            caches["default"]

    def test_what_was_just_written_is_never_refused(self):
        with in_settings(default=config("MemoryCache", "lru", options={"MAX_ENTRIES": 10})):
            cache = caches["default"]
            for number in range(1_000):
                cache.set(f"session {number}".replace(" ", "-"), number)
                assert number == cache.get(f"session-{number}")


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
class TestOfServers:
    def test_connections_outlive_requests(self, shared, prefix):
        with in_settings(default=config("RedisCache", shared.server().url, prefix)):
            caches["default"].set("a", 1)
            native = caches["default"]._store
            made = native.stats()["connections"]
            for _ in range(20):
                caches.close_all()
                with ThreadPoolExecutor(1) as one:
                    assert 1 == one.submit(lambda: caches["default"].get("a")).result()

            assert made == native.stats()["connections"]

    def test_subclasses_make_keys_their_own_way(self, shared, prefix):
        class Own(OurRedisCache):
            def make_key(self, key, version=None):
                return f"own:{super().make_key(key, version)}"

        cache = Own(shared.server().url, {"KEY_PREFIX": prefix, "OPTIONS": {"deadline": 60}})
        cache.set("a", 1)

        assert 1 == cache.get("a")
        assert 1 == cache._store.get(f"own:{prefix}:1:a")

    def test_logins_are_taken_from_options(self, shared):
        url = shared.server().url
        with in_settings(default=config("RedisCache", url, options={"db": 3, "socket_timeout": 1})):
            caches["default"].set("a", 1)
            assert "db=3" in repr(caches["default"]._store)
            assert caches["default"].delete("a")

    def test_serializers_by_path(self, shared, prefix):
        options = {"serializer": "json"}
        with in_settings(default=config("RedisCache", shared.server().url, prefix, options=options)):
            caches["default"].set("a", (1, 2))
            assert [1, 2] == caches["default"].get("a")

    def test_tiers_by_alias(self, shared, prefix):
        with in_settings(
            default={
                "BACKEND": "quickcache.django.TieredCache",
                "OPTIONS": {"TIERS": ["memory", "server"], "coherence": "off"},
            },
            memory=config("MemoryCache", prefix, TIMEOUT=10),
            server=config("RedisCache", shared.server().url, prefix),
        ):
            cache = caches["default"]
            cache.set("a", 1)
            assert 1 == caches["server"].get("a")
            assert caches["memory"].get("a") is None
            caches["server"].set("a", 2)
            assert 1 == cache.get("a")
            cache._store._memory.clear()
            assert 2 == cache.get("a")
            assert cache.delete("a")
            assert caches["server"].get("a") is None

    def test_other_tiers_are_refused(self):
        with (
            in_settings(
                default={"BACKEND": "quickcache.django.TieredCache", "OPTIONS": {"TIERS": ["one", "two"]}},
                one={"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
                two=config("MemoryCache", ""),
            ),
            pytest.raises(ImproperlyConfigured, match="TIERS"),
        ):
            caches["default"]

    def test_a_server_that_is_away_is_a_miss(self):
        with socket.socket() as nobodys:
            nobodys.bind(("127.0.0.1", 0))
            url = f"redis://127.0.0.1:{nobodys.getsockname()[1]}"
        with in_settings(default=config("RedisCache", url)):
            caches["default"].set("a", 1)
            assert caches["default"].get("a", 5) == 5
            assert ["b", "c"] == caches["default"].set_many({"b": 1, "c": 2})
