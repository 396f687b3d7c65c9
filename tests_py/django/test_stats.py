"""What the backends of CACHES counted: that of their cache, whichever thread's backend is asked."""

import sys
import threading

import pytest
from django.core.cache import caches
from django.test import override_settings


@pytest.fixture
def cache(request):
    """A MemoryCache that no other test has."""
    config = {"BACKEND": "quickcache.django.MemoryCache", "LOCATION": request.node.nodeid}
    with override_settings(CACHES={"default": config}):
        yield caches["default"]


def test_hits_misses_and_stores_are_counted(cache):
    cache.set("tea", 3)
    cache.get("tea")
    cache.get("tea")
    cache.get("milk")
    counts = cache.stats()
    assert (2, 1, 1) == (counts["hits"], counts["misses"], counts["stores"])


def test_what_another_thread_asked_is_counted_too(cache):
    cache.set("tea", 3)
    other = threading.Thread(target=lambda: caches["default"].get("tea"))
    other.start()
    other.join()
    assert 1 == cache.stats()["hits"]


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
def test_tiers_are_counted_apart(request):
    """What memory has, the server is not asked for."""
    config = {
        "BACKEND": "quickcache.django.TieredCache",
        "LOCATION": request.getfixturevalue("shared").server().url,
        "KEY_PREFIX": request.node.nodeid,
        # A store of its own; kept true to the server, memory would have the value from the second read on.
        "OPTIONS": {"deadline": 60, "max_bytes": 1_000_000, "coherence": "off"},
    }
    with override_settings(CACHES={"default": config}):
        cache = caches["default"]
        before = cache.stats()
        cache.set("tea", 3)
        cache.get("tea")
        after = cache.stats()
    assert "off" == after.pop("coherence")["coherence"]
    assert {"memory": 1, "server": 0} == {tier: after[tier]["hits"] - before[tier]["hits"] for tier in after}
    assert {"memory": 1, "server": 1} == {
        tier: after[tier]["stores"] - before[tier]["stores"] for tier in after
    }
