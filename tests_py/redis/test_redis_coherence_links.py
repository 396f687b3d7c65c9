"""What coherent tiers ask a server for, what they do if it refuses, and what depends on the link."""

import gc
import logging
import re
from contextlib import ExitStack
from itertools import pairwise

import pytest
from coherent_tiers import Tiers
from django.core.cache import caches
from django.test import override_settings
from redis_servers import waiting
from redis_servers.binaries import valkey
from redis_servers.server import Server, User

from quickcache import CacheWithPresets, MemoryCache, RedisCache, TieredCache, get_quickcache
from quickcache.django._location import _tell_of_key_function

PREFIX = "app:"
PASSWORD = "a password"
# What docs/security.md has for a RedisCache, and what coherent tiers need besides.
CACHE = (
    "resetchannels ~app:* -@all +ping +get +mget +set +del +eval +evalsha +getrange +strlen +exists +pttl "
    "+append +setrange +pexpire +persist +incrby +scan +unlink"
)
TRACKING = "+hello +client|tracking"
PUBSUB = "+hello +subscribe +publish &quickcache.clears:*"

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


def function(x):
    """What is cached."""
    return ["value", x]


def tracked(commands):
    """The prefixes that the server was asked to track, each time."""
    asked = [command.arguments for command in commands if b"TRACKING" in command.arguments]
    return [
        [later.decode() for word, later in pairwise(arguments) if word == b"PREFIX"] for arguments in asked
    ]


def listening(server):
    """The connections by which the server tells of changes, as CLIENT LIST has them."""
    lines = server.cli("CLIENT", "LIST").decode().splitlines()
    clients = [dict(word.split("=", 1) for word in line.split()) for line in lines]
    return [client for client in clients if {"t", "P"} & set(client["flags"])]


def listen(one, ask):
    waiting.until("memory is trusted", lambda: ask() and one.trusted)


class TestTheServerIsAskedFor:
    """The fewest prefixes that have all keys in question."""

    def test_the_keys_of_decorated_functions(self, server):
        with server.monitor() as commands:
            one = Tiers(server.url, PREFIX, "tracking")
            cached = one.cached(function)
            listen(one, lambda: cached(1))

        assert [["app:quickcache."]] == tracked(commands)

    def test_all_of_the_prefix_if_other_keys_are_asked_for(self, server):
        with server.monitor() as commands:
            one = Tiers(server.url, PREFIX, "tracking")
            one.listen()
            cached = one.cached(function)
            listen(one, lambda: cached(1))

        assert [["app:"]] == tracked(commands)

    def test_more_as_soon_as_other_keys_are_asked_for(self, server):
        one = Tiers(server.url, PREFIX, "tracking")
        cached = one.cached(function)
        listen(one, lambda: cached(1))
        cached.take_up(1)
        flushes = one.flushes
        with server.monitor() as commands:
            one.redis.set("x", 1)
            one.take_up("x")
        assert [["app:"]] == tracked(commands)
        assert flushes + 1 == one.flushes
        assert 0 == one.link_losses
        assert not cached.is_kept(1)

        cached.take_up(1)
        server.cli("SET", "app:x", 2)
        waiting.until("memory has heard of it", lambda: one.whole.get("x") == 2)
        server.cli("DEL", f"app:{cached.get_cache_key(1)}")
        waiting.until("memory has heard of it", lambda: not cached.is_kept(1))

    def test_the_keys_of_several_caches_by_one_connection(self, server):
        prefixes = "app:", "app:a:", "b:", "c:", "b:"
        server.cli("MSET", *(word for prefix in prefixes for word in (f"{prefix}k", 1)))
        caches = [Tiers(server.url, prefix, "tracking") for prefix in prefixes]
        with server.monitor() as commands:
            for one in caches:
                one.listen()

        assert ["app:", "b:", "c:"] == tracked(commands)[-1]
        assert 1 == len(listening(server))
        for one in caches:
            one.take_up("k")
        server.cli("DEL", "app:a:k")
        waiting.until("memory has heard of it", lambda: "k" not in caches[1].memory)
        assert [0, 2, 3, 4] == [number for number, one in enumerate(caches) if "k" in one.memory]

    def test_all_keys_if_there_is_no_prefix(self, server):
        with server.monitor() as commands:
            one = Tiers(server.url, "", "tracking")
            one.listen()
        assert [[]] == tracked(commands)

        server.cli("SET", "k", 1)
        one.take_up("k")
        server.cli("DEL", "k")
        waiting.until("memory has heard of it", lambda: "k" not in one.memory)

    def test_a_channel_for_each_prefix(self, server):
        caches = [Tiers(server.url, prefix, "pubsub") for prefix in ("app:", "app:a:", "app:")]
        for one in caches:
            one.listen()

        names = sorted(name.decode() for name in server.cli("PUBSUB", "CHANNELS"))
        assert ["quickcache.clears:app:", "quickcache.clears:app:a:"] == names
        assert 1 == len(listening(server))

    def test_nothing_by_tiers_that_nobody_asks(self, server):
        one = Tiers(server.url, PREFIX, "tracking")
        assert ("tracking", False, None) == (one.coherence, one.trusted, one.beat_age)
        one.memory.set("x", 1)
        assert 1 == one.whole.get("x")

        assert [] == listening(server)

    @pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
    def test_nothing_any_more_once_its_caches_are_gone(self, server, coherence):
        one = Tiers(server.url, PREFIX, coherence, beat=0.05)
        one.listen()
        assert 1 == len(listening(server))
        del one
        gc.collect()

        waiting.until("it does not listen any more", lambda: not listening(server))


class TestRights:
    """A user with no more rights than are needed."""

    @pytest.fixture
    def at(self, program):
        """Two processes at a server whose user has these rights."""
        with ExitStack() as stack:

            def at(rules, coherence):
                users = [User("app", PASSWORD, f"{CACHE} {rules}")]
                server = stack.enter_context(Server(program, users=users))
                return [Tiers(server.url, PREFIX, coherence, on_error="raise") for _ in range(2)]

            yield at

    @pytest.fixture
    def lines(self, caplog):
        """The lines of the log."""
        caplog.set_level(logging.INFO, logger="quickcache")
        return lambda: [
            (one.levelname, one.getMessage()) for one in caplog.records if one.name == "quickcache"
        ]

    @pytest.mark.parametrize(("coherence", "rules"), [("tracking", TRACKING), ("pubsub", PUBSUB)])
    def test_are_enough(self, at, lines, coherence, rules):
        one, other = at(rules, coherence)
        check_tell_each_other(one, other)

        assert [coherence] * 2 == [one.coherence, other.coherence]
        assert [] == lines()

    def test_without_those_of_tracking_there_is_pubsub(self, at, lines):
        one, other = at(PUBSUB, "tracking")
        check_tell_each_other(one, other)

        assert ["pubsub"] * 2 == [one.coherence, other.coherence]
        [(level, line)] = lines()
        assert "WARNING" == level
        assert line.startswith("the server does not allow coherence='tracking': ")
        assert re.search(r"(?i)noperm.*'client(\|tracking)?'", line)
        assert "(coherence='pubsub')" in line
        assert line.startswith(f"{one.reason}; ")
        assert one.trusted

    def test_a_server_before_redis_6_has_pubsub(self, server_of_old, lines):
        """It knows neither HELLO nor CLIENT TRACKING."""
        one, other = (Tiers(server_of_old.url, PREFIX, "tracking", on_error="raise") for _ in range(2))
        check_tell_each_other(one, other)

        assert "pubsub" == one.coherence
        [(level, line)] = lines()
        assert "WARNING" == level
        assert line.startswith("the server does not allow coherence='tracking': ")

    @pytest.fixture
    def server_of_old(self):
        with Server(valkey(), settings={"rename-command": 'HELLO ""'}) as server:
            yield server

    @pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
    @pytest.mark.parametrize(
        "rules", ["", "+hello +subscribe +publish", "+hello +publish &quickcache.clears:*"]
    )
    def test_without_any_memory_is_used_all_the_same(self, at, lines, coherence, rules):
        """As without coherence: it is told of nothing."""
        one, other = at(rules, coherence)
        for each in (one, other):
            waiting.until("the server refuses", lambda each=each: [each.whole.get("x")] and refuses(each))
        one.redis.set("x", 1)
        other.take_up("x")
        one.whole.set("x", 2)

        assert [2, 1] == [one.whole.get("x"), other.whole.get("x")]
        assert "x" in one.memory
        refused = ["tracking", "pubsub"] if coherence == "tracking" else ["pubsub"]
        told = lines()
        assert ["WARNING"] * len(refused) == [level for level, _ in told]
        for (_, line), mode in zip(told, refused, strict=True):
            assert line.startswith(f"the server does not allow coherence='{mode}': ")
        reasons = [re.split("; (?:processes|memory) ", line)[0] for _, line in told]
        assert "; ".join(reasons) == one.reason
        assert "(coherence='off')" in told[-1][1]


def refuses(one):
    return one.coherence == "off"


def check_tell_each_other(one, other):
    """A clear in each reaches the other, and what it has in memory serves until then."""
    for each in (one, other):
        each.listen()
    for here, there in ((one, other), (other, one)):
        source = {1: "old"}

        def function(x, source=source):
            return source[x]

        clearing, hearing = here.cached(function), there.cached(function)
        hearing.take_up(1)
        source[1] = "new"
        clearing.clear(1)
        waiting.until("the other has heard of it", lambda hearing=hearing: hearing(1) == "new")


class TestWhatDoesNotDependOnTheLink:
    @pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
    def test_is_what_was_set_in_memory_alone(self, server, coherence):
        one = Tiers(server.url, PREFIX, coherence)
        one.listen()
        one.redis.set("shared", 1)
        one.take_up("shared")
        one.memory.set("own", 2)
        server.cli("CLIENT", "KILL", "ID", listening(server)[0]["id"])

        waiting.until("the link is lost", lambda: one.link_losses == 1)
        assert 2 == one.memory.get("own")
        assert 2 == one.whole.get("own")
        one.listen()
        assert ["own"] == [key for key in ("shared", "own") if key in one.memory]


class TestAPrefixFunction:
    """Nobody knows what the keys in memory begin with: they are kept as without coherence."""

    def test_means_off(self, server, caplog):
        memory, redis = MemoryCache(), RedisCache(server.url, key_prefix=PREFIX, deadline=waiting.LIMIT)
        tiers = TieredCache([CacheWithPresets(memory, 60, lambda: "session"), redis])
        cached = get_quickcache(cache=tiers)(["x"])(function)

        assert [["value", 1]] * 3 == [cached(1) for _ in range(3)]
        assert "off" == tiers.stats()["coherence"]
        assert "session" + cached.get_cache_key(1) in memory
        assert [] == listening(server)


class TestAliasesOfDjango:
    @pytest.fixture
    def aliases(self, server):
        """Backends with these parameters. No two have the same OPTIONS, so each has a memory of its own."""
        with ExitStack() as stack:

            def aliases(**params):
                settings = {
                    alias: {
                        "BACKEND": "quickcache.django.TieredCache",
                        "LOCATION": server.url,
                        "OPTIONS": {"deadline": waiting.LIMIT, "beat": 10, "memoize_timeout": alias_number},
                        **of_alias,
                    }
                    for alias_number, (alias, of_alias) in enumerate(params.items(), 100)
                }
                stack.enter_context(override_settings(CACHES=settings))
                return [caches[alias] for alias in params]

            yield aliases

    def test_whose_prefixes_overlap_are_told_of_all_that_is_theirs(self, server, aliases):
        with server.monitor() as commands:
            backends = aliases(
                default={"KEY_PREFIX": "a"}, inner={"KEY_PREFIX": "a:1"}, other={"KEY_PREFIX": "b"}
            )
            for number, backend in enumerate(backends):
                server.cli("SET", backend.make_key("k"), number + 1)
            for number, backend in enumerate(backends):
                take_up(backend, "k", number + 1)

        assert ["a:", "b:"] == tracked(commands)[-1]
        for number, backend in enumerate(backends):
            server.cli("SET", backend.make_key("k"), 10 * number)
            waiting.until(
                "memory has heard of it",
                lambda backend=backend, number=number: backend.get("k") == 10 * number,
            )

    def test_with_a_key_function_are_kept_as_without_coherence(self, server, aliases, caplog):
        _tell_of_key_function.cache_clear()  # it is said once
        with caplog.at_level(logging.INFO, logger="quickcache"):
            [backend] = aliases(default={"KEY_FUNCTION": lambda key, prefix, version: f"own:{key}"})
        assert ["KEY_FUNCTION" in one.getMessage() for one in caplog.records] == [True]
        backend.set("k", 1)
        server.cli("SET", "own:k", 2)

        assert 1 == backend.get("k")
        assert "off" == backend.stats()["coherence"]["coherence"]
        assert [] == listening(server)


def take_up(backend, key, value):
    """Have a value in the memory of a backend."""

    def is_served():
        before = backend.stats()["memory"]["hits"]
        assert value == backend.get(key)
        return backend.stats()["memory"]["hits"] > before

    waiting.until("memory has it", is_served)


class TestStats:
    def test_tell_how_memory_is_kept_true(self, server):
        one = Tiers(server.url, PREFIX, "tracking", on_link_loss=5, beat=10)
        cached = one.cached(function)
        listen(one, lambda: cached(1))
        told = one.whole.stats()
        assert 0 <= told.pop("beat_age") < told["bound"]
        told.pop("refused_fills")
        told.pop("invalidations")
        assert {
            "coherence": "tracking",
            "trusted": True,
            "reason": None,
            "bound": 25.0,
            "flushes": 1,
            "link_losses": 0,
        } == told
