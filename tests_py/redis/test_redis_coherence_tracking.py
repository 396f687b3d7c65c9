"""With coherence='tracking' the server tells of all that changes, whoever changes it, and of nothing else."""

from contextlib import closing

import pytest
from coherent_tiers import HOUR, Tiers
from redis_servers import waiting
from redis_servers.binaries import redis62

from quickcache import ManualClock, RedisCache

KEYS = ["a", "b", "c", "d"]

# What another program says, with * before each key, and what has become of the keys, whose values were 1.
COMMANDS = {
    "SET": ("SET *a 2", {"a": 2}),
    "SET to the same": ("SET *a 1", {"a": 1}),
    "SETEX": ("SETEX *a 1000 2", {"a": 2}),
    "GETSET": ("GETSET *a 2", {"a": 2}),
    "MSET": ("MSET *a 2 *b 3", {"a": 2, "b": 3}),
    "APPEND": ("APPEND *a 5", {"a": 15}),
    "SETRANGE": ("SETRANGE *a 0 7", {"a": 7}),
    "INCR": ("INCR *a", {"a": 2}),
    "DEL": ("DEL *a *b", {"a": None, "b": None}),
    "UNLINK": ("UNLINK *a", {"a": None}),
    "GETDEL": ("GETDEL *a", {"a": None}),
    "RENAME": ("RENAME *a *b", {"a": None, "b": 1}),
    "RENAME to it": ("RENAME *elsewhere *a", {"a": 9}),
    "COPY": ("COPY *elsewhere *a REPLACE", {"a": 9}),
    "MOVE": ("MOVE *a 1", {"a": None}),
    "EXPIRE": ("EXPIRE *a 1000", {"a": 1}),
    "PERSIST": ("PERSIST *a", {"a": 1}),
    "EXPIRE in the past": ("EXPIREAT *a 1", {"a": None}),
    "Lua": ("EVAL redis.call('SET',KEYS[1],5);redis.call('DEL',KEYS[2]) 2 *a *b", {"a": 5, "b": None}),
    "FLUSHDB": ("FLUSHDB", dict.fromkeys(KEYS)),
    "FLUSHALL": ("FLUSHALL ASYNC", dict.fromkeys(KEYS)),
}


def value(x):
    """What is cached."""
    return "value"


@pytest.fixture
def process(prefix):
    """Make what stands for a process that listens."""

    def process(url, *, key_prefix=prefix, coherence="tracking", **options):
        one = Tiers(url, key_prefix, coherence, **options)
        one.listen()
        return one

    return process


class TestAnotherProgram:
    @pytest.fixture(params=["valkey", "redis 6.2"])
    def server(self, request, shared):
        by_name = {"valkey": shared.server, "redis 6.2": lambda: shared.server(redis62())}
        server = by_name[request.param]()
        server.cli("FLUSHALL")
        return server

    @pytest.fixture
    def tell(self, server, prefix):
        """Say some words to the server."""

        def tell(line, ask=server.cli):
            return ask(*(word.replace("*", prefix, 1) for word in line.split()))

        return tell

    @pytest.fixture
    def other(self, server, process, tell):
        for key in KEYS:
            tell(f"SET *{key} 1 PX 500000")
        tell("SET *elsewhere 9")
        other = process(server.url)
        other.take_up(*KEYS)
        return other

    @pytest.mark.parametrize(("line", "after"), COMMANDS.values(), ids=COMMANDS)
    def test_changes_what_processes_have_in_memory(self, other, tell, line, after):
        tell(line)

        waiting.until("memory has none of them", lambda: not any(key in other.memory for key in after))
        assert [key for key in KEYS if key not in after] == [key for key in KEYS if key in other.memory]
        assert after == {key: other.whole.get(key) for key in after}

    def test_may_have_a_cache_without_memory(self, server, other, prefix):
        with closing(RedisCache(server.url, key_prefix=prefix, deadline=waiting.LIMIT)) as cache:
            cache.set("a", 2)
            cache.touch("b", 500)
            cache.delete("c")

        waiting.until("memory has none of them", lambda: not any(key in other.memory for key in "abc"))
        assert [2, 1, None, 1] == [other.whole.get(key) for key in KEYS]

    def test_may_do_it_in_a_transaction(self, server, other, tell):
        with server.connect() as connection:
            for line in ("MULTI", "SET *a 2", "DEL *b"):
                tell(line, connection.ask)
            assert [b"OK", 1] == connection.ask("EXEC")

        waiting.until("memory has none of them", lambda: not any(key in other.memory for key in "ab"))
        assert [2, None, 1] == [other.whole.get(key) for key in "abc"]

    def test_may_do_it_to_many_keys_at_once(self, server, process, prefix):
        keys = [f"k{number}" for number in range(5_000)]
        for first in range(0, len(keys), 500):
            some = keys[first : first + 500]
            server.cli("MSET", *(word for key in some for word in (prefix + key, "1")))
        one = process(server.url)
        one.take_up(*keys)
        flushes = one.flushes
        server.cli("DEL", *(prefix + key for key in keys[1:]))

        waiting.until("memory has none of them", lambda: not one.memory.get_many(keys[1:]))
        assert "k0" in one.memory
        assert flushes == one.flushes

    def test_that_only_reads_changes_nothing(self, other, tell):
        before = other.invalidations
        for line in ("GET *a", "TTL *a", "EXISTS *b", "STRLEN *c", "SET *d 2 NX", "DEL *nothing"):
            tell(line)
        tell("SET *last 1")

        waiting.until("the last one is heard of", lambda: other.invalidations > before)
        assert KEYS == [key for key in KEYS if key in other.memory]
        assert before + 1 == other.invalidations


class TestTheEndOfALife:
    """A clock of memory that stands still, so that nothing leaves it by itself."""

    def test_is_told_of(self, shared, process, prefix):
        server, clock = shared.server(), ManualClock()
        one = process(server.url, clock=clock)

        def is_taken_up(milliseconds):
            """On a busy machine, it may be over before that."""
            server.cli("SET", f"{prefix}a", 1, "PX", milliseconds)
            while server.cli("EXISTS", f"{prefix}a"):
                one.whole.get("a")
                if "a" in one.memory:
                    return True
            return False

        assert any(is_taken_up(milliseconds) for milliseconds in (100, 1_000, 10_000))
        # Its clock stands still: of itself, memory would have it for ever.
        waiting.until("memory has heard of it", lambda: one.whole.get("a") is None)

    @pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
    @pytest.mark.parametrize("way", ["read", "computed"])
    def test_on_the_server_is_the_end_in_memory(self, shared, process, coherence, way):
        """Even if nobody tells of it: memory keeps a value no longer than the server."""
        clock = ManualClock()
        one = process(
            shared.server().url, coherence=coherence, clock=clock, on_link_loss=2 * HOUR, timeout=500
        )
        cached = one.cached(value)
        if way == "read":
            one.redis.set(cached.get_cache_key(1), "value")
        cached.take_up(1)
        clock.advance(450)
        assert cached.is_kept(1)
        clock.advance(51)

        assert one.trusted
        assert not cached.is_kept(1)


class TestOtherKeys:
    def test_are_not_told_of(self, shared, process, prefix):
        """Of a decorated function's keys alone the server is asked to tell, if there are no others."""
        server = shared.server()
        one = Tiers(server.url, prefix, "tracking")
        cached = one.cached(value)
        cached(1)
        waiting.until("memory is trusted", lambda: one.trusted)
        one.hear_all()
        before = one.invalidations
        for number in range(10):
            server.cli("SET", f"{prefix}another", number)
            server.cli("SET", f"another{prefix}quickcache.", number)
        one.hear_all()

        assert one.invalidations - before <= 2  # the marks

    def test_have_a_name_in_each_cache_that_has_them(self, shared, process, prefix):
        """What one cache calls a:b:k is b:k to another one, and k to a third."""
        url = shared.server().url
        names = {"": "a:b:k", "a:": "b:k", "a:b:": "k"}
        caches = [process(url, key_prefix=prefix + key_prefix) for key_prefix in names]
        for changing in range(len(caches)):
            caches[0].redis.set("a:b:k", "old")
            for one, name in zip(caches, names.values(), strict=True):
                one.take_up(name)
            caches[changing].redis.set(list(names.values())[changing], "new")

            for one, name in zip(caches, names.values(), strict=True):
                waiting.until("all have heard of it", lambda one=one, name=name: one.whole.get(name) == "new")

    def test_of_another_database_are_other_keys(self, shared, process):
        server = shared.server()
        zero, first = (process(f"{server.url[:-1]}{number}") for number in (0, 1))
        for one, value in ((zero, "zero"), (first, "first")):
            one.redis.set("k", value)
            one.take_up("k")
        zero.redis.set("k", "changed")

        waiting.until("memory has heard of it", lambda: zero.whole.get("k") == "changed")
        assert "first" == first.whole.get("k")
        first.redis.delete("k")
        waiting.until("memory has heard of it", lambda: first.whole.get("k") is None)
        assert "changed" == zero.whole.get("k")


def test_with_pubsub_other_programs_are_not_heard_of(shared, process, prefix):
    server = shared.server()
    one = process(server.url, coherence="pubsub")
    server.cli("SET", f"{prefix}a", 1)
    one.take_up("a")
    before = one.invalidations
    server.cli("SET", f"{prefix}a", 2)
    one.redis.set("last", 1)

    waiting.until("the last one is heard of", lambda: one.invalidations > before)
    assert 1 == one.whole.get("a")
