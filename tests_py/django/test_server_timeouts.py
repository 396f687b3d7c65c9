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
def asked(cache, shared):
    """For how many milliseconds the server was last asked to keep a key; None is for ever."""

    def asked(key, ask):
        made = cache.make_key(key).encode()
        with shared.server().monitor() as commands:
            ask()
        found = [one.arguments for one in commands if made in one.arguments and one.client != "lua"]
        return next((int(part) for part in reversed(found[-1][2:]) if part.isdigit()), None)

    return asked


class TestLife:
    """A server still has a value in the millisecond in which its time is up: it is told one less."""

    def test_of_what_is_stored(self, cache, asked):
        assert 999_999 == asked("k", lambda: cache.set("k", "v", 1000))
        assert 999_999 == asked("k", lambda: cache.set_many({"k": "v"}, 1000))
        assert 999_999 == asked("new", lambda: cache.add("new", "v", 1000))

    def test_of_what_is_touched(self, cache, asked):
        cache.set("k", "v", None)

        assert 999_999 == asked("k", lambda: cache.touch("k", 1000))

    def test_the_default(self, cache, asked):
        assert 299_999 == asked("k", lambda: cache.set("k", "v"))

    def test_the_shortest_is_not_none(self, cache, asked):
        assert 1 == asked("k", lambda: cache.set("k", "v", 0.001))
        assert 1 == asked("k", lambda: cache.set("k", "v", 0.002))

    def test_for_ever(self, cache, asked):
        assert asked("k", lambda: cache.set("k", "v", None)) is None


class TestGetBackendTimeout:
    """Seconds from now, as Django's RedisCache has them, and not a time of day."""

    @pytest.mark.parametrize(("timeout", "expected"), [(10, 10), (-5, 0), (0, 0), (None, None)])
    def test_tells_seconds(self, cache, timeout, expected):
        assert expected == cache.get_backend_timeout(timeout)

    def test_tells_the_default(self, cache):
        assert 300 == cache.get_backend_timeout()
