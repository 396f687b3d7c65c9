"""Memory is not trusted while its server cannot tell of changes, and once it can it is used again, empty."""

import logging
import threading
import time

import pytest
from coherent_members import BOUND, NEVER, Member, check_fresh, kill_links, listening
from redis.crc import key_slot
from redis_servers import faults
from redis_servers.binaries import valkey
from redis_servers.cluster import Cluster
from redis_servers.sentinel import Sentinels
from redis_servers.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

SOON = 0.04  # seconds after which a server that does not answer is a miss
HALF = 0.3  # seconds for which memory may serve alone, where that is to be over soon
LONG = 3600  # and where it is not to be over
NO_LINK = {"replies": faults.truncate(0), "listening": True}  # only those that listen are cut off
HALF_OPEN = {
    "replies": {"replies": faults.HALF_OPEN},
    "requests": {"requests": faults.HALF_OPEN},
    "both": {"requests": faults.HALF_OPEN, "replies": faults.HALF_OPEN},
    "swallowed": {"replies": faults.BLACK_HOLE},
}


@pytest.fixture
def make(tmp_path, mode):
    """Make what stands for a process: its URL is its own, and so its listener."""

    def make(url, **options):
        return Member(url, "p:", tmp_path, coherence=mode, **options)

    return make


@pytest.fixture
def writer(make, server):
    return make(server.url)


def counts(member):
    """How often memory was flushed, and the link lost. On a busy machine it may be lost by itself."""
    told = member.stats()
    return told["flushes"], told["link_losses"]


def until_lost(member):
    until("the loss is noticed", lambda: counts(member)[1] > 0)


def until_trusted_again(member):
    """And has been flushed once for each loss, besides the first time."""
    until("it is trusted again", member.is_trusted)
    flushes, losses = counts(member)
    assert 1 <= losses <= flushes <= 1 + losses


def told(caplog):
    """The lines of the log about links."""
    return [record.getMessage() for record in caplog.records if " tell" in record.getMessage()]


class TestALinkThatIsClosed:
    def test_is_noticed_at_once(self, make, server, link, writer):
        """Not by a beat: there is none within the test."""
        reader = make(link.url, beat=NEVER)
        reader.warm("a")
        link.set(**NO_LINK)
        kill_links(server)
        until_lost(reader)

        assert not reader.is_trusted()
        assert [False] * 20 == [reader.serves("a") for _ in range(20)]
        assert writer.replace("a") == reader.read("a")
        assert (1, 1) == counts(reader)

    def test_is_made_anew_with_one_flush(self, make, server, link, writer):
        reader = make(link.url, beat=NEVER)
        reader.warm("a")
        link.set(**NO_LINK)
        kill_links(server)
        until_lost(reader)
        reader.change("a")  # of which nobody is told
        link.heal()
        until_trusted_again(reader)

        assert (2, 1) == counts(reader)
        assert not reader.serves("a")
        reader.warm("a")

    def test_is_told_in_one_line_each_way(self, make, server, link, caplog):
        reader = make(link.url, beat=NEVER)
        reader.warm("a")
        link.set(**NO_LINK)
        with caplog.at_level(logging.INFO, logger="quickcache"):
            kill_links(server)
            until_lost(reader)
            for _ in range(100):
                reader.read("a")
            lost = told(caplog)
            link.heal()
            until_trusted_again(reader)
            reader.warm("a", "b")

        assert 1 == len(lost)
        assert "does not tell of changes, and memory is not used until it does: " in lost[0]
        assert [*lost, told(caplog)[-1]] == told(caplog)
        assert told(caplog)[-1].endswith("tells of changes again: memory is used, and begins empty")
        assert {logging.WARNING} == {record.levelno for record in caplog.records}

    def test_hides_nothing_that_changes_meanwhile(self, make, server, link, writer):
        """Changes at each moment on the way to the next link: what is not told is gone with the flush."""
        reader = make(link.url, beat=NEVER)
        for step in range(6):
            reader.warm("a")
            kill_links(server)
            time.sleep(step * 0.003)
            changed = writer.replace("a")

            until("the change is seen", lambda changed=changed: reader.read("a") == changed)


class TestAHalfOpenLink:
    @pytest.mark.parametrize("way", HALF_OPEN)
    def test_is_trusted_no_longer_than_the_bound(self, make, link, writer, way):
        """Connections that do not listen are well: the change could be read."""
        reader = make(link.url)
        reader.warm("a")
        begun = time.monotonic()
        link.set(**HALF_OPEN[way], listening=True)
        changed = writer.replace("a")

        check_fresh(reader, "a", changed, begun)
        until_lost(reader)
        assert not reader.is_trusted()
        assert [False] * 20 == [reader.serves("a") for _ in range(20)]

    def test_is_made_anew_once_it_can_be(self, make, link, writer):
        reader = make(link.url)
        reader.warm("a")
        link.set(**HALF_OPEN["both"], listening=True)
        until_lost(reader)
        reader.change("a")  # of which nobody is told
        link.heal()
        until_trusted_again(reader)

        assert not reader.serves("a")
        reader.warm("a")
        changed = writer.replace("a")
        until("a clear is told again", lambda: reader.read("a") == changed)


class TestAServer:
    def test_that_is_suspended_is_trusted_no_longer_than_the_bound(self, make, server):
        reader = make(server.url, deadline=SOON)
        reader.warm("a", "b")
        server.pause()
        begun = time.monotonic()
        changed = reader.change("a")

        check_fresh(reader, "a", changed, begun)
        assert [True] * 20 == [reader.computes("b") for _ in range(20)]
        server.resume()
        until_trusted_again(reader)
        reader.warm("b")

    def test_that_is_killed_is_missed_at_once_and_trusted_once_it_is_back(self, make, server):
        reader = make(server.url, beat=NEVER)
        reader.warm("a", "b")
        server.kill()
        until_lost(reader)
        changed = reader.change("a")
        assert [changed] * 20 == [reader.read("a") for _ in range(20)]
        assert [True] * 20 == [reader.computes("b") for _ in range(20)]

        server.restart()
        until_trusted_again(reader)
        reader.warm("b")
        assert (2, 1) == counts(reader)

    def test_that_is_not_there_at_first_is_used_when_it_is(self, make, server):
        server.kill()
        reader = make(server.url, beat=NEVER)
        assert [True] * 20 == [reader.computes("a") for _ in range(20)]
        assert not reader.is_trusted()

        server.restart()
        reader.warm("a")
        assert (1, 0) == counts(reader)

    def test_that_cuts_off_who_reads_too_slowly_is_listened_to_anew(self, make, server, link, writer, mode):
        """What it had to say is lost with the link, and made up for by the flush."""
        keys = [f"quickcache.{'long' * 50}{number}" for number in range(20_000)]
        server.cli("MSET", *(part for key in keys for part in (f"p:{key}", 1)))
        reader = make(link.url, beat=NEVER)
        reader.warm("a")
        (of_reader,) = listening(server)
        writer.warm("a")  # which takes part from now on
        kind = "normal" if mode == "tracking" else "pubsub"
        server.cli("CONFIG", "SET", "client-output-buffer-limit", f"{kind} 100000 0 0")
        link.set(replies=faults.HALF_OPEN, listening=True)
        writer.redis.delete_many(keys)
        until("it is cut off", lambda: of_reader not in listening(server))
        changed = writer.replace("a")
        link.heal()

        until("the change is seen", lambda: reader.read("a") == changed)
        until_lost(reader)
        until_trusted_again(reader)


class TestSecondsOnLinkLoss:
    def test_have_memory_serve_for_so_long(self, make, server, link, writer):
        reader = make(link.url, on_link_loss=LONG, beat=NEVER)
        reader.warm("a")
        link.set(**NO_LINK)
        kill_links(server)
        until_lost(reader)
        writer.replace("a")
        assert [(0, True)] * 20 == [(reader.read("a"), reader.serves("a")) for _ in range(20)]
        assert reader.is_trusted()

    def test_have_memory_serve_no_longer(self, make, link, writer):
        reader = make(link.url, on_link_loss=HALF)
        reader.warm("a")
        begun = time.monotonic()
        link.set(**HALF_OPEN["both"], listening=True)

        check_fresh(reader, "a", writer.replace("a"), begun, BOUND + HALF)
        until_lost(reader)
        until("it is not trusted", lambda: not reader.is_trusted())
        assert [False] * 20 == [reader.serves("a") for _ in range(20)]

    def test_keep_what_is_computed_meanwhile_until_the_server_is_back(self, make, link):
        reader = make(link.url, on_link_loss=LONG, beat=NEVER)
        reader.warm("a")
        link.refuse()
        until_lost(reader)
        assert [True, False, False] == [reader.computes("b") for _ in range(3)]
        assert reader.replace("a") == reader.read("a"), "its own clear"
        changed = reader.change("b")
        assert 0 == reader.read("b")

        link.heal()
        until("memory begins empty", lambda: counts(reader) == (2, 1))
        assert changed == reader.read("b")

    def test_are_told_in_the_log(self, make, link, caplog):
        reader = make(link.url, on_link_loss=LONG, beat=NEVER)
        reader.warm("a")
        with caplog.at_level(logging.INFO, logger="quickcache"):
            link.refuse()
            until_lost(reader)
            reader.read("b")

        (line,) = told(caplog)
        assert "does not tell of changes, and memory serves until " in line
        assert f"{2 * NEVER + LONG:.0f}" in line, "the bound"

    def test_that_are_none_have_everything_computed(self, make, link):
        reader = make(link.url, beat=NEVER)  # on_link_loss='bypass'
        reader.warm("a")
        link.refuse()
        until_lost(reader)

        assert [True] * 20 == [reader.computes("a") for _ in range(20)]


class TestABurst:
    KEYS = 100_000

    @pytest.fixture
    def full(self, server, make):
        """A member that has one of very many keys in memory; all of them begin like those of its function."""
        fill = "for i = 1, ARGV[1] do redis.call('SET', 'p:quickcache.burst' .. i, 'x') end"
        server.cli("EVAL", fill, 0, self.KEYS)
        member = make(server.url, beat=NEVER)  # while it deletes, the server answers nobody
        member.warm("doomed", *"abc")
        return member

    @pytest.mark.parametrize("mode", ["tracking"], indirect=True)
    @pytest.mark.parametrize("kind", ["of keys", "of everything"])
    def test_voids_all_and_no_call_meanwhile_is_wrong(self, full, server, kind):
        wrong, calls, is_over = [], [], threading.Event()

        def call(name):
            while not is_over.is_set():
                found = full.read(name)
                if found != full.source(name):
                    wrong.append((name, found))
                calls.append(name)

        callers = [threading.Thread(target=call, args=(name,)) for name in "abc"]
        for caller in callers:
            caller.start()
        changed = full.change("doomed")
        doomed = f"p:{full.version.get_cache_key('doomed')}"
        burst = (
            "redis.call('DEL', KEYS[1]);"
            "for i = 1, ARGV[1] do redis.call('DEL', 'p:quickcache.burst' .. i) end"
        )
        if kind == "of keys":
            server.cli("EVAL", burst, 1, doomed, self.KEYS)
        else:
            server.cli("FLUSHALL")
        until("what was deleted is gone", lambda: full.read("doomed") == changed)
        before = len(calls)
        until("calls go on", lambda: len(calls) > before)
        is_over.set()
        for caller in callers:
            caller.join()

        assert [] == wrong
        if kind == "of keys":
            until("all were told", lambda: full.stats()["invalidations"] > self.KEYS)
        assert ({"of keys": 1, "of everything": 2}[kind], 0) == counts(full)


class TestSentinel:
    def test_the_new_primary_is_listened_to(self, make):
        with Sentinels(valkey()) as sentinels:
            reader = make(sentinels.url)
            reader.warm("a")
            old = sentinels.primary()
            new = sentinels.failover()
            self.check(reader, make(new.url))
            until("nobody listens to a replica", lambda: (0, 2) == (len(listening(old)), len(listening(new))))

            self.check(reader, make(sentinels.kill_primary().url))

    def test_the_old_primary_may_answer_for_a_while(self, make):
        with Sentinels(valkey()) as sentinels:
            reader = make(sentinels.url)
            reader.warm("a")
            self.check(reader, make(sentinels.promote().url))

    def check(self, reader, writer):
        """What is cleared at the primary of now is seen, whether or not the reader has heard of it."""
        begun = time.monotonic()
        check_fresh(reader, "a", writer.replace("a"), begun)
        reader.warm("a")
        changed = writer.replace("a")
        until("a clear is told", lambda: reader.read("a") == changed)


class TestACluster:
    NAMES = "abcdefgh"  # of all primaries, by their hashes

    @pytest.fixture
    def cluster(self):
        with Cluster(valkey(), node_timeout=2_000) as cluster:
            yield cluster

    @pytest.fixture
    def reader(self, make, cluster):
        reader = make(cluster.url)
        reader.warm(*self.NAMES)
        return reader

    def test_is_listened_to_at_each_primary_whoever_that_is(self, make, reader, cluster):
        until("all are", lambda: [1] * 3 == [len(listening(node)) for node in cluster.primaries()])
        slot = self.slot(reader, "a")
        old, new = cluster.owner(slot), cluster.failover(slot)
        self.check(reader, make(cluster.url))

        until("the new one is", lambda: (0, 1) == (len(listening(old)), len(listening(new))))
        self.check(reader, make(cluster.url))

    def test_is_not_trusted_while_one_primary_is_not_linked(self, make, reader, cluster):
        """Nor are the values of others: in the end one of them may have them."""
        lost = cluster.owner(self.slot(reader, "a"))
        lost.kill()
        until_lost(reader)
        name = next(one for one in self.NAMES if cluster.owner(self.slot(reader, one)) is not lost)
        assert [False] * 20 == [reader.serves(name) for _ in range(20)]

        cluster.kill(lost)  # and await the replica that takes over
        until("it is trusted again", reader.is_trusted)
        self.check(reader, make(cluster.url))

    def slot(self, reader, name):
        return key_slot(f"p:{reader.version.get_cache_key(name)}".encode())

    def check(self, reader, writer):
        """What is cleared now is seen."""
        begun = time.monotonic()
        check_fresh(reader, "a", writer.replace("a"), begun)
        reader.warm(*self.NAMES)
