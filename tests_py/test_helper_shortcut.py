"""The call in Rust is an exact shortcut for the helper's methods, and yields to any change of them."""

import logging
import subprocess
import sys
import textwrap
import threading
import time
from unittest import mock

import pytest

from quickcache import CacheWithPresets, MemoryCache, QuickCacheHelper, TieredCache, get_quickcache

CACHES = {
    "memory": MemoryCache,
    "shared memory": lambda: MemoryCache(isolate=False),
    "presets": lambda: CacheWithPresets(MemoryCache(), 60),
    "tiered": lambda: TieredCache([CacheWithPresets(MemoryCache(), 10), MemoryCache()]),
}


class RecordingCache:
    """A cache in a dict that notes how it was called."""

    def __init__(self):
        self.calls = []
        self.held = {}

    def get(self, *args, **kwargs):
        self.calls.append(("get", args, kwargs))
        return self.held.get(args[0], kwargs.get("default"))

    def set(self, *args, **kwargs):
        self.calls.append(("set", args, kwargs))
        self.held[args[0]] = args[1]

    def delete(self, *args, **kwargs):
        self.calls.append(("delete", args, kwargs))
        self.held.pop(args[0], None)


class Owner:
    def __init__(self, id_):
        self.id = id_


def decorated(cache, **options):
    """A decorated function that counts its computations."""

    @get_quickcache(cache=cache)(["a", "b.id", "c"], **options)
    def compute(a, b, c=None, *, fresh=False):
        compute.computed += 1
        return [a, b.id, c, compute.computed]

    compute.computed = 0
    return compute


@pytest.fixture(params=CACHES)
def compute(request):
    """A decorated function on each cache that is asked without entering Python."""
    return decorated(CACHES[request.param](), skip_arg="fresh")


OWNER = Owner("x")
ARGUMENTS = ["text", OWNER, {"d": (1, 2.5, None), "e": {"set", True}}]


class TestAHit:
    def test_enters_no_python_function_but_the_decorated_one(self, compute, entered):
        """Were a class not sealed or its tag not found again, each hit would run the methods in Python."""
        compute(*ARGUMENTS)

        for _ in range(3):
            assert set(entered(compute, *ARGUMENTS)) <= {compute.__code__.co_qualname}

    def test_is_seen_to_enter_others_when_they_are_entered(self, compute, entered):
        """That the test above can fail."""
        compute(*ARGUMENTS)
        with mock.patch.object(QuickCacheHelper, "get_cache_key", QuickCacheHelper.get_cache_key):
            pass
        compute.clear.__self__.get_cache_key = compute.get_cache_key

        assert {"QuickCacheHelper.call", "QuickCacheHelper.get_cache_key"} <= set(
            entered(compute, *ARGUMENTS)
        )

    def test_takes_the_shortcut_again_after_many_patches(self, compute, entered):
        compute(*ARGUMENTS)
        for name in ("call", "skip", "get_cache_key", "_serialize_for_key", "_hash"):
            with mock.patch.object(QuickCacheHelper, name):
                pass

        assert set(entered(compute, *ARGUMENTS)) <= {compute.__code__.co_qualname}

    def test_of_a_miss_enters_the_function_alone(self, compute, entered):
        functions = {compute.__code__.co_qualname, compute.__wrapped__.__code__.co_qualname}

        assert functions >= set(entered(compute, *ARGUMENTS))


METHODS = {
    "call": lambda self, *args, **kwargs: "patched",
    "skip": lambda self, *args, **kwargs: True,
    "get_cache_key": lambda self, *args, **kwargs: "patched",
    "_serialize_for_key": lambda self, value: "patched",
    "_hash": staticmethod(lambda value, length=32: "patched"),
    "__call__": lambda self, *args, **kwargs: "patched",
}


def shows(name, compute, patched):
    """Whether a call goes through `patched` in place of the helper's method `name`."""
    before = patched.call_count
    compute(*ARGUMENTS)
    return patched.call_count > before


class TestPatches:
    @pytest.mark.parametrize("name", METHODS)
    def test_of_the_class_take_effect_at_once_and_are_undone(self, compute, name, entered):
        expected = compute(*ARGUMENTS)
        for _ in range(3):
            with mock.patch.object(QuickCacheHelper, name, return_value="patched") as patched:
                assert shows(name, compute, patched)
            assert not shows(name, compute, patched)
            assert set(entered(compute, *ARGUMENTS)) <= {compute.__code__.co_qualname}
        compute.clear(*ARGUMENTS)
        assert expected[:3] == compute(*ARGUMENTS)[:3]

    @pytest.mark.parametrize("name", [name for name in METHODS if name != "__call__"])
    def test_of_an_instance_take_effect_at_once_and_are_undone(self, compute, name, entered):
        compute(*ARGUMENTS)
        helper = compute.clear.__self__
        for _ in range(3):
            with mock.patch.object(helper, name, return_value="patched") as patched:
                assert shows(name, compute, patched)
            assert not shows(name, compute, patched)
            assert set(entered(compute, *ARGUMENTS)) <= {compute.__code__.co_qualname}

    def test_of_one_instance_leave_others_alone(self):
        one, other = (decorated(MemoryCache()) for _ in range(2))
        with mock.patch.object(one.clear.__self__, "call", return_value="patched"):
            assert ("patched", "text") == (one(*ARGUMENTS), other(*ARGUMENTS)[0])

    @pytest.mark.parametrize("name", METHODS)
    def test_by_a_subclass_take_effect(self, name):
        subclass = type("Own", (QuickCacheHelper,), {name: METHODS[name]})
        compute = decorated(MemoryCache(), helper_class=subclass)
        plain = decorated(MemoryCache())

        if name in ("call", "__call__"):
            assert "patched" == compute(*ARGUMENTS)
        elif name == "skip":
            assert [1, 2] == [compute(*ARGUMENTS)[3] for _ in range(2)]
        else:
            assert "patched" in compute.get_cache_key(*ARGUMENTS)
            assert [1, 1] == [compute(*ARGUMENTS)[3] for _ in range(2)]
            assert compute.clear.__self__.cache.get(compute.get_cache_key(*ARGUMENTS))[3] == 1
        assert [1, 1] == [plain(*ARGUMENTS)[3] for _ in range(2)]

    @pytest.mark.parametrize("name", METHODS)
    def test_of_a_subclass_after_its_first_call_take_effect(self, name):
        class Own(QuickCacheHelper):
            pass

        compute = decorated(MemoryCache(), helper_class=Own)
        compute(*ARGUMENTS)
        with mock.patch.object(Own, name, return_value="patched") as patched:
            assert shows(name, compute, patched)
        assert not shows(name, compute, patched)

    def test_of_another_class_of_the_instance_take_effect(self):
        class Own(QuickCacheHelper):
            def call(self, *args, **kwargs):
                return "own"

        compute = decorated(MemoryCache())
        compute(*ARGUMENTS)
        compute.clear.__self__.__class__ = Own

        assert "own" == compute(*ARGUMENTS)

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("fn", lambda a, b, c=None, *, fresh=False: "other", "other"),
            ("skip_arg", "a", 2),
            ("prefix", "other", 2),
            ("cache", MemoryCache(), 2),
            ("vary_on", [("c", ())], 2),
        ],
    )
    def test_of_attributes_take_effect(self, name, value, expected):
        compute = decorated(MemoryCache())
        compute(*ARGUMENTS)
        with mock.patch.object(compute.clear.__self__, name, value):
            if name == "fn":
                compute.clear(*ARGUMENTS)
            found = compute(*ARGUMENTS)
        assert expected == (found if name == "fn" else found[3])

    def test_by_a_property_of_a_subclass_take_effect(self):
        """Users choose the cache by the request, or the prefix by the tenant."""
        caches = {name: MemoryCache() for name in "ab"}
        tenant = ["a"]

        class Own(QuickCacheHelper):
            cache = property(lambda self: caches[tenant[0]], lambda self, value: None)

        compute = decorated(None, helper_class=Own)
        found = []
        for name in "abab":
            tenant[0] = name
            found.append(compute(*ARGUMENTS)[3])
        assert [1, 2, 1, 2] == found

    def test_of_more_cycles_than_a_class_has_versions(self, compute):
        """On 3.13 some 500 patches use up a class's version tags; results stay right."""
        expected = compute(*ARGUMENTS)
        for _ in range(1_200):
            with mock.patch.object(QuickCacheHelper, "call", return_value="patched"):
                assert "patched" == compute(*ARGUMENTS)
            assert expected == compute(*ARGUMENTS)


class TestDebugLogging:
    def test_has_its_lines_while_it_is_on(self, compute, caplog, entered):
        expected = compute(*ARGUMENTS)
        for _ in range(2):
            with caplog.at_level(logging.DEBUG, "quickcache"):
                assert expected == compute(*ARGUMENTS)
            assert [f"checking caches for {compute.__name__}", compute.get_cache_key(*ARGUMENTS)] == (
                caplog.messages[:2]
            )
            caplog.clear()
            assert expected == compute(*ARGUMENTS)
            assert [] == caplog.messages
            assert set(entered(compute, *ARGUMENTS)) <= {compute.__code__.co_qualname}

    def test_is_noticed_however_it_is_switched_on(self, compute, caplog):
        compute(*ARGUMENTS)
        logger, parent = logging.getLogger("quickcache"), logging.getLogger()

        def lines():
            caplog.clear()
            compute(*ARGUMENTS)
            return len(caplog.messages) > 0

        parent_level = parent.level
        try:
            seen = [lines()]
            parent.setLevel(logging.DEBUG)
            seen.append(lines())
            logger.setLevel(logging.INFO)
            seen.append(lines())
            logger.setLevel(logging.DEBUG)
            seen.append(lines())
            logging.disable(logging.DEBUG)
            seen.append(lines())
            logging.disable(logging.NOTSET)
            seen.append(lines())
            logger.disabled = True
            seen.append(lines())
            logger.disabled = False
            seen.append(lines())
        finally:
            logging.disable(logging.NOTSET)
            logger.disabled = False
            logger.setLevel(logging.NOTSET)
            parent.setLevel(parent_level)
        assert [False, True, False, True, False, True, False, True] == seen


def open_way(compute):
    """Have the calls go through the methods in Python."""
    helper = compute.clear.__self__
    helper.skip = helper.skip
    return compute


class TestBothWays:
    @pytest.mark.parametrize("tiered", [False, True])
    @pytest.mark.parametrize("skip_arg", [None, "fresh", lambda a, b, c=None, *, fresh=False: fresh])
    def test_make_the_same_calls_on_a_cache(self, tiered, skip_arg):
        def told(way):
            tiers = [RecordingCache(), RecordingCache()] if tiered else [RecordingCache()]
            compute = way(decorated(TieredCache(tiers) if tiered else tiers[0], skip_arg=skip_arg))
            found = [
                compute("a", OWNER),
                compute("a", OWNER),
                compute("a", b=OWNER, c=b"bytes"),
                compute(a="a", b=OWNER, fresh=True),
                compute("a", OWNER, None, fresh=0),
                compute.get_cached_value("a", OWNER),
                compute.set_cached_value("a", OWNER).to("set"),
                compute("a", OWNER),
                compute.clear("a", OWNER),
                compute("a", OWNER),
            ]
            return found, [tier.calls for tier in tiers], compute.get_cache_key("a", OWNER)

        assert told(open_way) == told(lambda compute: compute)

    def test_enter_python_or_not(self, entered):
        compute = decorated(MemoryCache())
        compute(*ARGUMENTS)
        short = entered(compute, *ARGUMENTS)
        long = entered(open_way(compute), *ARGUMENTS)

        assert len(short) < len(long)

    @pytest.mark.parametrize(
        "arguments",
        [
            ((), {}),
            (("a",), {}),
            (("a", OWNER, 1, 2), {}),
            (("a", OWNER), {"bogus": 1}),
            (("a", OWNER), {"a": 1}),
            (("a", None), {}),
            (("a", OWNER, object()), {}),
            (("a", OWNER, lambda: 1), {}),
            ((), {"c": 1}),
        ],
        ids=range(9),
    )
    def test_raise_the_same_errors(self, arguments):
        args, kwargs = arguments

        def told(way):
            compute = way(decorated(RecordingCache()))
            with pytest.raises((TypeError, ValueError, AttributeError)) as raised:
                compute(*args, **kwargs)
            return raised.type, str(raised.value), compute.computed

        assert told(open_way) == told(lambda compute: compute)


def by_debug_lines(compute):
    logging.getLogger("quickcache").setLevel(logging.DEBUG)
    return compute


@pytest.fixture(params=[lambda compute: compute, open_way, by_debug_lines], ids=["shortcut", "open", "debug"])
def way(request):
    yield request.param
    logging.getLogger("quickcache").setLevel(logging.NOTSET)


class TestAClearDuringAComputation:
    """The value computed is from before the clear: it is returned, and never kept."""

    @pytest.fixture(params=CACHES)
    def cache(self, request):
        return CACHES[request.param]()

    @pytest.mark.parametrize(
        "void",
        [
            lambda cached: cached.clear(1),
            lambda cached: cached.clear.__self__.cache.delete(cached.get_cache_key(1)),
            lambda cached: (cached.clear(1), cached.clear(1)),
        ],
        ids=["clear", "delete", "clear twice"],
    )
    def test_wins(self, cache, way, void):
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def compute(x):
            computed.append(x)
            if len(computed) == 1:
                void(compute)
            return len(computed)

        compute = way(compute)
        assert [1, 2, 2] == [compute(1), compute(1), compute(1)]

    def test_of_the_whole_memory_wins(self, way):
        cache = MemoryCache()

        @get_quickcache(cache=cache)([])
        def compute():
            cache.clear()
            return 1

        compute = way(compute)
        compute()
        assert 0 == len(cache)

    def test_by_a_newer_value_wins(self, cache, way):
        @get_quickcache(cache=cache)(["x"])
        def compute(x):
            compute.set_cached_value(x).to("newer")
            return "older"

        compute = way(compute)
        assert ["older", "newer"] == [compute(1), compute(1)]

    def test_of_another_key_seldom_disturbs(self, cache, way):
        """Two keys in a thousand share a shard of generations: three of these ten may, by bad luck."""
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def compute(x):
            computed.append(x)
            compute.clear(x + 1)
            return x

        compute = way(compute)
        for _ in range(50):
            for x in range(0, 20, 2):
                assert x == compute(x)
        assert len(computed) <= 7 + 3 * 50

    def test_wins_over_a_refresh_too(self, cache, way):
        computed = []

        @get_quickcache(cache=cache)(["x"], skip_arg="fresh")
        def compute(x, fresh=False):
            computed.append(x)
            if fresh:
                compute.clear(x)
            return len(computed)

        compute = way(compute)
        assert [1, 2, 3] == [compute(1), compute(1, fresh=True), compute(1)]

    def test_from_another_thread_wins(self, cache, way):
        under_way, cleared = threading.Event(), threading.Event()
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def compute(x):
            computed.append(x)
            if len(computed) == 1:
                under_way.set()
                assert cleared.wait(5)
            return len(computed)

        compute = way(compute)
        found = []
        thread = threading.Thread(target=lambda: found.append(compute(1)))
        thread.start()
        assert under_way.wait(5)
        compute.clear(1)
        cleared.set()
        thread.join(5)

        assert ([1], 2) == (found, compute(1))


class TestUnderLoad:
    @pytest.mark.parametrize("cache", CACHES)
    def test_no_call_after_a_clear_sees_what_was_before_it(self, cache):
        """Four threads read; one changes the source, clears, and reads: it must see its change."""
        source = [0]

        @get_quickcache(cache=CACHES[cache]())(["x"])
        def read(x):
            found = source[0]
            time.sleep(0)  # lets others in: a clear may come
            return found

        done = threading.Event()

        def keep_reading():
            while not done.is_set():
                read(1)

        threads = [threading.Thread(target=keep_reading) for _ in range(4)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            stale = 0
            for change in range(1, 40):
                source[0] = change
                read.clear(1)
                time.sleep(0)  # lets those in who have computed and have yet to store
                stale += read(1) != change
        finally:
            done.set()
            for thread in threads:
                thread.join(5)
            sys.setswitchinterval(interval)
        assert 0 == stale


class TestRecursion:
    def test_of_the_function_itself(self):
        @get_quickcache(cache=MemoryCache())(["n"])
        def fibonacci(n):
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        assert 354224848179261915075 == fibonacci(100)

    def test_without_end_is_a_recursion_error(self):
        @get_quickcache(cache=MemoryCache())(["n"])
        def forever(n):
            return forever(n + 1)

        for _ in range(2):
            with pytest.raises(RecursionError):
                forever(0)

    def test_takes_little_of_the_stack(self, tmp_path):
        """Six hundred levels in one megabyte; in a process of its own, since beyond is a crash."""
        program = """
            import sys, threading
            from quickcache import MemoryCache, get_quickcache

            @get_quickcache(cache=MemoryCache())(["n"])
            def count_down(n):
                return n and count_down(n - 1)

            sys.setrecursionlimit(10_000)
            threading.stack_size(1024 * 1024)
            thread = threading.Thread(target=lambda: print(count_down(600)))
            thread.start()
            thread.join()
        """
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(program))
        done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)

        assert (0, "0\n", "") == (done.returncode, done.stdout, done.stderr)

    def test_through_every_callback(self):
        cache = MemoryCache()

        class Thing:
            @property
            def id(self):
                return compute(0, None) and "id"

        @get_quickcache(cache=CacheWithPresets(cache, 10, lambda: compute_plain(0) and "p:"))(
            ["x", "thing.id"], skip_arg=lambda x, thing: x and compute(0, None)
        )
        def with_all(x, thing):
            return x

        @get_quickcache(cache=cache)(lambda x, thing: [x, thing and thing.id])
        def compute(x, thing):
            return [x]

        @get_quickcache(cache=cache)(["x"])
        def compute_plain(x):
            return "plain"

        assert [5, 5, 0] == [with_all(5, Thing()), with_all(5, Thing()), with_all(0, Thing())]
