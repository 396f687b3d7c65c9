"""Decorated functions over aliases: straight to a cache of ours behind them, as in 0.5.4 to any other."""

import gc
import sys
import threading
from unittest import mock

import pytest
from django.core.cache import CacheKeyWarning, caches
from django.core.cache.backends.base import BaseCache, InvalidCacheBackendError
from django_settings import config, in_settings
from redis_servers import waiting

from quickcache import CacheWithPresets, ForceSkipCache, TieredCache, get_quickcache, stats
from quickcache.django import MemoryCache, get_django_quickcache, tiered_django_cache

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")

quickcache = get_django_quickcache(timeout=300, memoize_timeout=100)


@pytest.fixture
def ours(shared, prefix):
    """`locmem` and `default` of ours."""
    with in_settings(
        locmem=config("MemoryCache", prefix, "memory"),
        default=config("RedisCache", shared.server().url, prefix),
    ):
        yield caches


def decorated(decorate=quickcache):
    calls = []

    @decorate(["n"])
    def double(n):
        calls.append(n)
        return [n, n]

    return double, calls


def is_taken_up(look):
    """Wait for memory to have a value: the server may yet tell of the write that it is from."""
    waiting.until("memory has it", look)


def heard():
    """Wait for the server to have told of all that was written, which makes void what memory has of it."""
    waiting.until_heard(caches["locmem"], caches["default"])


@pytest.fixture
def python_calls(entered):
    """The names of the Python functions that a call goes through."""
    return lambda call, *args: [name.rpartition(".")[2] for name in entered(call, *args)]


class TestOverCachesOfOurs:
    def test_values_lie_where_django_looks_for_them(self, ours, prefix):
        double, calls = decorated()
        assert [5, 5] == double(5) == double(5)

        key = double.get_cache_key(5)
        assert [5, 5] == ours["default"].get(key) == ours["default"]._store.get(f"{prefix}:1:{key}")
        is_taken_up(lambda: double(5) == ours["locmem"].get(key))
        is_taken_up(lambda: double(5) == ours["locmem"]._store.get(f"memory:1:{key}"))
        assert [5] == calls

    def test_what_django_sets_is_found(self, ours):
        double, calls = decorated()
        ours["default"].set(double.get_cache_key(5), "from Django")

        assert "from Django" == double(5)
        is_taken_up(lambda: double(5) == ours["locmem"].get(double.get_cache_key(5)))
        assert [] == calls

    def test_clears_reach_both_and_those_of_django_are_seen(self, ours):
        double, calls = decorated()
        double(5)
        double.clear(5)
        assert double.get_cache_key(5) not in ours["locmem"]
        assert double.get_cache_key(5) not in ours["default"]
        double(5)
        ours["locmem"].delete(double.get_cache_key(5))
        ours["default"].delete(double.get_cache_key(5))
        double(5)
        ours["locmem"].clear()
        ours["default"].delete(double.get_cache_key(5))
        double(5)

        assert [5, 5, 5, 5] == calls

    def test_no_python_is_entered(self, ours, python_calls):
        double, _ = decorated()
        double(0)
        double(-1)
        body = body_of_hits()

        assert [*body, "double"] == python_calls(double, 1)
        assert body == python_calls(double, 1)
        ours["locmem"].clear()
        assert body == python_calls(double, 1)
        assert not {"set", "get", "make_key"} & set(python_calls(double.clear, 1))

    def test_hits_ask_no_tier(self, ours):
        def hits(alias):
            return ours[alias]._store.stats()["hits"]

        double, _ = decorated()
        double(1)
        heard()
        double(1)
        asked, held = hits("default"), hits("locmem")
        for _ in range(50):
            double(1)

        assert asked == hits("default")
        assert 50 == hits("locmem") - held

    def test_lives_are_those_of_the_decorator(self, ours):
        double, calls = decorated(quickcache.but_with(memoize_timeout=0.000001))
        double(1)
        double(1)
        assert [1] == calls
        assert double.get_cache_key(1) not in ours["locmem"]

    def test_fleets_are_accepted(self, ours):
        double, calls = decorated(quickcache.but_with(single_flight="fleet"))
        double(1)

        assert [1] == calls

    def test_a_refused_store_is_kept_nowhere(self, ours):
        @quickcache(["n"])
        def function(n):
            ours["default"].delete(function.get_cache_key(n))
            return n

        function(1)
        assert function.get_cache_key(1) not in ours["default"]
        assert function.get_cache_key(1) not in ours["locmem"]

    def test_keys_that_memcached_would_refuse_are_warned_of(self, shared, prefix):
        with in_settings(
            locmem=config("MemoryCache", prefix, "m" * 250),
            default=config("RedisCache", shared.server().url, prefix),
        ):
            double, calls = decorated()
            with pytest.warns(CacheKeyWarning, match="longer than 250"):
                double(1)
            assert [1] == calls


class TestSessions:
    def test_each_has_values_of_its_own(self, ours):
        session = ["a"]
        double, calls = decorated(quickcache.but_with(timeout=0, session_function=lambda: session[0]))
        for name in ("a", "b", "a", "b", "a"):
            session[0] = name
            double(1)

        assert [1, 1] == calls
        key = double.get_cache_key(1)
        assert [1, 1] == ours["locmem"].get(f"a{key}") == ours["locmem"].get(f"b{key}")

    def test_memory_can_be_skipped(self, ours):
        def session():
            raise ForceSkipCache

        double, calls = decorated(quickcache.but_with(session_function=session))
        double(1)
        double(1)

        assert [1] == calls
        assert double.get_cache_key(1) not in ours["locmem"]


class TestSettings:
    def test_other_aliases(self, shared, prefix):
        with in_settings(
            default=config("MemoryCache", prefix, "default"),
            fast=config("MemoryCache", prefix, "fast"),
            slow=config("RedisCache", shared.server().url, prefix),
        ):
            double, _ = decorated(quickcache.but_with(caches=("fast", "slow")))
            double(1)
            key = double.get_cache_key(1)
            assert [1, 1] == caches["slow"].get(key)
            is_taken_up(lambda: double(1) == caches["fast"].get(key))
            assert key not in caches["default"]

    @pytest.mark.parametrize("aliases", ["default", ("default",), (1, 2), None])
    def test_of_aliases_that_are_not_two_the_message_helps(self, aliases):
        with pytest.raises(
            ValueError, match=r"two aliases of settings.CACHES.* as in \('locmem', 'default'\)"
        ):
            quickcache(["n"], caches=aliases)

    def test_an_alias_that_is_missing_is_told_at_once(self, ours):
        with pytest.raises(InvalidCacheBackendError, match="'nowhere'"):
            quickcache(["n"], caches=("locmem", "nowhere"))

    def test_that_change_are_followed(self, ours, prefix):
        double, calls = decorated()
        double(1)
        double(1)
        with in_settings(
            locmem=config("MemoryCache", f"{prefix} other"), default=config("MemoryCache", prefix)
        ):
            double(1)
            double(1)
        double(1)
        with in_settings(
            locmem={"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": prefix},
            default={"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        ):
            double(1)
            double(1)
            assert [1, 1] == caches["locmem"].get(double.get_cache_key(1))
        double(1)

        assert [1, 1, 1] == calls

    def test_a_prefix_that_changes_makes_other_keys(self, shared, prefix):
        double, calls = None, None
        for name in ("one", "two", "one"):
            with in_settings(
                locmem=config("MemoryCache", prefix, name),
                default={"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
            ):
                if double is None:
                    double, calls = decorated()
                double(1)
                double(1)

        assert [1, 1] == calls

    def test_a_function_for_keys_is_asked_each_time(self, shared, prefix):
        tenant = ["a"]
        configs = {
            "locmem": config("MemoryCache", prefix),
            "default": config("RedisCache", shared.server().url, prefix),
        }
        for settings in configs.values():
            settings["KEY_FUNCTION"] = lambda key, prefix, version: f"{tenant[0]}:{prefix}:{version}:{key}"
        with in_settings(**configs):
            double, calls = decorated()
            for name in ("a", "b", "a", "b"):
                tenant[0] = name
                double(1)
                assert [1, 1] == caches["default"].get(double.get_cache_key(1))
            double.clear(1)
            double(1)
            tenant[0] = "a"
            double(1)

        assert [1, 1, 1] == calls

    def test_backends_of_others_are_called_as_ever(self, prefix, python_calls):
        with in_settings(
            locmem={"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": prefix},
            default={"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"{prefix} 2"},
        ):
            double, calls = decorated()
            double(1)
            assert {"get", "make_key"} <= set(python_calls(double, 1))
            assert [1] == calls

    def test_threads_and_the_ends_of_requests_change_nothing(self, ours):
        double, calls = decorated()
        double(1)

        def elsewhere():
            double(1)
            caches["default"].get("a")
            caches.close_all()

        for _ in range(5):
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
        caches.close_all()
        double(1)

        assert [1] == calls


class TestTiersInOne:
    # Kept true to the server, memory would have a value from the second call on.
    options = {"memoize_timeout": 50, "coherence": "off"}  # noqa: RUF012  read by the fixture

    @pytest.fixture
    def tiered(self, shared, prefix):
        with in_settings(
            default=config("TieredCache", shared.server().url, prefix, options=self.options),
            locmem=config("MemoryCache", prefix),
        ):
            yield caches["default"]._store

    def test_memory_is_asked_first(self, tiered):
        double, calls = decorated(quickcache.but_with(memoize_timeout=0))
        for _ in range(9):
            double(1)

        assert [1] == calls
        memory, life, server, _ = tiered.parts
        assert 50 == life
        assert 8 == memory.stats()["hits"]
        assert 0 == server.stats()["hits"]
        memory.clear()
        double(1)
        assert [1] == calls
        assert 1 == server.stats()["hits"]

    def test_alone_in_a_generic_cache(self, tiered, python_calls):
        double, calls = decorated(get_quickcache(cache=caches["default"], single_flight="fleet"))
        double(1)
        double(1)
        assert body_of_hits() == python_calls(double, 1)
        double.clear(1)
        double(1)

        assert [1, 1] == calls


def body_of_hits():
    return [] if sys.version_info >= (3, 12) else ["inner"]


class TestGivenItself:
    def test_a_backend_is_a_tier(self, ours, python_calls):
        cache = TieredCache([CacheWithPresets(caches["locmem"], 10), caches["default"]])
        double, calls = decorated(get_quickcache(cache=cache))
        double(1)
        heard()
        double(1)

        assert [1] == calls
        assert [1, 1] == caches["default"].get(double.get_cache_key(1))
        assert body_of_hits() == python_calls(double, 1)

    def test_its_own_timeout_counts(self, prefix):
        with in_settings(default=config("MemoryCache", prefix, TIMEOUT=0)):
            double, calls = decorated(get_quickcache(cache=caches["default"]))
            double(1)
            double(1)

        assert [1, 1] == calls

    def test_fleets_need_a_server(self, ours):
        with pytest.raises(ValueError, match="needs a RedisCache"):
            decorated(get_quickcache(cache=tiered_django_cache([("locmem", 5, None)]), single_flight="fleet"))


class TestPatches:
    def test_of_a_class_take_effect_at_once_and_end(self, ours, python_calls):
        double, calls = decorated()
        double(1)
        heard()
        with mock.patch.object(MemoryCache, "get", return_value="patched"):
            assert "patched" == double(1)
        assert [1, 1] == double(1)
        assert body_of_hits() == python_calls(double, 1)
        assert [1] == calls

    @pytest.mark.parametrize("name", ["make_key", "validate_key"])
    def test_of_djangos_own_class_too(self, ours, name):
        double, calls = decorated()
        double(1)
        patch = mock.patch.object(BaseCache, name, side_effect=ConnectionError("patched"))
        with patch, pytest.raises(ConnectionError, match="patched"):
            double(1)
        with patch, pytest.raises(ConnectionError, match="patched"):
            ours["default"].get("a")
        assert [1, 1] == double(1)
        assert ours["default"].get("a") is None
        assert [1] == calls

    @pytest.mark.parametrize("name", ["get", "make_key", "make_and_validate_key"])
    def test_of_one_backend_too(self, ours, name, python_calls):
        double, calls = decorated()
        double(1)
        heard()
        patch = mock.patch.object(caches["locmem"], name, side_effect=ConnectionError("patched"))
        with patch, pytest.raises(ConnectionError, match="patched"):
            double(1)
        assert [1, 1] == double(1)
        assert body_of_hits() == python_calls(double, 1)
        assert [1] == calls

    def test_in_one_thread_alone(self, ours):
        double, calls = decorated()
        double(1)
        found = []
        with mock.patch.object(caches["locmem"], "get", return_value="patched"):
            assert "patched" == double(1)
            thread = threading.Thread(target=lambda: found.append(double(1)))
            thread.start()
            thread.join()
            assert "patched" == double(1)

        assert [[1, 1]] == found
        assert [1] == calls

    def test_of_a_backend_that_is_gone_count_no_more(self, ours, python_calls):
        double, _ = decorated()
        double(1)
        heard()
        thread = threading.Thread(target=lambda: setattr(caches["locmem"], "get", lambda *_, **__: "gone"))
        thread.start()
        thread.join()
        del thread  # which has the context that it ran in, from 3.14 on
        gc.collect()
        double(1)

        assert body_of_hits() == python_calls(double, 1)

    def test_a_prefix_of_one_backend_is_its_own(self, ours, python_calls):
        double, calls = decorated(quickcache.but_with(timeout=0))
        double(1)
        caches["locmem"].key_prefix = "other"
        double(1)
        double(1)
        assert [1, 1] == calls
        assert [1, 1] == caches["locmem"].get(double.get_cache_key(1))
        caches["locmem"].key_prefix = "memory"
        double(1)

        assert [1, 1] == calls
        assert body_of_hits() == python_calls(double, 1)

    def test_subclasses_that_override_are_asked(self, ours, prefix):
        settings = {"BACKEND": f"{__name__}.Loud", "LOCATION": prefix}
        with in_settings(locmem=settings, default=settings):
            double, calls = decorated()
            double(1)
            double(1)
            assert [1] == calls
            assert 2 <= caches["locmem"].asked


class Loud(MemoryCache):
    asked = 0

    def get(self, *args, **kwargs):
        self.asked += 1
        return super().get(*args, **kwargs)


def test_statistics_are_kept_as_ever(ours):
    double, _ = decorated()
    double(1)
    double(1)

    assert 1 == stats(double)["computations"]
