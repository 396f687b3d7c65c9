"""One computation per miss: threads that miss the same key at the same time wait for the first of them."""

import ctypes
import threading

import pytest

from quickcache import (
    CacheWithPresets,
    ForceSkipCache,
    MemoryCache,
    QuickCacheHelper,
    TieredCache,
    get_quickcache,
    stats,
)

LIMIT = 20  # seconds after which something hangs


class DictTier:
    """A tier in Python, which notes what it is asked."""

    def __init__(self):
        self.values = {}
        self.calls = []

    def get(self, key, default=None):
        self.calls.append("get")
        return self.values.get(key, default)

    def set(self, key, value, timeout=None):
        self.calls.append("set")
        self.values[key] = value

    def delete(self, key):
        self.calls.append("delete")
        self.values.pop(key, None)


CACHES = {
    "memory": MemoryCache,
    "memory, shared values": lambda: MemoryCache(isolate=False),
    "memory that keeps nothing": lambda: MemoryCache(timeout=0),
    "presets around memory": lambda: CacheWithPresets(MemoryCache(), 10, lambda: "t"),
    "python": DictTier,
    "presets around python": lambda: CacheWithPresets(DictTier(), 10, lambda: "t"),
    "tiers": lambda: TieredCache([MemoryCache(), DictTier()]),
    "tiers, python first": lambda: TieredCache([DictTier(), MemoryCache()]),
}


@pytest.fixture(params=CACHES.values(), ids=CACHES)
def cache(request):
    return request.param()


pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


def cached(function, cache, **options):
    return get_quickcache(cache=cache, **options)(["x"])(function)


class TestThreadsThatMissTheSameKey:
    def test_compute_once_in_a_functions_first_calls(self, crowd, new_gate, switching_often):
        """When each thread comes upon a function that has not been called before."""
        for gate in (new_gate() for _ in range(200)):
            start = threading.Barrier(3)

            def compute(x, gate=gate):
                gate.stop()
                return x

            f = cached(compute, MemoryCache())

            def call(start=start, f=f):
                start.wait(LIMIT)
                return f(1)

            calls = [crowd.call(call) for _ in range(3)]
            crowd.is_waiting(f, 2)
            gate.open()
            assert [1] * 3 == [call.result(LIMIT) for call in calls]

    def test_compute_once(self, cache, crowd, gate):
        """Fifty threads on a cold key: one call."""

        def compute(x):
            gate.stop()
            return [x]

        f = cached(compute, cache)
        first, *others = crowd.behind(gate, f, 49)
        gate.open()
        assert [[1]] * 50 == [call.result(LIMIT) for call in [first, *others]]
        assert {"computations": 1, "waits": 49, "wait_cycles": 0, "wait_timeouts": 0} == stats(f)

    def test_compute_once_without_being_arranged(self, cache, crowd):
        """All at once from a cold start; a tier in Python may be asked by one too late, and is not twice."""
        computed = []
        start = threading.Barrier(50)

        def compute(x):
            computed.append(x)
            return x

        f = cached(compute, cache)

        def call():
            start.wait()
            return f(1)

        assert [1] * 50 == [call.result(LIMIT) for call in [crowd.call(call) for _ in range(50)]]
        assert 1 <= len(computed)
        if isinstance(cache, MemoryCache) and cache.timeout != 0:
            assert [1] == computed

    def test_compute_other_keys_at_the_same_time(self, cache, crowd):
        both = threading.Barrier(2)

        def compute(x):
            both.wait(LIMIT)
            return x

        f = cached(compute, cache)
        assert [1, 2] == [call.result(LIMIT) for call in [crowd.call(f, 1), crowd.call(f, 2)]]

    def test_each_compute_without_single_flight(self, cache, crowd):
        both = threading.Barrier(2)

        def compute(x):
            both.wait(LIMIT)
            return x

        f = cached(compute, cache, single_flight=False)
        assert [1, 1] == [call.result(LIMIT) for call in [crowd.call(f, 1), crowd.call(f, 1)]]
        assert 0 == stats(f)["waits"]

    @pytest.mark.parametrize("value", [None, False, 0, ""])
    def test_share_values_that_are_false(self, cache, crowd, gate, value):
        def compute(x):
            gate.stop()
            return value

        f = cached(compute, cache)
        first, other = crowd.behind(gate, f, 1)
        gate.open()
        assert [value, value] == [first.result(LIMIT), other.result(LIMIT)]
        assert 1 == stats(f)["computations"]

    def test_are_kept_apart(self, cache, crowd, gate):
        """What one does to the value, the others do not see; unless values are shared on purpose."""

        def compute(x):
            gate.stop()
            return [x]

        f = cached(compute, cache)
        first, *others = crowd.behind(gate, f, 2)
        gate.open()
        values = [call.result(LIMIT) for call in [first, *others]]
        are_shared = isinstance(cache, MemoryCache) and not cache.isolate
        assert (1 if are_shared else 3) == len({id(value) for value in values})

    def test_share_by_method_and_keyword_alike(self, crowd, gate):
        class Account:
            id = 7

            @get_quickcache(cache=MemoryCache())(["self.id", "year"])
            def total(self, year):
                gate.stop()
                return year

        first = crowd.call(Account().total, 2024)
        gate.await_one()
        other = crowd.call(Account().total, year=2024)
        crowd.is_waiting(Account.total, 1)
        gate.open()
        assert [2024, 2024] == [first.result(LIMIT), other.result(LIMIT)]


class TestAValueThatOthersCannotHave:
    def test_is_computed_by_each(self, crowd, gate):
        """A lock in a tier in Python: nothing could keep the callers apart."""

        def compute(x):
            gate.stop()
            return threading.Lock()

        f = cached(compute, DictTier())
        calls = crowd.behind(gate, f, 2)
        gate.open()
        assert 3 == len({id(call.result(LIMIT)) for call in calls})

    def test_ellipsis_is_none(self, cache, crowd, gate):
        def compute(x):
            gate.stop()
            return ...

        f = cached(compute, cache)
        first, other = crowd.behind(gate, f, 1)
        gate.open()
        assert [..., ...] == [first.result(LIMIT), other.result(LIMIT)]
        assert 2 == stats(f)["computations"]


class TestALeaderThatFails:
    def test_has_its_error_for_itself_and_the_next_one_computes(self, cache, crowd, gate):
        tries = []

        def compute(x):
            tries.append(x)
            if len(tries) == 1:
                gate.stop()
                raise LookupError("the first")
            return x

        f = cached(compute, cache)
        first, *others = crowd.behind(gate, f, 5)
        gate.open()
        with pytest.raises(LookupError, match="the first"):
            first.result(LIMIT)
        assert [1] * 5 == [call.result(LIMIT) for call in others]
        if not isinstance(cache, DictTier | CacheWithPresets | TieredCache) and cache.timeout != 0:
            assert 2 == len(tries)

    def test_strands_nobody_while_its_traceback_is_kept(self, cache, crowd, gate):
        tries = []

        def compute(x):
            tries.append(x)
            if len(tries) == 1:
                gate.stop()
                raise LookupError("the first")
            return x

        f = cached(compute, cache, flight_wait=1000)
        first, other = crowd.behind(gate, f, 1)
        gate.open()
        kept = first.exception(LIMIT)
        assert 1 == other.result(LIMIT)
        assert kept.__traceback__ is not None

    def test_may_be_ended_by_an_asynchronous_exception(self, cache, crowd, gate):
        tries = []

        def compute(x):
            tries.append(threading.get_ident())
            if len(tries) == 1:
                gate.stop()
                while True:
                    pass
            return x

        f = cached(compute, cache, flight_wait=1000)
        first, other = crowd.behind(gate, f, 1)
        gate.open()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(tries[0]), ctypes.py_object(SystemExit))
        assert 1 == other.result(LIMIT)
        assert isinstance(first.exception(LIMIT), SystemExit)

    def test_because_a_tier_does_leaves_the_others_to_try(self, crowd, gate):
        class Full(DictTier):
            def set(self, key, value):
                raise OSError("disk full")

        def compute(x):
            gate.stop()
            return x

        f = cached(compute, Full())
        calls = crowd.behind(gate, f, 2)
        gate.open()
        assert ["disk full"] * 3 == [str(call.exception(LIMIT)) for call in calls]


class TestWaitsThatWouldNotEnd:
    def test_of_a_function_that_calls_itself(self, cache):
        depth = []

        def compute(x):
            depth.append(x)
            return f(x) if len(depth) < 5 else x

        f = cached(compute, cache, flight_wait=1000)
        assert 1 == f(1)
        assert 4 == stats(f)["wait_cycles"]

    @pytest.mark.parametrize("size", [2, 3, 50])
    def test_of_threads_in_a_ring(self, cache, crowd, size):
        """Each key's function calls the next key's: no hang, and each is computed twice at most."""
        start = threading.Barrier(size)
        computed = [0] * size
        outermost = threading.local()

        def compute(x):
            computed[x] += 1
            if not getattr(outermost, "is_in", False):
                outermost.is_in = True
                start.wait(LIMIT)
                return f((x + 1) % size) + 1
            return 0

        f = cached(compute, cache, flight_wait=1000)
        calls = [crowd.call(f, x) for x in range(size)]
        assert size == len([call.result(LIMIT) for call in calls])
        assert max(computed) <= 2

    def test_of_two_functions_that_call_each_other(self, cache, crowd):
        both = threading.Barrier(2)
        first = threading.local()

        def one(x):
            if not getattr(first, "is_in", False):
                first.is_in = True
                both.wait(LIMIT)
                return g(x)
            return "one"

        def two(x):
            if not getattr(first, "is_in", False):
                first.is_in = True
                both.wait(LIMIT)
                return f(x)
            return "two"

        f = cached(one, cache, flight_wait=1000)
        g = cached(two, cache, flight_wait=1000)
        calls = [crowd.call(f, 1), crowd.call(g, 1)]
        assert {"one", "two"} >= {call.result(LIMIT) for call in calls}

    def test_for_a_lock_that_the_waiter_holds(self, cache, crowd):
        """Nobody can see such a circle: after `flight_wait` the waiter computes."""
        lock = threading.Lock()
        begun = threading.Event()

        def compute(x):
            begun.set()
            with lock if not lock_is_mine.is_set() else threading.Lock():
                return x

        lock_is_mine = threading.Event()
        f = cached(compute, cache, flight_wait=0.05)
        with lock:
            first = crowd.call(f, 1)
            assert begun.wait(LIMIT)
            lock_is_mine.set()
            assert 1 == f(1)
            assert {"computations": 2, "waits": 1, "wait_cycles": 0, "wait_timeouts": 1} == stats(f)
        assert 1 == first.result(LIMIT)

    def test_without_any_patience(self, cache, crowd, gate):
        def compute(x):
            if threading.current_thread() is not threading.main_thread():
                gate.stop()
            return x

        f = cached(compute, cache, flight_wait=0)
        first = crowd.call(f, 1)
        gate.await_one()
        assert 1 == f(1)
        gate.open()
        assert 1 == first.result(LIMIT)


class TestCallersWhoseValuesAreNotTheSame:
    def test_by_what_a_prefix_function_says(self, crowd):
        """Two sessions miss the same key: neither is given the other's value."""
        session = threading.local()
        both = threading.Barrier(2)
        cache = CacheWithPresets(MemoryCache(), None, lambda: session.name)
        for tier in (cache, TieredCache([cache]), CacheWithPresets(DictTier(), None, lambda: session.name)):

            def compute(x):
                both.wait(LIMIT)
                return session.name

            f = cached(compute, tier)

            def call(name, f=f):
                session.name = name
                return f(1)

            assert ["a", "b"] == [c.result(LIMIT) for c in [crowd.call(call, "a"), crowd.call(call, "b")]]

    @pytest.mark.parametrize("make", [MemoryCache, DictTier], ids=["memory", "python"])
    def test_where_the_prefix_function_has_the_cache_skipped(self, crowd, make):
        def skip():
            raise ForceSkipCache

        both = threading.Barrier(2)

        def compute(x):
            both.wait(LIMIT)
            return object()

        f = cached(compute, CacheWithPresets(make(), None, skip))
        values = [call.result(LIMIT) for call in [crowd.call(f, 1), crowd.call(f, 1)]]
        assert values[0] is not values[1]


class OwnCall(QuickCacheHelper):
    def call(self, *args, **kwargs):
        return super().call(*args, **kwargs)


class OwnSkip(QuickCacheHelper):
    def skip(self, *args, **kwargs):
        return False


class OwnKey(QuickCacheHelper):
    def get_cache_key(self, *args, **kwargs):
        return f"own {super().get_cache_key(*args, **kwargs)}"


class AllOwn(OwnCall, OwnSkip, OwnKey):
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, **kwargs)


@pytest.mark.parametrize("helper_class", [OwnCall, OwnSkip, OwnKey, AllOwn])
class TestHelpersThatGoTheirOwnWay:
    def test_compute_once(self, cache, crowd, gate, helper_class):
        def compute(x):
            gate.stop()
            return [x]

        f = cached(compute, cache, helper_class=helper_class)
        if getattr(cache, "prefix_function", None):  # who says what, is not known there
            gate.open()
            assert [1] == f(1)
            return
        calls = crowd.behind(gate, f, 5)
        gate.open()
        values = [call.result(LIMIT) for call in calls]
        assert [[1]] * 6 == values
        assert {"computations": 1, "waits": 5, "wait_cycles": 0, "wait_timeouts": 0} == stats(f)

    def test_each_compute_without_single_flight(self, cache, crowd, helper_class):
        both = threading.Barrier(2)

        def compute(x):
            both.wait(LIMIT)
            return x

        f = cached(compute, cache, single_flight=False, helper_class=helper_class)
        assert [1, 1] == [call.result(LIMIT) for call in [crowd.call(f, 1), crowd.call(f, 1)]]

    def test_strand_nobody_by_an_error(self, cache, crowd, gate, helper_class):
        def compute(x):
            gate.stop()
            raise LookupError

        f = cached(compute, cache, helper_class=helper_class)
        calls = [crowd.call(f, 1)]
        gate.await_one()
        calls += [crowd.call(f, 1) for _ in range(2)]
        gate.open()
        assert [LookupError] * 3 == [type(call.exception(LIMIT)) for call in calls]

    def test_join_no_flight_from_before_a_clear(self, crowd, gates, helper_class):
        tries = []

        def compute(x):
            number = len(tries)
            tries.append(x)
            gates[number].stop()
            return number

        f = cached(compute, MemoryCache(), flight_wait=1000, helper_class=helper_class)
        before = crowd.call(f, 1)
        gates[0].await_one()
        f.clear(1)
        after = crowd.call(f, 1)
        gates[1].await_one()
        gates[1].open()
        assert 1 == after.result(LIMIT)
        gates[0].open()
        assert 0 == before.result(LIMIT)
        assert 1 == f(1)

    def test_keep_apart_what_prefix_functions_tell_apart(self, crowd, helper_class):
        tenant = threading.local()
        both = threading.Barrier(2)

        def compute(x):
            both.wait(LIMIT)
            return tenant.name

        cache = CacheWithPresets(MemoryCache(), 10, lambda: tenant.name)
        f = cached(compute, cache, helper_class=helper_class)

        def call(name):
            tenant.name = name
            return f(1)

        assert ["a", "b"] == [one.result(LIMIT) for one in [crowd.call(call, "a"), crowd.call(call, "b")]]


class TestATierInPython:
    def test_sees_no_call_that_it_did_not_see_before(self, crowd, gate):
        tier = DictTier()

        def compute(x):
            gate.stop()
            return x

        f = cached(compute, tier)
        first, *others = crowd.behind(gate, f, 3)
        gate.open()
        assert [1] * 4 == [call.result(LIMIT) for call in [first, *others]]
        assert ["get"] * 4 + ["set"] == tier.calls


class TestAFlightFromBeforeAClear:
    @pytest.mark.parametrize("void", ["clear", "set"])
    def test_is_not_joined_nor_stored(self, cache, crowd, gates, void):
        """The caller after a clear computes anew, while the one from before it is still at it."""
        tries = []

        def compute(x):
            number = len(tries)
            tries.append(x)
            gates[number].stop()
            return f"value {number}"

        f = cached(compute, cache, flight_wait=1000)
        before = crowd.call(f, 1)
        gates[0].await_one()
        if void == "set":
            f.set_cached_value(1).to("by hand")
        f.clear(1)
        after = crowd.call(f, 1)
        gates[1].await_one()
        gates[1].open()
        assert "value 1" == after.result(LIMIT)
        gates[0].open()
        assert "value 0" == before.result(LIMIT)
        assert f.get_cached_value(1) in {"value 1", ...}
        if getattr(cache, "timeout", None) != 0:
            assert "value 1" == f.get_cached_value(1)

    def test_answers_those_who_joined_it_before(self, cache, crowd, gate):
        def compute(x):
            gate.stop()
            return x

        f = cached(compute, cache)
        calls = crowd.behind(gate, f, 1)
        f.clear(1)
        gate.open()
        assert [1, 1] == [call.result(LIMIT) for call in calls]
        assert f.get_cached_value(1) is ...


class TestOptions:
    def test_tell_what_they_take(self):
        def f(x): ...

        with pytest.raises(TypeError, match="single_flight is True, False or 'fleet', not 'no'"):
            cached(f, MemoryCache(), single_flight="no")
        for endless in (None, float("inf")):
            with pytest.raises(ValueError, match=f"flight_wait is a finite time .* not {endless}"):
                cached(f, MemoryCache(), flight_wait=endless)
        with pytest.raises(ValueError, match="nan"):
            cached(f, MemoryCache(), flight_wait=float("nan"))
        with pytest.raises(TypeError, match="not str"):
            cached(f, MemoryCache(), flight_wait="5")

    @pytest.mark.parametrize("wait", [0, -1, 1e300, 10**400, 0.5])
    def test_take_any_number(self, wait):
        assert 3 == cached(lambda x: x, MemoryCache(), flight_wait=wait)(3)

    def test_reach_no_helper_class(self):
        made = []

        def helper_class(fn, **fields):
            made.append(set(fields))
            return fn

        with pytest.raises(AttributeError):
            get_quickcache(
                cache=MemoryCache(), helper_class=helper_class, single_flight=False, flight_wait=1
            )(["x"])(lambda x: x)
        assert [{"vary_on", "cache", "skip_arg", "assert_function"}] == made


class TestStatistics:
    def test_count_the_functions_own_calls(self):
        f = cached(lambda x: x, MemoryCache())
        for x in (1, 1, 2):
            f(x)
        assert 2 == stats(f)["computations"]

    def test_count_refreshes(self):
        @get_quickcache(cache=MemoryCache())(["x"], skip_arg="fresh")
        def f(x, fresh=False):
            return x

        f(1)
        f(1, fresh=True)
        assert 2 == stats(f)["computations"]

    def test_are_each_functions_own(self):
        cache = MemoryCache()
        f, g = cached(lambda x: x, cache), cached(lambda x: -x, cache)
        f(1)
        assert [1, 0] == [stats(f)["computations"], stats(g)["computations"]]
