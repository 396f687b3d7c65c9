"""quickcache.testing over Django's caches, and together with clears that wait for a commit."""

import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.test import SimpleTestCase, TestCase
from django_settings import config, in_settings
from redis_servers import waiting

from quickcache.django import get_django_quickcache
from quickcache.testing import Counts, disabled, isolated, recorded

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
KINDS = ["LocMemCache", "MemoryCache"] + (["RedisCache", "TieredCache"] if sys.platform != "win32" else [])


@pytest.fixture(params=KINDS)
def shared_alias(request, prefix):
    """The settings of `default`, of each kind."""
    if request.param == "LocMemCache":
        return {"BACKEND": LOCMEM, "LOCATION": prefix}
    if request.param == "MemoryCache":
        return config("MemoryCache", prefix)
    return config(request.param, request.getfixturevalue("shared").server().url, prefix)


@pytest.fixture(autouse=True)
def aliases(shared_alias, prefix):
    with in_settings(locmem=config("MemoryCache", f"{prefix} locmem"), default=shared_alias):
        yield


def decorated(**options):
    called = []

    @get_django_quickcache(timeout=300, memoize_timeout=100)(["a"], **options)
    def function(a):
        called.append(a)
        return [a, len(called)]

    return function, called


def aliases_that_have(key):
    return [alias for alias in ("locmem", "default") if caches[alias].get(key) is not None]


def test_nothing_from_before_is_seen_and_nothing_is_left():
    function, called = decorated()
    function(1)
    set_keys = []
    with isolated():
        assert [1, 2] == function(1) == function(1)
        set_keys.append(function.clear.__self__.get_cache_key(1))
        # Memory that is kept true has it once this process has heard of what it wrote itself.
        waiting.until("both have it", lambda: function(1) and len(aliases_that_have(set_keys[0])) == 2)

    assert [] == aliases_that_have(set_keys[0])
    assert [1, 1] == function(1)
    assert [1, 1] == called


def test_hits_are_counted_and_can_be_switched_off():
    function, _ = decorated()
    with recorded() as calls:
        function(1)
        function(1)
        with disabled():
            function(1)

    assert Counts(hits=1, misses=2, skips=0) == calls[function]


def test_a_clear_on_commit_is_of_the_same_namespace():
    function, _ = decorated()
    assert [1, 1] == function(1)
    with isolated(), recorded() as calls:
        assert [1, 2] == function(1)
        with transaction.atomic():
            function.clear_on_commit(1)
            assert [1, 3] == function(1)  # past the old value, and kept nowhere
            assert ... is function.get_cached_value(1)
            assert [1, 2] == calls_elsewhere(function)
        assert [1, 4] == function(1) == function(1)

    assert Counts(hits=2, misses=3, skips=0) == calls[function]
    assert [1, 1] == function(1)


def test_a_test_that_is_rolled_back_can_have_its_clears_come():
    """As the page on testing has it."""
    function, _ = decorated()
    with isolated(), transaction.atomic():
        function(1)
        with TestCase.captureOnCommitCallbacks(execute=True):
            function.clear_on_commit(1)
        assert [1, 2] == function(1) == function(1)
        transaction.set_rollback(True)


def calls_elsewhere(function):
    """As a thread finds it that is in no transaction."""

    def call():
        try:
            return function(1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.mark.parametrize("base", [SimpleTestCase, TestCase])
def test_a_test_case_of_django_enters_it_in_set_up(base):
    function, called = decorated()
    function(1)

    class Case(base):
        databases = ()

        def setUp(self):
            self.enterContext(isolated())

        def test_one(self):
            function(1)
            function(1)

        test_two = test_one

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

    assert (2, [], []) == (result.testsRun, result.errors, result.failures)
    assert 3 == len(called)
    assert [1, 1] == function(1)
