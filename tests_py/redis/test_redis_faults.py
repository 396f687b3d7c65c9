"""Whatever happens between a cache and its server, nothing is raised and no value is a wrong one."""

import logging
from contextlib import closing, suppress

import pytest
from redis_servers import faults, waiting

from quickcache import CacheUnavailableError, RedisCache, get_quickcache

OLD = {"a": ["old", "a" * 50], "b": ["old", "b" * 50]}
NEW = {"a": ["new", "a" * 50], "b": ["new", "b" * 50]}
SOON = 0.04  # seconds: a miss on a busy machine is no error either
KEYS = [b"a signing key that is long enough"]

# What is done to requests, and to replies. Where a delay ends the test is over.
FAULTS = {
    "late requests": {"requests": faults.delay(3600)},
    "late replies": {"replies": faults.delay(3600)},
    "black hole": {"requests": faults.BLACK_HOLE},
    "lost replies": {"replies": faults.BLACK_HOLE},
    "half open": {"requests": faults.HALF_OPEN, "replies": faults.HALF_OPEN},
    "reset": {"requests": faults.RESET},
    "requests cut": {"requests": faults.truncate(20)},
    "replies cut at once": {"replies": faults.truncate(0)},
    "replies cut in a length": {"replies": faults.truncate(2)},
    "replies cut in a value": {"replies": faults.truncate(30)},
    "random replies": {"replies": faults.RANDOM},
    "flipped replies": {"replies": faults.FLIP},
    "trickling requests": {"requests": faults.trickle()},
    "trickling replies": {"replies": faults.trickle()},
    "refused": None,
}

# Those by which no value gets through, and those by which nothing does.
FOR_VALUES = [name for name in FAULTS if name not in {"flipped replies", "requests cut"}]
FOR_ALL = [name for name in FOR_VALUES if name != "replies cut in a value"]

# Each with what it may answer.
OPERATIONS = {
    "get": (lambda cache: cache.get("a"), [OLD["a"], None]),
    "get_many": (lambda cache: cache.get_many("ab"), [OLD, {"a": OLD["a"]}, {"b": OLD["b"]}, {}]),
    "contains": (lambda cache: "a" in cache, [True, False]),
    "set": (lambda cache: cache.set("a", NEW["a"]), [None]),
    "set_many": (lambda cache: cache.set_many(NEW), [None]),
    "add": (lambda cache: cache.add("a", NEW["a"]), [False]),
    "touch": (lambda cache: cache.touch("a", 1_000), [True, False]),
    "delete": (lambda cache: cache.delete("a"), [True, False]),
    "delete_many": (lambda cache: cache.delete_many("ab"), range(100)),
    "clear": (lambda cache: cache.clear(), [None]),
}


@pytest.fixture
def direct(shared, prefix):
    """The same values without a proxy in between."""
    url = shared.server().url
    with closing(RedisCache(url, key_prefix=prefix, deadline=60, signing_keys=KEYS)) as cache:
        cache.set_many(OLD)
        yield cache


@pytest.fixture
def behind(proxy, prefix):
    """Make a cache behind the proxy, with a deadline that is soon over."""
    made = []

    def behind(**options):
        options = {"deadline": SOON, "signing_keys": KEYS, **options}
        made.append(RedisCache(proxy.url, key_prefix=prefix, **options))
        return made[-1]

    yield behind
    for cache in made:
        cache.close()


@pytest.fixture(params=FAULTS)
def break_it(request, proxy):
    """Have one of the faults come over the proxy."""
    fault = FAULTS[request.param]
    return proxy.refuse if fault is None else lambda: proxy.set(**fault)


class TestEachFault:
    @pytest.mark.parametrize("is_open", [True, False], ids=["open", "new"])
    def test_gives_what_was_there_or_nothing(self, break_it, proxy, behind, direct, is_open):
        """A connection that is open already may break in another way than one that is being made."""
        for operation, accepted in OPERATIONS.values():
            proxy.heal()
            direct.set_many(OLD)
            cache = behind()
            if is_open:
                cache.get("a")
            break_it()

            assert operation(cache) in accepted

    def test_leaves_the_old_value_or_the_new_one_and_never_another(self, break_it, proxy, behind, direct):
        cache = behind()
        break_it()
        cache.set_many(NEW)
        cache.set("a", NEW["a"])
        proxy.heal()

        for key in "ab":
            assert direct.get(key) in (OLD[key], NEW[key], None)
            assert cache.get(key) in (NEW[key], None)

    def test_raises_one_error_where_it_is_to(self, break_it, proxy, behind, direct):
        for operation, accepted in OPERATIONS.values():
            proxy.heal()
            direct.set_many(OLD)
            cache = behind(on_error="raise")
            break_it()
            with suppress(CacheUnavailableError):
                assert operation(cache) in accepted

    @pytest.mark.parametrize("break_it", FOR_ALL, indirect=True)
    def test_raises_where_nothing_gets_through(self, break_it, behind, direct):
        for operation, _ in OPERATIONS.values():
            cache = behind(on_error="raise")
            break_it()
            with pytest.raises(CacheUnavailableError):
                operation(cache)
        with pytest.raises(CacheUnavailableError):
            behind().ping()

    def test_is_told_by_ping(self, break_it, behind):
        cache = behind()
        break_it()
        with suppress(CacheUnavailableError):
            assert 0 < cache.ping()

    def test_keeps_no_function_from_computing(self, break_it, behind, direct):
        cache = behind()
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def double(x):
            computed.append(x)
            return [x, x]

        break_it()
        assert [[5, 5]] * 3 == [double(5) for _ in range(3)]
        assert {5} == set(computed)

    def test_is_over_when_it_is_over(self, break_it, proxy, behind, direct):
        cache = behind()
        break_it()
        for _ in range(4):
            cache.get("a")
        proxy.heal()

        waiting.until("the cache finds the server again", lambda: cache.get("a") == OLD["a"])


class TestAFailingServer:
    @pytest.mark.parametrize("break_it", FOR_VALUES, indirect=True)
    def test_is_not_asked_after_three_failures(self, break_it, proxy, behind, direct):
        """Not where a fault lets some calls through: they tell that the server is there."""
        cache = behind()
        break_it()
        for _ in range(3):
            assert cache.get("a") is None
        told = cache.stats()
        assert (3, 1, 0) == (told["errors"], told["breaker_opens"], told["rejections"])

        for _ in range(1_000):
            assert cache.get("a") is None
        told = cache.stats()
        assert (3, 1, 1_000) == (told["errors"], told["breaker_opens"], told["rejections"])
        assert (0, 1_003) == (told["hits"], told["misses"])

    def test_counts_those_that_had_no_answer_in_time(self, proxy, behind):
        cache = behind()
        proxy.set(replies=faults.BLACK_HOLE)
        for _ in range(3):
            cache.get("a")

        assert (3, 3) == (cache.stats()["errors"], cache.stats()["timeouts"])

    def test_is_told_in_few_lines(self, proxy, behind, caplog):
        cache = behind()
        proxy.refuse()
        with caplog.at_level(logging.INFO, logger="quickcache"):
            for _ in range(1_000):
                cache.get("a")
                cache.set("a", 1)
                cache.delete("b")

        levels = [record.levelno for record in caplog.records if record.name == "quickcache"]
        assert [logging.WARNING] * 2 == levels, caplog.text

    def test_that_cannot_be_asked_is_pinged_all_the_same(self, proxy, behind, direct):
        """And if it answers, all others may ask it too."""
        cache = behind(deadline=waiting.LIMIT)
        proxy.refuse()
        for _ in range(3):
            cache.get("a")
        proxy.heal()

        assert 0 < cache.ping()
        assert OLD["a"] == cache.get("a")


# All that has the value of a key go.
FORGET = {
    "delete": lambda cache: cache.delete("a"),
    "delete_many": lambda cache: cache.delete_many("a"),
    "set": lambda cache: cache.set("a", NEW["a"]),
    "set_many": lambda cache: cache.set_many({"a": NEW["a"]}),
    "set of what is too large": lambda cache: cache.set("a", bytes(10_000)),
    "touch of no time": lambda cache: cache.touch("a", 0),
}


class TestADeleteInAnOutage:
    @pytest.mark.parametrize("forget", FORGET.values(), ids=FORGET)
    def test_is_made_up_for_and_until_then_nothing_is_there(self, proxy, behind, direct, forget):
        cache = behind(deadline=waiting.LIMIT, max_value_bytes=5_000)
        proxy.refuse()
        forget(cache)
        assert 1 == cache.stats()["deletes_queued"]
        assert OLD["a"] == direct.get("a")

        proxy.heal()
        assert cache.get("a") is None
        assert {"b": OLD["b"]} == cache.get_many("ab")
        waiting.until("the delete is made up for", lambda: direct.get("a") is None)
        waiting.until("that is noted", lambda: cache.stats()["deletes_resent"] == 1)
        direct.set("a", NEW["a"])
        assert NEW["a"] == cache.get("a")

    def test_is_not_made_up_for_if_there_was_another_value_since(self, proxy, behind, direct):
        cache = behind(deadline=waiting.LIMIT)
        proxy.refuse()
        cache.delete("a")
        proxy.heal()
        cache.set("a", NEW["a"])
        cache.delete("b")  # which waits for whatever is under way

        assert (NEW["a"], None) == (cache.get("a"), cache.get("b"))
        assert NEW["a"] == direct.get("a")

    def test_has_a_computed_value_not_stored(self, proxy, behind, direct):
        """It might have been computed before the clear."""
        cache = behind(deadline=waiting.LIMIT)

        @get_quickcache(cache=cache)(["x"])
        def double(x):
            proxy.refuse()
            double.clear(x)
            proxy.heal()
            return [x, x]

        assert [5, 5] == double(5)
        waiting.until("the delete is made up for", lambda: cache.stats()["deletes_resent"] == 1)
        assert direct.get(double.get_cache_key(5)) is None


class TestTheServerItself:
    """What a server does that a proxy cannot."""

    def test_comes_back_on_its_port_and_is_used_again(self, server):
        with closing(RedisCache(server.url, deadline=waiting.LIMIT)) as cache:
            cache.set("k", 1)
            server.kill()
            assert cache.get("k") is None
            server.restart()
            cache.set("k", 2)
            assert cache.get("k") in (2, None)
            waiting.until("the cache writes again", lambda: cache.set("k", 3) or cache.get("k") == 3)

    def test_that_is_suspended_is_a_miss(self, server):
        with closing(RedisCache(server.url, deadline=SOON)) as cache:
            cache.set("k", 1)
            server.pause()
            assert [None] * 4 == [cache.get("k") for _ in range(4)]

            server.resume()
            waiting.until("the cache finds it again", lambda: cache.get("k") == 1)

    def test_that_is_full_takes_no_values_and_gives_those_it_has(self, server):
        with closing(RedisCache(server.url, deadline=waiting.LIMIT)) as cache:
            cache.set("k", 1)
            cache.set("old", 1)
            server.cli("CONFIG", "SET", "maxmemory", "1")
            cache.set("new", 2)
            cache.set("old", 2)

            assert (1, None, None) == (cache.get("k"), cache.get("new"), cache.get("old"))
            assert 0 == cache.stats()["breaker_opens"]
