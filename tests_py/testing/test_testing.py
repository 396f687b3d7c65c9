"""quickcache.testing: functions disabled, isolated and recorded, whatever their helpers and caches."""

import asyncio
import gc
import logging
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from quickcache import (
    CacheWithPresets,
    ForceSkipCache,
    MemoryCache,
    QuickCacheHelper,
    RedisCache,
    TieredCache,
    get_quickcache,
)
from quickcache.testing import Counts, Switch, disabled, isolated, recorded


class Store:
    """A tier of another kind."""

    def __init__(self):
        self.held = {}

    def get(self, key, default=None):
        return self.held.get(key, default)

    def set(self, key, value):
        self.held[key] = value

    def delete(self, key):
        self.held.pop(key, None)


class CallsSuper(QuickCacheHelper):
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs)

    def call(self, *args, **kwargs):
        return super().call(*args, **kwargs)


class OwnKeys(QuickCacheHelper):
    def get_cache_key(self, *args, **kwargs):
        return f"own:{super().get_cache_key(*args, **kwargs)}"


class StoresItself(QuickCacheHelper):
    def __call__(self, *args, **kwargs):
        key = self.get_cache_key(*args, **kwargs)
        value = self.cache.get(key, default=...)
        if value is ...:
            value = self.fn(*args, **kwargs)
            self.cache.set(key, value)
        return value


class HasProperties(QuickCacheHelper):
    """Its attributes do not lie in its `__dict__`."""

    @property
    def cache(self):
        return self.its_cache

    @cache.setter
    def cache(self, cache):
        self.its_cache = cache


class Duck:
    """All that a decorator asks of a helper, and nothing inherited."""

    prefix = "duck"

    def __init__(self, fn, vary_on, cache, **_options):
        self.fn, self.cache = fn, cache

    def get_cache_key(self, *args):
        return f"{self.fn.__qualname__}{args}"

    def __call__(self, *args):
        value = self.get_cached_value(*args)
        if value is ...:
            value = self.fn(*args)
            self.set_cached_value(*args)(value)
        return value

    def get_cached_value(self, *args):
        return self.cache.get(self.get_cache_key(*args), default=...)

    def set_cached_value(self, *args):
        return lambda value: self.cache.set(self.get_cache_key(*args), value)

    def clear(self, *args):
        self.cache.delete(self.get_cache_key(*args))


HELPERS = [QuickCacheHelper, CallsSuper, OwnKeys, StoresItself, HasProperties, Duck]
CACHES = {
    "memory": lambda _: MemoryCache(),
    "shared memory": lambda _: MemoryCache(isolate=False),
    "presets": lambda _: CacheWithPresets(MemoryCache(), 60),
    "tiers": lambda _: TieredCache([MemoryCache(), MemoryCache()]),
    "Python": lambda _: Store(),
    "tiers over Python": lambda _: TieredCache([MemoryCache(), Store()]),
}
if sys.platform != "win32":
    CACHES["Redis"] = lambda request: redis(request)  # noqa: PLW0108  which is yet to come
    CACHES["memory before Redis"] = lambda request: TieredCache([MemoryCache(), redis(request)])


def redis(request):
    url = request.getfixturevalue("shared").server().url
    # The machine may be busy, and the server is not what is tried here.
    return RedisCache(url, key_prefix=f"{request.node.nodeid}:", deadline=60, on_error="raise")


@pytest.fixture(params=CACHES)
def cache(request):
    found = CACHES[request.param](request)
    yield found
    for tier in getattr(found, "caches", [found]):
        if isinstance(tier, RedisCache):
            tier.clear()
            tier.close()


@pytest.fixture(params=HELPERS)
def helper_class(request):
    return request.param


def counting(cache, helper_class=QuickCacheHelper, **options):
    """A decorated function, and what it was really called with."""
    called = []

    @get_quickcache(cache=cache)(["a"], helper_class=helper_class, **options)
    def function(a):
        called.append(a)
        return [a, len(called)]

    return function, called


def keys_of(cache):
    """All that a cache of these tests holds."""
    return sum(
        len(tier.held if isinstance(tier, Store) else tier)
        for tier in getattr(cache, "caches", [getattr(cache, "cache", cache)])
        if not isinstance(tier, RedisCache)
    )


class TestDisabled:
    def test_each_call_computes_and_nothing_is_kept(self, cache, helper_class):
        function, called = counting(cache, helper_class)
        before = function(1)

        with disabled():
            held = keys_of(cache)
            assert [[1, 2], [1, 3], [2, 4]] == [function(1), function(1), function(2)]
            assert keys_of(cache) <= held

        assert [before, [2, 5]] == [function(1), function(2)]
        assert [1, 1, 1, 2, 2] == called

    def test_what_is_cached_is_not_read_and_cannot_be_set(self, cache):
        function, _ = counting(cache)
        function(1)

        with disabled():
            assert ... is function.get_cached_value(1)
            function.set_cached_value(1).to("other")
            assert ... is function.get_cached_value(1)

        assert [1, 1] == function.get_cached_value(1)

    def test_a_clear_clears(self, cache):
        """Or else what a test has changed would be found again, as it was, by the next one."""
        function, _ = counting(cache)
        function(1)

        with disabled():
            function.clear(1)

        assert [1, 2] == function(1)

    def test_threads_do_not_wait_for_one_another(self):
        both = threading.Barrier(2, timeout=30)

        @get_quickcache(cache=MemoryCache())([])
        def function():
            return both.wait()

        with disabled(), ThreadPoolExecutor() as pool:
            results = [future.result() for future in [pool.submit(function) for _ in range(2)]]

        assert [0, 1] == sorted(results)

    def test_arguments_are_not_made_into_a_key(self):
        function, called = counting(MemoryCache())

        with disabled():
            function(object)

        assert [object] == called


class TestIsolated:
    def test_nothing_from_before_is_seen_and_nothing_is_left(self, cache, helper_class):
        function, called = counting(cache, helper_class)
        before = function(1)
        held = keys_of(cache)

        with isolated():
            assert [[1, 2]] * 3 == [function(1), function(1), function(1)]
            assert [2, 3] == function(2)

        # Of what was there, a server may have told meanwhile that this process wrote it.
        assert keys_of(cache) <= held
        assert before == function(1)
        assert [2, 4] == function(2)
        assert [1, 1, 2, 2] == called

    def test_what_is_read_set_and_cleared_is_inside(self, cache, helper_class):
        function, _ = counting(cache, helper_class)
        function(1)

        with isolated():
            assert ... is function.get_cached_value(1)
            setting = function.set_cached_value(1)
            (setting if helper_class is Duck else setting.to)("other")
            assert "other" == function(1)
            function.clear(1)
            assert [1, 2] == function(1)

        assert [1, 1] == function(1)

    def test_one_inside_another_is_a_third(self, cache):
        function, _ = counting(cache)
        function(1)
        with isolated():
            function(1)
            with isolated():
                assert [1, 3] == function(1)
            assert [1, 2] == function(1)
        assert [1, 1] == function(1)

    def test_a_clear_wins_inside_too(self):
        """The tiers are asked as ever, by other keys."""
        called = []

        @get_quickcache(cache=TieredCache([MemoryCache(), MemoryCache()]))([])
        def function():
            called.append(1)
            if len(called) == 1:
                function.clear()

        with isolated():
            function()
            function()
            function()

        assert 2 == len(called)

    def test_threads_compute_once_inside_too(self):
        inside = threading.Event()
        called = []

        @get_quickcache(cache=MemoryCache(), flight_wait=60)([])
        def function():
            called.append(1)
            inside.wait(30)

        with isolated(), ThreadPoolExecutor() as pool:
            futures = [pool.submit(function) for _ in range(2)]
            inside.set()
            [future.result() for future in futures]
            function()

        assert 1 == len(called)

    def test_a_tier_that_is_passed_over_stays_so(self):
        here = MemoryCache()

        def prefix():
            raise ForceSkipCache

        function, called = counting(CacheWithPresets(here, 60, prefix))
        with isolated():
            function(1)
            function(1)

        assert (2, 0) == (len(called), len(here))

    def test_what_cannot_be_deleted_is_told_to_the_log(self, caplog):
        class Failing(Store):
            def delete(self, key):
                raise OSError("gone")

        function, _ = counting(Failing())
        with caplog.at_level(logging.WARNING, "quickcache"), isolated():
            function(1)

        [record] = caplog.records
        assert "is left where it is, until its timeout: OSError: gone" in record.message

    def test_a_key_that_is_no_text_is_refused(self):
        class Tuples(QuickCacheHelper):
            def get_cache_key(self, *args, **kwargs):
                return (1, 2)

        function, _ = counting(Store(), Tuples)
        with isolated(), pytest.raises(TypeError, match=r"Tuples\.get_cache_key returned tuple, not str"):
            function(1)

    def test_a_cache_that_is_given_inside_is_emptied_as_well(self):
        first, other = MemoryCache(), MemoryCache()
        function, _ = counting(first)
        with isolated():
            function(1)
            function.clear.__self__.cache = other
            function(1)
            assert (1, 1) == (len(first), len(other))

        assert (0, 0) == (len(first), len(other))
        assert other is function.clear.__self__.cache


class TestRecorded:
    def test_hits_and_misses_are_counted(self, cache, helper_class):
        function, _ = counting(cache, helper_class)
        with recorded() as calls:
            function(1)
            function(1)
            function(2)
            function(1)

        assert Counts(hits=2, misses=2, skips=0) == calls[function]
        function(1)
        assert Counts(hits=2, misses=2, skips=0) == calls[function]

    def test_what_was_cached_before_is_a_hit(self, cache):
        function, _ = counting(cache)
        function(1)
        with recorded() as calls:
            function(1)

        assert Counts(1, 0, 0) == calls[function]

    def test_calls_that_skip_the_cache_are_no_misses(self):
        @get_quickcache(cache=MemoryCache())(["a"], skip_arg="fresh")
        def function(a, fresh=False):
            return a

        with recorded() as calls:
            function(1, fresh=True)
            function(1)
            function(1, True)

        assert Counts(hits=1, misses=0, skips=2) == calls[function]

    def test_a_function_that_raises_was_a_miss_and_a_wrong_call_is_none(self):
        @get_quickcache(cache=MemoryCache())(["a"])
        def function(a):
            raise ZeroDivisionError

        with recorded() as calls:
            with pytest.raises(ZeroDivisionError):
                function(1)
            with pytest.raises(TypeError):
                function()

        assert Counts(0, 1, 0) == calls[function]

    def test_functions_are_counted_apart_also_within_one_another(self):
        quickcache = get_quickcache(cache=MemoryCache())

        @quickcache(["n"])
        def down(n):
            return inner(n) + (down(n - 1) if n else 0)

        @quickcache([])
        def inner(n):
            return 1

        with recorded() as calls:
            down(3)

        assert (Counts(0, 4, 0), Counts(3, 1, 0)) == (calls[down], calls[inner])
        assert Counts(3, 5, 0) == calls.total

    def test_who_waits_for_another_thread_has_a_hit(self):
        inside, waits = threading.Event(), threading.Event()

        @get_quickcache(cache=MemoryCache(), flight_wait=60)([])
        def function():
            inside.set()
            waits.wait(30)

        def second():
            inside.wait(30)
            waits.set()
            function()

        with recorded() as calls, ThreadPoolExecutor() as pool:
            [future.result() for future in [pool.submit(function), pool.submit(second)]]

        assert Counts(1, 1, 0) == calls[function]

    def test_no_call_of_many_threads_is_lost(self):
        function, _ = counting(MemoryCache())
        with recorded() as calls, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: [function(1) for _ in range(100)], range(8)))

        assert 800 == sum(calls[function])

    def test_methods_are_found_however_they_are_bound(self):
        quickcache = get_quickcache(cache=MemoryCache())

        class Class:
            @quickcache(["self.__class__"])
            def method(self):
                return 1

            @classmethod
            @quickcache([])
            def of_class(cls):
                return 1

            @staticmethod
            @quickcache([])
            def static():
                return 1

            @property
            @quickcache([])
            def size(self):
                return 1

        with recorded() as calls:
            Class().of_class()
            Class.static()
            assert 1 == Class().size

        one = Counts(0, 1, 0)
        found = [Class.of_class, Class().of_class, Class.static, Class.size.fget]
        assert [one] * 4 == [calls[function] for function in found]
        assert Counts(0, 0, 0) == calls[Class().method]

    def test_what_is_not_decorated_is_refused(self):
        with recorded() as calls, pytest.raises(TypeError, match="not of <function keys_of"):
            calls[keys_of]

    def test_it_shows_who_was_called(self):
        function, _ = counting(MemoryCache())
        with recorded() as calls:
            assert "<Recording>" == repr(calls)
            function(1)

        name = f"{__name__}.counting.<locals>.function"
        assert f"<Recording\n  {name}: Counts(hits=0, misses=1, skips=0)>" == repr(calls)

    def test_parameters_of_every_kind_are_read_as_without_it(self):
        @get_quickcache(cache=MemoryCache())(["a", "c"])
        def function(a, /, *rest, c=1, **more):
            return (a, rest, c, more)

        with recorded() as calls:
            assert (1, (), 1, {"a": 2}) == function(1, a=2)
            assert (1, (), 1, {"a": 2}) == function(1, a=3)
            assert (1, (2,), 3, {}) == function(1, 2, c=3)

        assert Counts(1, 2, 0) == calls[function]


class TestTogether:
    def test_the_inner_one_of_disabled_and_isolated_counts(self):
        function, called = counting(MemoryCache())
        with disabled():
            with isolated():
                function(1)
                function(1)
            function(1)
        assert 2 == len(called)
        with isolated():
            with disabled():
                function(1)
                function(1)
            function(1)
            function(1)
        assert 5 == len(called)

    def test_disabled_calls_are_recorded_as_misses(self):
        function, _ = counting(MemoryCache())
        with recorded() as outer, disabled(), recorded() as inner:
            function(1)
            function(1)

        assert [Counts(0, 2, 0)] * 2 == [outer[function], inner[function]]

    def test_they_may_end_in_any_order(self):
        function, called = counting(MemoryCache())
        first, second = isolated(), disabled()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        function(1)
        function(1)
        second.__exit__(None, None, None)
        function(1)
        function(1)

        assert 3 == len(called)

    def test_what_is_decorated_inside_follows_at_once(self, helper_class):
        cache = MemoryCache()
        with isolated(), recorded() as calls:
            function, _ = counting(cache, helper_class)
            function(1)
            function(1)
            assert 1 == len(cache)

        assert Counts(1, 1, 0) == calls[function]
        assert 0 == len(cache)
        assert helper_class is type(function.clear.__self__)

    def test_patches_of_tests_work_inside_and_are_gone_after(self):
        function, _ = counting(MemoryCache())
        with isolated():
            patch = mock.patch.object(QuickCacheHelper, "call", return_value="patched")
            patch.start()
            assert "patched" == function(1)
        assert "patched" == function(1)
        patch.stop()
        assert [1, 1] == function(1)

    def test_attributes_that_are_set_on_a_helper_go_by_it(self):
        function, called = counting(MemoryCache())
        helper = function.clear.__self__
        helper.get_cache_key = lambda *args: "own"
        with isolated():
            function(1)
            function(2)
            del helper.get_cache_key
            function(2)
            with pytest.raises(AttributeError):
                del helper.get_cache_key

        assert [1, 2] == called

    def test_afterwards_a_helper_is_what_it_was_and_hits_enter_no_python(self, entered):
        function, _ = counting(MemoryCache())
        attributes = set(vars(function.clear.__self__))
        with isolated(), disabled(), recorded():
            function(1)
        function(1)
        function(1)

        assert QuickCacheHelper is type(function.clear.__self__)
        assert attributes | {"_quickcache_plan"} == set(vars(function.clear.__self__)) | {"_quickcache_plan"}
        if sys.version_info >= (3, 12):
            assert [] == entered(function, 1)

    def test_a_thousand_times_leave_a_hit_as_it_was(self, entered):
        """Patches of the class would have used up its versions on CPython 3.13."""
        function, called = counting(MemoryCache())
        for _ in range(1_000):
            with isolated():
                function(1)
        function(1)
        function(1)

        assert 1_001 == len(called)
        if sys.version_info >= (3, 12):
            assert [] == entered(function, 1)

    def test_no_function_is_kept_alive(self):
        function, _ = counting(MemoryCache())
        with isolated():
            function(1)
        with disabled():
            function(1)
        gone = weakref.ref(function)
        del function
        gc.collect()

        assert gone() is None


class TestDecorating:
    def test_a_function_is_switched_while_it_runs(self):
        function, called = counting(MemoryCache())

        @disabled()
        def test(a, *, b):
            """Its own."""
            return function(a), function(a), b

        assert ([1, 1], [1, 2], 5) == test(1, b=5)
        assert ("test", "Its own.") == (test.__name__, test.__doc__)
        function(1)
        function(1)
        assert 3 == len(called)

    def test_each_call_has_a_namespace_of_its_own(self):
        function, called = counting(MemoryCache())

        @isolated()
        def test(depth):
            function(1)
            if depth:
                test(depth - 1)

        test(2)
        test(0)
        assert 4 == len(called)

    def test_a_call_that_ends_leaves_the_namespace_of_another_thread_alone(self):
        function, called = counting(MemoryCache())
        first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

        @isolated()
        def test(is_second):
            if not is_second:
                first_is_in.set()
                second_is_in.wait(30)
                return
            function(1)
            second_is_in.set()
            first_is_out.wait(30)
            function(1)

        with ThreadPoolExecutor() as pool:
            first = pool.submit(test, False)
            first_is_in.wait(30)
            second = pool.submit(test, True)
            first.result()
            first_is_out.set()
            second.result()

        assert [1] == called

    def test_a_coroutine_function_is_switched_until_it_is_done(self):
        function, called = counting(MemoryCache())

        @disabled()
        async def test():
            function(1)
            await asyncio.sleep(0)
            function(1)

        asyncio.run(test())
        assert 2 == len(called)

    @pytest.mark.parametrize("kind", ["class", "generator", "async generator"])
    def test_what_does_not_run_to_its_end_is_refused(self, kind):
        class Case(unittest.TestCase):
            pass

        def generator():
            yield

        async def asyncgenerator():
            yield

        given = {"class": Case, "generator": generator, "async generator": asyncgenerator}[kind]
        with pytest.raises(TypeError, match="write `with` inside of it"):
            isolated()(given)

    def test_a_test_case_enters_it_in_set_up(self):
        function, called = counting(MemoryCache())

        class Case(unittest.TestCase):
            def setUp(self):
                self.enterContext(isolated())
                self.calls = self.enterContext(recorded())

            def test_one(self):
                function(1)
                self.assertEqual(Counts(0, 1, 0), self.calls[function])  # noqa: PT009

            test_two = test_one

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)

        assert (2, [], []) == (result.testsRun, result.errors, result.failures)
        assert 2 == len(called)


def test_a_helper_that_cannot_be_switched_is_named():
    class Final(QuickCacheHelper):
        def __init_subclass__(cls):
            raise TypeError("it is final")

    function, _ = counting(MemoryCache(), Final)
    with pytest.raises(TypeError, match="it is final") as raised, disabled():
        pass

    assert "function has a helper that the helpers for tests cannot switch" in raised.value.__notes__[0]
    assert [1, 1] == function(1) == function(1)
    assert isinstance(disabled(), Switch)


def test_it_imports_no_django(run_program):
    assert "False\n" == run_program(
        "import quickcache.testing, sys\nprint(not {'django', 'pytest'}.isdisjoint(sys.modules))"
    )
