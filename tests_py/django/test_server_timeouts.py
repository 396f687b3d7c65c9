"""The timeouts of backends whose values a server keeps: none is late, and Django is told what it asks for."""

import sys

import pytest
from django.core.cache import caches
from django.test import override_settings

if sys.platform == "win32":
    pytest.skip("no server runs there", allow_module_level=True)


@pytest.fixture(params=["RedisCache", "TieredCache"])
def cache(request, shared):
    one = {
        "BACKEND": f"quickcache.django.{request.param}",
        "LOCATION": shared.server().url,
        "KEY_PREFIX": f"{hash(request.node.nodeid)}",
        "OPTIONS": {"deadline": 60},
    }
    with override_settings(CACHES={"default": one}):
        yield caches["default"]


@pytest.fixture
def left(cache, shared):
    """How many milliseconds the server keeps a key."""
    return lambda key: shared.server().cli("PTTL", cache.make_key(key))


class TestLife:
    """A server has a value still in the millisecond in which its time is up."""

    def test_it_ends_a_millisecond_before_the_timeout(self, cache, left):
        cache.set("set", 1, 1000)
        cache.set_many({"many": 1}, 1000)
        cache.add("added", 1, 1000)
        cache.set("touched", 1, None)
        cache.touch("touched", 1000)

        assert all(left(key) < 1_000_000 for key in ("set", "many", "added", "touched"))
        assert all(900_000 < left(key) for key in ("set", "many", "added", "touched"))

    def test_the_shortest_is_kept_and_none_is_for_ever(self, cache, left):
        cache.set("short", 1, 0.001)
        cache.set("long", 1, None)

        assert -1 == left("long")
        assert left("short") in {-2, 0, 1}

    def test_nothing_is_kept_for_no_time(self, cache, left):
        cache.set("k", 1, 0)

        assert -2 == left("k")


class TestGetBackendTimeout:
    """Seconds from now, as Django's RedisCache has them, and not a time of day."""

    @pytest.mark.parametrize(("timeout", "expected"), [(10, 10), (-5, 0), (0, 0), (None, None)])
    def test_tells_seconds(self, cache, timeout, expected):
        assert expected == cache.get_backend_timeout(timeout)

    def test_tells_the_default(self, cache):
        assert 300 == cache.get_backend_timeout()
