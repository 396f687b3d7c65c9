"""docs/security.md: the line of an access control list on it is enough, and nothing in it is too much."""

import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from redis_servers.waiting import until

from quickcache import CacheUnavailableError, MemoryCache, RedisCache, TieredCache, get_quickcache

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
[LINE] = re.findall(r"^user (.*)$", PAGE, re.MULTILINE)
NAME, *RULES = LINE.split()
COMMANDS = [rule for rule in RULES if rule.startswith("+")]
ADDED = dict(re.findall(r"^\| (.*?) \| `([^`]*\+[^`]*)`", PAGE, re.MULTILINE))
PREFIX = "app:"

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


class NoValueError(Exception):
    """What a function of the tests raises."""


def use(server, url: str, prefix: str = PREFIX) -> None:
    """Do all that a cache can do. CacheUnavailableError where the server gives no right."""
    cache = RedisCache(url, key_prefix=prefix, deadline=30, on_error="raise")
    signing = RedisCache(
        url, key_prefix=f"{prefix}signed:", deadline=30, on_error="raise", signing_keys=["k" * 16]
    )
    cache.ping()
    for one in (cache, signing):
        use_methods(one)
    server.cli("SET", f"{prefix}unreadable", b"\x80\x05cno_such_module\nName\n.")
    assert cache.get("unreadable") is None
    for tiers in (cache, signing, TieredCache([MemoryCache(), cache])):
        for single_flight in (True, "fleet"):
            for value in ({"a": 1}, 5):
                use_function(get_quickcache(cache=tiers, single_flight=single_flight), value)
    cache.clear()


def use_methods(cache: RedisCache) -> None:
    cache.set("a", {"a": 1})
    assert cache.get("a") == {"a": 1}
    assert "a" in cache
    assert cache.touch("a", 60)
    assert cache.touch("a", None)
    cache.delete("b")
    assert cache.add("b", 5)
    assert cache.incr("b") == 6
    cache.set_many({"c": 1, "d": 2})
    assert cache.get_many(["c", "d"]) == {"c": 1, "d": 2}
    assert cache.delete_many(["c", "d"]) == 2
    assert cache.delete("a")


def use_function(quickcache: Callable, value: object) -> None:
    fails = False

    @quickcache(["x"], skip_arg="fresh")
    def function(x, fresh=False):
        if fails:
            raise NoValueError
        return value

    function.clear(1)
    assert [value] * 3 == [function(1), function(1), function(1, fresh=True)]
    fails = True
    for fresh in (True, False):
        with pytest.raises(NoValueError):
            function(2 - fresh, fresh=fresh)
    fails = False
    assert value == function(1, fresh=True)
    function.clear(1)
    function.clear(2)


def give(server, *rules: str) -> str:
    """Have the user, with these rules alone; its URL."""
    server.cli("ACL", "SETUSER", NAME, "reset", *rules)
    server.cli("SCRIPT", "FLUSH")
    [password] = [rule[1:] for rule in rules if rule.startswith(">")]
    return f"redis://{NAME}:{password}@127.0.0.1:{server.port}/0"


@pytest.fixture
def server(shared):
    server = shared.server()
    server.cli("FLUSHALL")
    yield server
    server.cli("ACL", "DELUSER", NAME)


def test_the_line_is_enough(server):
    use(server, give(server, *RULES))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_line_is_needed(server, command):
    url = give(server, *(rule for rule in RULES if rule != command))

    with pytest.raises(CacheUnavailableError, match=f"(?i)'{command[1:]}' command"):
        use(server, url)


def test_the_line_gives_no_right_to_other_keys(server):
    cache = RedisCache(give(server, *RULES), key_prefix="others:", on_error="raise")

    with pytest.raises(CacheUnavailableError, match=r"(?i)noperm"):
        cache.get("a")


def test_the_rights_that_are_to_be_added_are_enough(server):
    url = give(server, *RULES)
    named = f"{url}?client_name=web"
    for needed, other in ((f"{url[:-1]}1", "a database other than 0"), (named, "`?client_name=` in the URL")):
        with pytest.raises(CacheUnavailableError, match=r"(?i)noperm"):
            RedisCache(needed).ping()
        give(server, *RULES, ADDED[other].replace("\\", ""))
        assert RedisCache(needed).ping() > 0
    with pytest.raises(CacheUnavailableError, match="'flushdb' command"):
        RedisCache(url, on_error="raise").clear()


TOLD = {
    mode: next(rights for use, rights in ADDED.items() if f"by `{mode}`" in use).replace("\\", "").split()
    for mode in ("tracking", "pubsub")
}


class TestTheRightsToHearOfChanges:
    @pytest.fixture
    def make(self, server):
        """A process of a new user with these rights: what was refused once is not asked for again."""
        names = []

        def make(mode: str, *rights: str) -> list[TieredCache]:
            names.append(name := f"told-{uuid4().hex}")
            rules = [rule for rule in RULES if not rule.startswith(">")]
            server.cli("ACL", "SETUSER", name, *rules, ">p", *rights)
            url = f"redis://{name}:p@127.0.0.1:{server.port}"
            redis = [RedisCache(url, key_prefix=PREFIX, deadline=30) for _ in range(2)]
            return [TieredCache([MemoryCache(), one], coherence=mode) for one in redis]

        yield make
        server.cli("ACL", "DELUSER", *names)

    @pytest.mark.parametrize("mode", TOLD)
    def test_are_enough(self, make, mode, caplog):
        one, other = make(mode, *TOLD[mode])

        def hears() -> bool:
            one.set("a", 1)
            other.get("a")
            return other.stats()["invalidations"] > 0

        until("one is told of what the other changes", hears)
        assert mode == other.stats()["coherence"]
        assert [] == caplog.messages

    @pytest.mark.parametrize(("mode", "right"), [(mode, right) for mode in TOLD for right in TOLD[mode]])
    def test_are_each_needed(self, make, mode, right, caplog):
        one, _ = make(mode, *(given for given in TOLD[mode] if given != right))

        def complains() -> bool:
            one.set("a", 1)
            one.get("nothing")
            return (
                f"does not allow coherence='{mode}': NOPERM" in caplog.text or "not published" in caplog.text
            )

        until("the log says what is missing", complains)
