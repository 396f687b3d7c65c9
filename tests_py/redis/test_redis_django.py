"""What Django, django-redis and quickcache 0.5.4 keep on a server is read here, and the other way."""

import os
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.test import override_settings

from quickcache import RedisCache

VALUES = [
    None,
    True,
    False,
    0,
    5,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**200,
    1.5,
    "",
    "text",
    "5",
    "\N{SNOWMAN}\x00\n",
    b"",
    b"5",
    b"\x80\x05bytes",
    (1, [2, {"three": {4}}]),
    {"a": [1, None, True]},
    frozenset({"a"}),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    timedelta(microseconds=1),
    Decimal("1.10"),
    UUID(int=5),
    Path("a/b"),
    len,
    "long" * 100_000,
]
SHORT, LONG = 1_000, 1_000_000  # seconds, far from each other


def of_django(url, prefix):
    return DjangoRedisCache(url, {"KEY_PREFIX": prefix})


def of_django_redis(url, prefix):
    from django_redis.cache import RedisCache as DjangoRedisRedisCache

    return DjangoRedisRedisCache(url, {"KEY_PREFIX": prefix})


THEIRS = {"Django": of_django, "django-redis": of_django_redis}


@pytest.fixture(params=THEIRS)
def kind(request):
    """Whose cache the other is."""
    return request.param


@pytest.fixture
def theirs(kind, shared, prefix):
    """Another's cache."""
    with override_settings():
        cache = THEIRS[kind](shared.server().url, prefix)
        yield cache
        disconnect(cache)


def disconnect(cache):
    if isinstance(cache, DjangoRedisCache):
        for pool in cache._cache._pools.values():
            pool.disconnect()
    else:
        cache.client.get_client().connection_pool.disconnect()


@pytest.fixture
def ours(shared, prefix):
    """Ours, over the same keys."""
    with closing(RedisCache(shared.server().url, key_prefix=f"{prefix}:1:", deadline=60)) as cache:
        yield cache


@pytest.fixture
def life(shared, prefix):
    """Whether a key lives for SHORT, for LONG, or for ever."""

    def life(key):
        left = shared.server().cli("PTTL", f"{prefix}:1:{key}")
        assert left != -2, "it is not there"
        return None if left == -1 else SHORT if left <= SHORT * 1_000 else LONG

    return life


class TestValues:
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
    def test_that_they_set_are_read(self, theirs, ours, value):
        theirs.set("k", value)
        found = ours.get("k", default="missing")

        assert (type(value), value) == (type(found), found)
        assert {"k": value} == ours.get_many(["k", "nothing"])

    @pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
    def test_that_are_set_here_they_read(self, theirs, ours, value):
        ours.set("k", value)
        found = theirs.get("k", default="missing")

        assert (type(value), value) == (type(found), found)
        assert {"k": value} == theirs.get_many(["k", "nothing"])

    def test_set_by_several_keys_are_read_by_the_other(self, theirs, ours):
        theirs.set_many({"a": 1, "b": [2]})
        ours.set_many({"c": 3, "d": [4]})

        expected = {"a": 1, "b": [2], "c": 3, "d": [4]}
        assert expected == ours.get_many("abcdef") == theirs.get_many("abcdef")


class TestKeys:
    def test_that_one_has_are_there_for_the_other(self, theirs, ours):
        theirs.set("a", 1)
        ours.set("b", 2)

        assert ("a" in ours, "b" in theirs) == (True, True)
        assert (ours.add("a", 2), theirs.add("b", 3)) == (False, False)
        assert {"a": 1, "b": 2} == ours.get_many("ab")

    def test_deleted_by_one_are_gone_for_the_other(self, theirs, ours):
        theirs.set_many(dict.fromkeys("abcd", 1))

        assert ours.delete("a") is True
        assert theirs.delete("b") is True
        assert 1 == ours.delete_many("abc")
        assert {"d": 1} == ours.get_many("abcd") == theirs.get_many("abcd")

    def test_cleared_here_are_those_with_the_prefix(self, theirs, ours, shared, prefix):
        theirs.set("k", 1)
        shared.server().cli("SET", f"{prefix}:2:k", "another's")
        ours.clear()

        assert theirs.get("k") is None
        assert b"another's" == shared.server().cli("GET", f"{prefix}:2:k")


class TestNumbers:
    def test_are_counted_up_by_both(self, theirs, ours):
        theirs.set("k", 5)
        assert 7 == ours.incr("k", 2)
        assert 8 == theirs.incr("k")
        assert 3 == ours.incr("k", -5)

        assert 3 == ours.get("k") == theirs.get("k")

    def test_that_are_not_there_are_refused_alike(self, theirs, ours):
        for cache in (theirs, ours):
            with pytest.raises(ValueError, match="not found"):
                cache.incr("k")


class TestLives:
    @pytest.mark.parametrize("timeout", [SHORT, LONG, None])
    def test_are_the_same_whoever_gives_them(self, theirs, ours, life, timeout):
        theirs.set("a", 1, timeout=timeout)
        ours.set("b", 1, timeout=timeout)
        ours.set_many({"c": 1}, timeout=timeout)
        ours.add("d", 1, timeout=timeout)

        assert {timeout} == {life(key) for key in "abcd"}

    @pytest.mark.parametrize("timeout", [LONG, None])
    def test_are_renewed_by_either(self, theirs, ours, life, timeout):
        theirs.set("a", 1, timeout=SHORT)
        ours.set("b", 1, timeout=SHORT)

        assert (ours.touch("a", timeout), theirs.touch("b", timeout)) == (True, True)
        assert (timeout, timeout) == (life("a"), life("b"))

    def test_of_nothing_at_all_forget(self, theirs, ours):
        for timeout in (0, -1):
            theirs.set("k", 1)
            ours.set("k", 2, timeout=timeout)
            assert theirs.get("k") is None

            theirs.set("k", 1)
            assert ours.touch("k", timeout) is True
            assert theirs.get("k") is None


# The same text in both processes, so that the keys are the same. It tells when it computes, and waits.
DECORATED = """
import faulthandler, sys
faulthandler.dump_traceback_later(60, exit=True)
from django.conf import settings

which, kind, url, prefix = sys.argv[1:]
settings.configure()
if kind == "ours":
    from quickcache import RedisCache
    cache = RedisCache(url, key_prefix=f"{prefix}:1:", deadline=60)
elif kind == "Django":
    from django.core.cache.backends.redis import RedisCache
    cache = RedisCache(url, {"KEY_PREFIX": prefix})
else:
    from django_redis.cache import RedisCache
    cache = RedisCache(url, {"KEY_PREFIX": prefix})

from quickcache import get_quickcache

@get_quickcache(cache=cache)(["x"])
def double(x):
    print("computing", flush=True)
    sys.stdin.readline()
    return [x, which]

print(double.get_cache_key(5), flush=True)
print(double(5), flush=True)
"""


@pytest.fixture
def decorated(tmp_path, shared, prefix):
    """Start a decorated function's program: over 0.5.4, or over this quickcache."""
    file = tmp_path / "program.py"
    file.write_text(DECORATED)
    running = []

    def start(which, kind):
        path = os.environ["QUICKCACHE_ORACLE"] if which == "0.5.4" else ""
        process = subprocess.Popen(
            [sys.executable, str(file), which, kind, shared.server().url, prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()


def finish(process):
    """Let it compute, and have what it says after that."""
    with suppress(BrokenPipeError):  # it may have ended already
        process.stdin.write("\n")
        process.stdin.close()
    told = process.stdout.read()
    assert 0 == process.wait()
    return told


class TestQuickcache054:
    def test_computes_where_there_is_a_placeholder_and_its_value_stays(self, decorated, ours, theirs, kind):
        """A placeholder says that a value is being computed here. 0.5.4 takes it for nothing at all."""
        here, key = decorated("1.0", "ours")
        assert "computing\n" == here.stdout.readline()
        assert ours.get(key, default="missing") == "missing"
        assert theirs.get(key, default=Ellipsis) is Ellipsis

        there, same_key = decorated("0.5.4", kind)
        assert key == same_key
        assert "computing\n[5, '0.5.4']\n" == finish(there)
        assert "[5, '1.0']\n" == finish(here)
        assert [5, "0.5.4"] == ours.get(key) == theirs.get(key)

    def test_finds_what_was_computed_here_and_the_other_way(self, decorated, ours, kind):
        for first, second in ((("1.0", "ours"), ("0.5.4", kind)), (("0.5.4", kind), ("1.0", "ours"))):
            one, key = decorated(*first)
            assert f"computing\n[5, '{first[0]}']\n" == finish(one)
            other, _ = decorated(*second)
            assert f"[5, '{first[0]}']\n" == finish(other)
            ours.delete(key)
