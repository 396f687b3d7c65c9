"""Processes with coherent tiers, and some with quickcache 0.5.4 over Django's RedisCache, on one server.

What one of them clears or changes leaves the memory of the others, which would keep it for an hour.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from redis_servers import waiting

HOUR = 3600

# Ours has memory before the server, by a decorated function and by a backend; 0.5.4 has the server alone. The
# function has the same text in both, and so the same keys.
PROGRAM = """
    import json
    import sys
    from itertools import count

    from django.conf import settings

    name, given = sys.argv[1], json.loads(sys.argv[2])
    settings.configure(CACHES=given["caches"])

    from django.core.cache import caches
    from quickcache.django_quickcache import get_django_quickcache

    cache = caches[given["cache"]]
    computed = count(1)


    @get_django_quickcache(timeout=3600, **given["options"])(["x"])
    def function(x):
        return [name, next(computed)]


    def serves(key):
        before = cache.stats()["memory"]["hits"]
        cache.get(key)
        return cache.stats()["memory"]["hits"] > before


    operations = {
        "call": function,
        "forget": function.clear,
        "is kept": lambda x: function.get_cache_key(x) in caches["locmem"],
        "mode": lambda: function.clear.__self__.cache.stats()["coherence"],
        "serves": serves,
        "where": lambda: sys.modules["quickcache"].__file__,
    }
    for line in sys.stdin:
        operation, *arguments = json.loads(line)
        do = operations.get(operation) or getattr(cache, operation)
        print(json.dumps(do(*arguments)), flush=True)
"""

# What a process does to a key by Django's cache, and what has become of it, which was 1.
CHANGES = {
    "set": (("set", "k", 2), 2),
    "incr": (("incr", "k", 5), 6),
    "touch": (("touch", "k", 500), 1),
    "delete": (("delete", "k"), None),
    "set_many": (("set_many", {"k": 2, "other": 3}), 2),
    "delete_many": (("delete_many", ["k", "other"]), None),
    "clear": (("clear",), None),
}


class Process:
    """A process, told what to do line by line."""

    def __init__(self, file, name, path=None, **given):
        self._process = subprocess.Popen(
            [sys.executable, file, name, json.dumps(given)],
            env={**os.environ, **({"PYTHONPATH": path} if path else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __call__(self, operation, *arguments):
        self._process.stdin.write(json.dumps([operation, *arguments]) + "\n")
        answer = self._process.stdout.readline()
        assert answer, f"the process has ended at {operation}"
        return json.loads(answer)

    def take_up(self, x):
        """Have the function's value in memory."""
        waiting.until("memory has it", lambda: self("call", x) and self("is kept", x))

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        assert 0 == self._process.wait(waiting.LIMIT)


@pytest.fixture
def start(shared, prefix, tmp_path):
    """Start a process with our tiers, or one with 0.5.4."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM))
    url = shared.server().url
    started = []

    def start(name, **options):
        options = {"beat": 10, **options}
        at_server = {"LOCATION": url, "KEY_PREFIX": prefix, "OPTIONS": {"deadline": waiting.LIMIT}}
        in_tiers = {"deadline": waiting.LIMIT, "memoize_timeout": HOUR, **options}
        settings = {
            "default": {"BACKEND": "quickcache.django.RedisCache", **at_server},
            "locmem": {"BACKEND": "quickcache.django.MemoryCache"},
            "tiers": {"BACKEND": "quickcache.django.TieredCache", **at_server, "OPTIONS": in_tiers},
        }
        one = Process(
            file, name, caches=settings, cache="tiers", options={"memoize_timeout": HOUR, **options}
        )
        started.append(one)
        return one

    def start_theirs():
        oracle = os.environ["QUICKCACHE_ORACLE"]
        backend = "django.core.cache.backends.redis.RedisCache"
        settings = {
            "default": {"BACKEND": backend, "LOCATION": url, "KEY_PREFIX": prefix},
            "locmem": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        }
        one = Process(
            file, "theirs", oracle, caches=settings, cache="default", options={"memoize_timeout": 0}
        )
        started.append(one)
        assert one("where").startswith(oracle)
        return one

    start.theirs = start_theirs
    yield start
    for one in started:
        one.close()


class TestProcesses:
    @pytest.mark.parametrize("coherence", [None, "tracking", "pubsub"])
    def test_hear_of_each_others_clears(self, start, coherence):
        one, other = (start(name, coherence=coherence) for name in ("one", "other"))
        assert ["one", 1] == one("call", 1)
        for clearing, hearing in ((one, other), (other, one)) * 3:
            clearing.take_up(1)
            hearing.take_up(1)
            old = hearing("call", 1)
            clearing("forget", 1)
            new = clearing("call", 1)
            assert new != old
            waiting.until("the other has heard of it", lambda: hearing("call", 1) != old)  # noqa: B023
            assert new == hearing("call", 1)

        assert [coherence or "tracking"] * 2 == [one("mode"), other("mode")]

    def test_do_not_without_coherence(self, start):
        one, other = (start(name, coherence="off") for name in ("one", "other"))
        assert ["one", 1] == one("call", 1)
        other.take_up(1)
        one("forget", 1)

        assert [["one", 2], ["one", 1]] == [one("call", 1), other("call", 1)]


class TestAProcessWithTheOriginal:
    def test_clears_what_others_have_in_memory(self, start):
        theirs, ours = start.theirs(), start("ours")
        for number in range(1, 6):
            assert ["theirs", number] == theirs("call", 1)
            waiting.until("ours has heard of it", lambda number=number: ours("call", 1) == ["theirs", number])
            ours.take_up(1)
            theirs("forget", 1)

        assert "tracking" == ours("mode")

    def test_has_what_others_clear_no_more(self, start):
        theirs, ours = start.theirs(), start("ours")
        assert ["ours", 1] == ours("call", 1)
        ours.take_up(1)
        assert ["ours", 1] == theirs("call", 1)
        ours("forget", 1)

        assert ["theirs", 1] == theirs("call", 1)
        assert ["theirs", 1] == ours("call", 1)

    @pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
    def test_changes_what_others_have_in_memory(self, start, change, after):
        theirs, ours = start.theirs(), start("ours")
        theirs("set", "k", 1, HOUR)
        waiting.until("memory has it", lambda: ours("get", "k") == 1 and ours("serves", "k"))
        theirs(*change)

        waiting.until("memory has not", lambda: not ours("serves", "k"))
        assert after == ours("get", "k") == theirs("get", "k")
