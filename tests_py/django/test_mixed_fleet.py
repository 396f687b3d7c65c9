"""A process with quickcache 0.5.4 over Django's RedisCache and one with ours share all that they keep."""

import json
import os
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")

MEMBER = Path(__file__).with_name("fleet_member.py")
KEYS = ["a", "b", "c"]
ARGUMENTS = [(1,), (1, "x"), (2,), ("1",), (1.5, None)]


class Member:
    """One process, told what to do line by line."""

    def __init__(self, name, backend, url, path=None):
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, MEMBER, name, backend, url],
            env={**os.environ, **({"PYTHONPATH": str(path)} if path else {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def do(self, *operation):
        self._process.stdin.write(json.dumps(operation) + "\n")
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        assert 0 == self._process.wait(30)


class Model:
    """What one cache for all would say to each operation."""

    def __init__(self, keys):
        self.keys = keys  # by arguments
        self.values = {}
        self.computed = dict.fromkeys(["theirs", "ours"], 0)

    def call(self, name, *arguments):
        key = self.keys[arguments]
        if key not in self.values:
            self.computed[name] += 1
            n, other = (*arguments, None)[:2]
            self.values[key] = {"n": n, "name": other, "by": [name, self.computed[name]]}
        return self.values[key]

    def clear(self, _, *arguments):
        self.values.pop(self.keys[arguments], None)

    def peek(self, _, *arguments):
        return self.values.get(self.keys[arguments], "a miss")

    def keep(self, _, value, *arguments):
        self.values[self.keys[arguments]] = value

    def get(self, _, key):
        return self.values.get(key)

    def set(self, _, key, value):
        self.values[key] = value

    def add(self, _, key, value):
        return key not in self.values and self.values.setdefault(key, value) is value

    def delete(self, _, key):
        return self.values.pop(key, self) is not self

    def touch(self, _, key, _timeout):
        return key in self.values

    def incr(self, _, key, delta):
        if key not in self.values:
            return "ValueError"
        self.values[key] += delta
        return self.values[key]

    def get_many(self, _, keys):
        return {key: self.values[key] for key in keys if key in self.values}

    def set_many(self, _, values):
        self.values.update(values)
        return []

    def delete_many(self, _, keys):
        for key in keys:
            self.values.pop(key, None)


def operations(chance, keys):
    """Operations without end, with their arguments."""
    values = [0, -7, 2**40, "text", "5", None, True, 1.5, [1, {"a": None}], "long" * 5_000]
    while True:
        arguments, key, value = chance.choice(ARGUMENTS), chance.choice(KEYS), chance.choice(values)
        counter = f"counter-{chance.randrange(3)}"
        yield chance.choice(
            [
                *[("call", *arguments)] * 3,
                ("clear", *arguments),
                ("peek", *arguments),
                ("keep", value, *arguments),
                *[(name, keys[arguments]) for name in ("get", "delete")],
                *[(name, key) for name in ("get", "delete")],
                *[(name, key, value) for name in ("set", "add")],
                ("touch", key, 100),
                ("add", counter, 5),
                ("incr", counter, 3),
                ("incr", counter, -1),
                ("get_many", KEYS),
                ("set_many", {"a": value, "b": 5}),
                ("delete_many", KEYS),
            ]
        )


@pytest.fixture
def fleet(shared):
    """Theirs and ours, at one server."""
    server = shared.server()
    server.cli("FLUSHALL")
    oracle = os.environ["QUICKCACHE_ORACLE"]
    members = [
        Member("theirs", "django.core.cache.backends.redis.RedisCache", server.url, oracle),
        Member("ours", "quickcache.django.RedisCache", server.url),
    ]
    yield members
    for member in members:
        member.close()


def test_ten_thousand_operations_are_those_of_one_cache(fleet):
    theirs, ours = fleet
    assert theirs.do("where").startswith(os.environ["QUICKCACHE_ORACLE"])
    assert not ours.do("where").startswith(os.environ["QUICKCACHE_ORACLE"])
    keys = {arguments: theirs.do("key", *arguments) for arguments in ARGUMENTS}
    assert keys == {arguments: ours.do("key", *arguments) for arguments in ARGUMENTS}

    chance, model, differences = random.Random(5), Model(keys), []
    for number, (name, *arguments) in enumerate(islice(operations(chance, keys), 10_000)):
        member = chance.choice(fleet)
        expected = getattr(model, name)(member.name, *arguments)
        found = member.do(name, *arguments)
        if found != expected:
            differences.append((number, member.name, name, arguments, expected, found))

    assert [] == differences
