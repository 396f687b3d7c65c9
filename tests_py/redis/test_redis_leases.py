"""What a decorated function computes is stored under a lease in its key, on both ways of a call."""

import pickle
import threading
import time
from contextlib import suppress

import pytest
import redis

from quickcache import (
    CacheWithPresets,
    MemoryCache,
    QuickCacheHelper,
    RedisCache,
    TieredCache,
    get_quickcache,
    stats,
)

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

ELLIPSIS = b"\x80\x05cbuiltins\nEllipsis\n."
NO_TIME = object()


class Open(QuickCacheHelper):
    """A helper whose calls go through its own methods."""

    def call(self, /, *args, **kwargs):
        return super().call(*args, **kwargs)


@pytest.fixture(params=[QuickCacheHelper, Open], ids=["short way", "open way"])
def helper_class(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["alone", "under memory"])
def make(request, shared, prefix, helper_class):
    """A decorator, and the cache on the server."""

    def make(**options):
        cache = RedisCache(shared.server().url, key_prefix=prefix, deadline=5, **options)
        tiers = TieredCache([MemoryCache(), cache]) if request.param else cache
        return get_quickcache(cache=tiers, helper_class=helper_class), cache

    return make


@pytest.fixture
def client(shared):
    with redis.Redis.from_url(shared.server().url) as client:
        yield client


def wait_until(condition):
    while not condition():
        time.sleep(0.001)


def key_of(prefix, function, *args):
    return prefix + function.get_cache_key(*args)


class TestAMiss:
    def test_puts_a_placeholder_that_others_take_for_a_miss(self, make, prefix, client):
        quickcache, _ = make()
        seen = []

        @quickcache(["x"])
        def function(x):
            seen.append(client.get(key_of(prefix, function, x)))
            seen.append(client.pttl(key_of(prefix, function, x)))
            return x

        assert function(1) == 1
        placeholder, life = seen
        assert placeholder.startswith(ELLIPSIS)
        assert len(placeholder) == len(ELLIPSIS) + 20
        assert pickle.loads(placeholder) is Ellipsis
        assert 3_500_000 < life <= 3_600_000

    def test_leaves_the_value_with_its_own_life(self, make, prefix, client):
        quickcache, _ = make(timeout=30)

        @quickcache(["x"])
        def function(x):
            return {"x": x}

        function(1)
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == {"x": 1}
        assert 29_000 < client.pttl(key_of(prefix, function, 1)) <= 30_000

    def test_takes_the_value_that_another_process_stored_in_between(self, make, prefix, client):
        quickcache, cache = make()
        calls = []

        @quickcache(["x"])
        def function(x):
            calls.append(x)
            return "computed"

        key = key_of(prefix, function, 1)
        # A placeholder first, so that the read is a miss; then the value, before the lease is asked for.
        client.set(key, ELLIPSIS)
        assert cache.get(function.get_cache_key(1)) is None
        client.set(key, pickle.dumps("another's"))
        assert function(1) == "another's"
        assert calls == []

    def test_adopts_the_placeholder_of_one_that_is_not_there_any_more(self, make, prefix, client):
        quickcache, cache = make()

        @quickcache(["x"])
        def function(x):
            return "computed"

        placeholder = ELLIPSIS + b"0123456789abcdef" + b"\xc1qcl"
        client.set(key_of(prefix, function, 1), placeholder)
        assert function(1) == "computed"
        assert cache.stats()["leases_shared"] == 1
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == "computed"

    def test_replaces_what_cannot_be_read(self, make, prefix, client):
        quickcache, cache = make()

        @quickcache(["x"])
        def function(x):
            return "computed"

        client.set(key_of(prefix, function, 1), b"\x80\x05cno_such_module\nName\n.")
        assert function(1) == "computed"
        assert cache.stats()["undecodable"] == 1
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == "computed"

    def test_replaces_an_ellipsis_that_was_stored_as_a_value(self, make, prefix, client):
        quickcache, _ = make()

        @quickcache(["x"])
        def function(x):
            return "computed"

        client.set(key_of(prefix, function, 1), pickle.dumps(...))
        assert function(1) == "computed"
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == "computed"

    def test_that_raises_caches_nothing(self, make, prefix, client):
        quickcache, _ = make()
        results = [ValueError("first"), "second"]

        @quickcache(["x"])
        def function(x):
            result = results.pop(0)
            if isinstance(result, Exception):
                raise result
            return result

        with pytest.raises(ValueError, match="first"):
            function(1)
        assert client.get(key_of(prefix, function, 1)).startswith(ELLIPSIS)
        assert function(1) == "second"
        assert function(1) == "second"


class TestAClearDuringAComputation:
    @pytest.mark.parametrize("by", ["a client", "this process", "another cache"])
    def test_wins(self, make, prefix, client, shared, by):
        quickcache, _ = make()
        others = RedisCache(shared.server().url, key_prefix=prefix)
        values = ["old", "new"]

        @quickcache(["x"])
        def function(x):
            value = values.pop(0)
            if value == "old":
                if by == "a client":
                    client.delete(key_of(prefix, function, x))
                elif by == "this process":
                    function.clear(x)
                else:
                    others.delete(function.get_cache_key(x))
            return value

        assert function(1) == "old"
        assert client.get(key_of(prefix, function, 1)) is None
        assert function(1) == "new"
        assert function(1) == "new"

    def test_wins_although_another_has_a_placeholder_there_by_then(self, make, prefix, client):
        quickcache, cache = make()
        placeholder = ELLIPSIS + b"0123456789abcdef" + b"\xc1qcl"

        @quickcache(["x"])
        def function(x):
            client.set(key_of(prefix, function, x), placeholder)
            return "old"

        assert function(1) == "old"
        assert client.get(key_of(prefix, function, 1)) == placeholder
        assert cache.stats()["refusals"] == 1

    def test_wins_with_a_value_that_another_has_stored_by_then(self, make, prefix, client):
        quickcache, _ = make()

        @quickcache(["x"])
        def function(x):
            client.set(key_of(prefix, function, x), pickle.dumps("new"))
            return "old"

        assert function(1) == "old"
        assert function(1) == "new"

    def test_loses_without_leases(self, make, prefix, client):
        quickcache, _ = make(leases=False)
        values = ["old", "new"]

        @quickcache(["x"])
        def function(x):
            client.delete(key_of(prefix, function, x))
            return values.pop(0)

        assert function(1) == "old"
        assert function(1) == "old"

    def test_by_this_process_wins_without_leases(self, make, prefix, client):
        quickcache, _ = make(leases=False)
        values = ["old", "new"]

        @quickcache(["x"])
        def function(x):
            value = values.pop(0)
            if value == "old":
                function.clear(x)
            return value

        assert function(1) == "old"
        assert function(1) == "new"

    def test_has_the_next_of_those_who_wait_compute_for_the_rest(self, make, prefix, client):
        quickcache, _ = make()
        begun, cleared = threading.Event(), threading.Event()
        calls = []

        @quickcache(["x"])
        def function(x):
            calls.append(x)
            if len(calls) == 1:
                begun.set()
                assert cleared.wait(30)
                return "old"
            return "new"

        found = []
        first = threading.Thread(target=lambda: function(1))
        first.start()
        assert begun.wait(30)
        client.delete(key_of(prefix, function, 1))
        # Begun after the clear, which this process knows nothing of: they wait for the first.
        others = [threading.Thread(target=lambda: found.append(function(1))) for _ in range(5)]
        for other in others:
            other.start()
        wait_until(lambda: stats(function)["waits"] == 5)
        cleared.set()
        for thread in (first, *others):
            thread.join()
        assert found == ["new"] * 5
        assert calls == [1, 1]

    def test_that_another_process_filled_first_is_read_by_those_who_wait(self, make, prefix, client):
        quickcache, _ = make()
        begun, stored = threading.Event(), threading.Event()
        calls = []

        @quickcache(["x"])
        def function(x):
            calls.append(x)
            begun.set()
            assert stored.wait(30)
            return "mine"

        found = []
        first = threading.Thread(target=lambda: function(1))
        first.start()
        assert begun.wait(30)
        client.set(key_of(prefix, function, 1), pickle.dumps("another's"))
        others = [threading.Thread(target=lambda: found.append(function(1))) for _ in range(5)]
        for other in others:
            other.start()
        stored.set()
        for thread in (first, *others):
            thread.join()
        assert found == ["another's"] * 5
        assert calls == [1]


class TestARefresh:
    def refreshing(self, quickcache, results):
        @quickcache(["x"], skip_arg="fresh")
        def function(x, fresh=False):
            result = results.pop(0)
            if callable(result):
                result = result(function)
            if isinstance(result, Exception):
                raise result
            return result

        return function

    @pytest.mark.parametrize("old", ["text", 12, -3, {"a": [1]}, None, "x" * 5_000], ids=repr)
    def test_replaces_the_value(self, make, old):
        quickcache, _ = make()
        function = self.refreshing(quickcache, [old, "new"])
        assert function(1) == old
        assert function(1, fresh=True) == "new"
        assert function(1) == "new"

    @pytest.mark.parametrize("old", ["text", 12, -3, {"a": [1]}, None], ids=repr)
    def test_leaves_the_value_for_all_readers_meanwhile(self, make, prefix, client, old):
        quickcache, cache = make()
        seen = []

        def look(function):
            raw = client.get(key_of(prefix, function, 1))
            try:
                seen.append(int(raw))
            except ValueError:
                seen.append(pickle.loads(raw))
            seen.append(cache.get(function.get_cache_key(1)))
            return "new"

        function = self.refreshing(quickcache, [old, look])
        function(1)
        function(1, fresh=True)
        assert seen == [old, old]

    def test_that_raises_leaves_the_old_value_and_its_life(self, make, prefix, client):
        quickcache, _ = make(timeout=30)
        function = self.refreshing(quickcache, ["old", ValueError("no")])
        function(1)
        for _ in range(3):
            with pytest.raises((ValueError, IndexError)):
                function(1, fresh=True)
        assert function(1) == "old"
        key = key_of(prefix, function, 1)
        assert pickle.loads(client.get(key)) == "old"
        assert client.strlen(key) == len(pickle.dumps("old", 5)) + 20  # one mark, however often
        assert 29_000 < client.pttl(key) <= 30_000

    @pytest.mark.parametrize("old", ["old", None], ids=["over a value", "over nothing"])
    def test_loses_to_a_clear(self, make, prefix, client, old):
        quickcache, _ = make()

        def clear(function):
            client.delete(key_of(prefix, function, 1))
            return "refreshed"

        function = self.refreshing(quickcache, ["old", clear, "new"] if old else [clear, "new"])
        if old:
            function(1)
        assert function(1, fresh=True) == "refreshed"
        assert client.get(key_of(prefix, function, 1)) is None
        assert function(1) == "new"

    def test_loses_to_a_clear_and_the_same_value_again(self, make, prefix, client):
        quickcache, _ = make()

        def clear(function):
            key = key_of(prefix, function, 1)
            value = pickle.dumps("old", 5)
            client.delete(key)
            client.set(key, value)
            return "refreshed"

        function = self.refreshing(quickcache, ["old", clear])
        function(1)
        assert function(1, fresh=True) == "refreshed"
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == "old"
        assert function(1) == "old"

    def test_begun_later_wins(self, make, prefix, client):
        quickcache, _ = make()
        inner = []

        def nested(function):
            inner.append(function(1, fresh=True))
            return "begun first"

        function = self.refreshing(quickcache, ["old", nested, "begun later"])
        function(1)
        assert function(1, fresh=True) == "begun first"
        assert inner == ["begun later"]
        assert pickle.loads(client.get(key_of(prefix, function, 1))) == "begun later"

    @pytest.mark.parametrize("old", ["old", 12], ids=repr)
    @pytest.mark.parametrize("ends", [ValueError("no"), "begun later"], ids=["raises", "returns"])
    def test_leaves_no_old_value_though_another_has_begun_meanwhile(self, make, old, ends):
        quickcache, _ = make()
        has_begun, may_end, others = threading.Event(), threading.Event(), []

        def begun_first(function):
            others.append(threading.Thread(target=call, args=(function,)))
            others[0].start()
            assert has_begun.wait(10)
            return "begun first"

        def begun_later(_):
            has_begun.set()
            assert may_end.wait(10)
            return ends

        def call(function):
            with suppress(ValueError):
                function(1, fresh=True)

        function = self.refreshing(quickcache, [old, begun_first, begun_later, "after both"])
        function(1)
        assert function(1, fresh=True) == "begun first"
        assert function(1) == "after both"
        may_end.set()
        others[0].join()
        assert function(1) in ("after both", ends)

    @pytest.mark.parametrize("old", [5, "old", [5]], ids=repr)
    def test_of_what_is_no_pickle_is_read_by_nobody_meanwhile(self, make, old):
        quickcache, cache = make(serializer="json")
        seen = []

        def look(function):
            seen.append(cache.get(function.get_cache_key(1)))
            return 6

        function = self.refreshing(quickcache, [old, look])
        assert [function(1), function(1, fresh=True), function(1)] == [old, 6, 6]
        assert seen == [None]
        assert (cache.stats()["undecodable"], cache.stats()["refusals"]) == (0, 0)

    def test_whose_function_changes_its_arguments_leaves_no_old_value(self, make, prefix, client):
        quickcache, _ = make()

        @quickcache(["x"], skip_arg="fresh")
        def function(x, fresh=False):
            x.append(1)
            return len(x)

        client.set(key_of(prefix, function, [0, 1]), pickle.dumps("old"))
        assert function([0], fresh=True) == 2
        assert client.get(key_of(prefix, function, [0, 1])) is None


class TestAHelperMadeByHand:
    def test_stores_what_it_computes(self, shared, prefix, client):
        cache = RedisCache(shared.server().url, key_prefix=prefix, deadline=5)
        calls = []

        def function(x):
            calls.append(x)
            return x

        helper = QuickCacheHelper(function, ["x"], cache)
        assert [helper(1), helper(1)] == [1, 1]
        assert calls == [1]
        assert client.get(prefix + helper.get_cache_key(1)) == b"1"


class TestPresets:
    def test_have_their_own_timeout_and_prefix(self, shared, prefix, client, helper_class):
        cache = RedisCache(shared.server().url, key_prefix=prefix)
        calls = []

        @get_quickcache(cache=CacheWithPresets(cache, 40, lambda: "mine:"), helper_class=helper_class)(["x"])
        def function(x):
            calls.append(x)
            return x

        assert [function(1), function(1)] == [1, 1]
        assert calls == [1]
        key = f"{prefix}mine:{function.get_cache_key(1)}"
        assert client.get(key) == b"1"
        assert 39_000 < client.pttl(key) <= 40_000
        function.clear(1)
        assert client.get(key) is None

    def test_take_a_timeout_for_each_function(self, shared, prefix, client, helper_class):
        cache = RedisCache(shared.server().url, key_prefix=prefix)

        @get_quickcache(cache=TieredCache([MemoryCache(), cache]), helper_class=helper_class)(
            ["x"], timeout=50, memoize_timeout=5
        )
        def function(x):
            return x

        function(1)
        assert 49_000 < client.pttl(key_of(prefix, function, 1)) <= 50_000

    def test_that_say_another_prefix_after_the_call_store_nothing_under_it(
        self, shared, prefix, client, helper_class
    ):
        cache = RedisCache(shared.server().url, key_prefix=prefix)
        texts = ["a:"]

        @get_quickcache(cache=CacheWithPresets(cache, 40, lambda: texts[0]), helper_class=helper_class)(["x"])
        def function(x):
            texts[0] = "b:"
            return x

        assert function(1) == 1
        assert client.get(f"{prefix}b:{function.get_cache_key(1)}") is None


class TestAPromotedValue:
    def test_lives_no_longer_than_its_source(self, shared, prefix, client, helper_class):
        memory, cache = MemoryCache(timeout=1_000), RedisCache(shared.server().url, key_prefix=prefix)

        # Kept true to the server, memory would hear of the new life, and perhaps not take the value.
        tiers = TieredCache([memory, cache], coherence="off")

        @get_quickcache(cache=tiers, helper_class=helper_class)(["x"])
        def function(x):
            return x

        function(1)
        key = function.get_cache_key(1)
        memory.delete(key)
        client.pexpire(prefix + key, 60)
        assert function(1) == 1
        assert key in memory
        deadline = threading.Event()
        deadline.wait(0.1)
        assert memory.get(key) is None


class TestWhatIsNoValue:
    """A placeholder is one for nobody who asks for values."""

    @pytest.fixture
    def cache(self, shared, prefix, client):
        client.set(prefix + "key", ELLIPSIS + b"0123456789abcdef" + b"\xc1qcl", px=100_000)
        return RedisCache(shared.server().url, key_prefix=prefix)

    def test_is_not_found(self, cache):
        assert cache.get("key", NO_TIME) is NO_TIME
        assert "key" not in cache
        assert cache.get_many(["key"]) == {}

    def test_is_not_touched(self, cache, client, prefix):
        assert cache.touch("key", 5_000) is False
        assert client.pttl(prefix + "key") <= 100_000

    def test_is_not_counted_from(self, cache):
        with pytest.raises(ValueError, match="'key' not found"):
            cache.incr("key")

    def test_is_in_nobodys_way(self, cache, client, prefix):
        assert cache.add("key", "value") is True
        assert cache.get("key") == "value"
        assert cache.add("key", "other") is False
