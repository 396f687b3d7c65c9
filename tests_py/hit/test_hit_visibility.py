"""Who sees a hit: nobody who watches Python's functions; a miss is seen by all of them."""

import cProfile
import gc
import pstats
import sys
from types import FunctionType

import pytest

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache

CACHES = {
    "memory": MemoryCache,
    "presets": lambda: CacheWithPresets(MemoryCache(), 60),
    "tiered": lambda: TieredCache([MemoryCache(), MemoryCache()]),
}
# 3.11 calls the body of a decorated function, and so do builds without a GIL.
HAS_ENTRY = sys.version_info >= (3, 12) and getattr(sys, "_is_gil_enabled", lambda: True)()


class Owner:
    id = 1


@pytest.fixture(params=CACHES)
def cached(request):
    @get_quickcache(cache=CACHES[request.param]())(["x", "owner.id"])
    def compute(x, owner=Owner):
        return x

    return compute


def names_of(cached, *, computed):
    """What a profile has of a call: the body, if it runs, and the function if it is computed."""
    body = [] if HAS_ENTRY else [cached.__code__.co_qualname]
    return [*body, cached.__wrapped__.__code__.co_qualname] if computed else body


class TestAProfile:
    def test_has_no_hits_but_all_misses(self, cached, hot, entered):
        hot(cached, 1)

        assert names_of(cached, computed=False) == entered(cached, 1)
        assert names_of(cached, computed=True) == entered(cached, 2)
        assert names_of(cached, computed=False) == entered(cached, 2)
        cached.clear(1)
        assert names_of(cached, computed=True) == entered(cached, 1)

    def test_leaves_hits_what_they_are(self, cached, hot, entered):
        found = []
        hot(cached, 1)
        entered(lambda: found.extend(cached(1) for _ in range(3)))

        assert [1, 1, 1] == found

    def test_by_cprofile_has_the_misses_as_calls_of_the_function(self, cached):
        profile = cProfile.Profile()
        profile.runcall(lambda: [cached(x) for x in (1, 2, 3) for _ in range(10)])
        calls = {name: count for (_, _, name), (count, *_) in pstats.Stats(profile).stats.items()}

        assert calls["compute"] == 3


class TestATrace:
    def test_has_no_hits_but_all_misses(self, cached, hot):
        def traced(x):
            seen = []
            before = sys.gettrace()
            gc.disable()  # which calls functions of its own, such as those of hypothesis
            sys.settrace(lambda frame, event, arg: seen.append(frame.f_code.co_qualname))
            try:
                cached(x)
            finally:
                sys.settrace(before)
                gc.enable()
            return seen

        hot(cached, 1)
        assert names_of(cached, computed=False) == traced(1)
        assert names_of(cached, computed=True) == traced(2)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is there since 3.12")
class TestMonitoring:
    def test_has_each_call_of_the_decorated_function_as_one_of_c(self, cached, hot):
        """What counts calls sees them, by what is called."""
        hot(cached, 1)
        monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID
        called = []
        monitoring.use_tool_id(tool, "test")
        try:
            monitoring.register_callback(
                tool, monitoring.events.CALL, lambda code, offset, callee, argument: called.append(callee)
            )
            monitoring.set_events(tool, monitoring.events.CALL)
            cached(1)
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, monitoring.events.CALL, None)
            monitoring.free_tool_id(tool)

        assert 1 == called.count(cached)


class TestAProfileThatCallsTheFunction:
    """It does so while a value that is missing is on its way."""

    CALLS = (((1,), {}), ((1,), {"y": 2}), ((2,), {}), ((), {"x": 3, "y": 1}))

    @pytest.mark.parametrize(("args", "kwargs"), CALLS)
    def test_gets_answers_and_disturbs_none(self, args, kwargs):
        @get_quickcache(cache=MemoryCache())(["x"])
        def cached(x, y=None):
            return x, y

        told, busy = [], []

        def profile(frame, event, arg):
            if event == "call" and frame.f_code is cached.__wrapped__.__code__ and not busy:
                busy.append(1)
                told.append([cached(*args, **kwargs)[0] for args, kwargs in self.CALLS])
                busy.clear()

        for _ in range(3):
            sys.setprofile(profile)
            try:
                found = cached(*args, **kwargs)
            finally:
                sys.setprofile(None)
            # the rest is of the call that came first, which on 3.11 is one of those within
            assert cached.__wrapped__(*args, **kwargs)[0] == found[0]
            cached.clear(*args, **kwargs)
        assert [[1, 1, 2, 3]] * 3 == told

    def test_gets_answers_from_bodies_that_have_no_entry_too(self):
        """A copy of a function asks from its body alone."""
        quickcache = get_quickcache(cache=MemoryCache())

        @quickcache(["x"])
        def cached(x):
            return "cached", x

        @quickcache(["x"])
        def other(x):
            return "other", x

        def copy(function):
            return FunctionType(function.__code__, function.__globals__, "copy", None, function.__closure__)

        cached_copy, other_copy = copy(cached), copy(other)
        told, busy = [], []

        def profile(frame, event, arg):
            if event == "call" and frame.f_code is cached.__wrapped__.__code__ and not busy:
                busy.append(1)
                told.append((cached_copy(2), other_copy(1), cached_copy(x=3), other_copy(x=1)))
                busy.clear()

        for _ in range(3):
            sys.setprofile(profile)
            try:
                found = cached(1)
            finally:
                sys.setprofile(None)
            assert ("cached", 1) == found
            for x in (1, 2, 3):
                cached.clear(x)
                other.clear(x)
        assert [(("cached", 2), ("other", 1), ("cached", 3), ("other", 1))] * 3 == told
