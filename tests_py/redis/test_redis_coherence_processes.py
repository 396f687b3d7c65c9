"""Coherent tiers in processes that are suspended, fork and end: no old memory, a listener of their own."""

import os
import signal
import time
from pathlib import Path

import pytest
from coherent_members import BOUND, NEVER, Process, listening
from redis_servers import faults
from redis_servers.waiting import until

WAYS = ["os.fork", "multiprocessing", "fork of C"]


@pytest.fixture
def start(tmp_path, mode):
    def start(url, **options):
        return Process(url, "p:", tmp_path, coherence=mode, **options)

    return start


def suspend(process):
    os.kill(process.pid, signal.SIGSTOP)
    until("it is suspended", lambda: _state(process) == "T")


def _state(process):
    return Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def resume(process):
    os.kill(process.pid, signal.SIGCONT)


class TestTwoProcesses:
    def test_see_each_others_clears(self, start, server):
        with start(server.url) as one, start(server.url) as other:
            for reader, writer in [(one, other), (other, one)] * 5:
                reader.warm("a")
                changed = writer.replace("a")
                until("the clear is told", lambda: reader.read("a") == changed)  # noqa: B023  it is called here


class TestASuspendedProcess:
    @pytest.mark.parametrize("is_told", [True, False], ids=["is told when it wakes", "has a dead link"])
    def test_has_nothing_old_at_its_first_read(self, start, server, link, is_told):
        with start(link.url) as sleeper, start(server.url) as writer:
            for _ in range(3):
                sleeper.warm("a")
                suspend(sleeper)
                if not is_told:
                    link.set(replies=faults.HALF_OPEN, listening=True)
                changed = writer.replace("a")
                time.sleep(BOUND)
                sleeper.send("read", "a")
                resume(sleeper)

                assert changed == sleeper.receive()
                link.heal()


class TestAFork:
    @pytest.mark.parametrize("way", WAYS)
    def test_has_nothing_from_memory_without_a_listener_of_its_own(self, start, link, way):
        """Its parent's link is up all the time, and the parent serves from memory."""
        with start(link.url, beat=NEVER) as parent:
            parent.warm("a")
            link.set(replies=faults.truncate(0), listening=True)
            child = parent.fork(way)
            assert [False] * 10 == [child.serves("a") for _ in range(10)]
            assert not child.is_trusted()
            assert [True] * 10 == [parent.serves("a") for _ in range(10)]
            assert [(0, 1)] == list({(one.stats()["link_losses"], one.threads()) for one in (parent, child)})

            link.heal()
            child.warm("a")
            child.close()
            assert 0 == parent.exit_code(child.pid)

    @pytest.mark.parametrize("way", WAYS)
    def test_sees_the_clears_of_its_parent_and_the_other_way_round(self, start, server, way):
        with start(server.url, beat=NEVER) as parent:
            parent.warm("a")
            (before,) = listening(server)
            child = parent.fork(way)
            for reader, writer in [(child, parent), (parent, child)] * 3:
                reader.warm("a")
                changed = writer.replace("a")
                until("the clear is told", lambda: reader.read("a") == changed)  # noqa: B023  it is called here
            assert 2 == len(listening(server))
            child.close()
            assert 0 == parent.exit_code(child.pid)

            until("the child's link is gone", lambda: listening(server) == [before])
            assert parent.is_trusted()
            assert (1, 0) == (parent.stats()["flushes"], parent.stats()["link_losses"])

    def test_twenty_times_disturbs_nobody(self, start, server):
        names = ["a", "b", "c"]
        with start(server.url, beat=NEVER) as parent:
            parent.warm(*names)
            before = listening(server)
            for _ in range(20):
                assert 0 == parent.fork_briefly(names)
                changed = parent.source("a")
                until("the child's clear is told", lambda: parent.read("a") == changed)  # noqa: B023
            parent.warm(*names)

            until("no link is left", lambda: listening(server) == before)
            assert (1, 0) == (parent.stats()["flushes"], parent.stats()["link_losses"])
            assert 1 == parent.threads()

    def test_of_a_fork_has_a_listener_too(self, start, server):
        with start(server.url, beat=NEVER) as first:
            first.warm("a")
            second = first.fork("os.fork")
            second.warm("a")
            third = second.fork("os.fork")
            third.warm("a")
            assert 3 == len(listening(server))
            changed = first.replace("a")
            for one in (second, third):
                until("the clear is told", lambda: one.read("a") == changed)  # noqa: B023  it is called here
            third.close()
            assert 0 == second.exit_code(third.pid)
            second.close()
            assert 0 == first.exit_code(second.pid)


# Of the URL, the number of the server's process, and the mode.
CALLS = """
    import logging
    import os
    import signal
    import sys
    import threading
    import time

    from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

    logging.getLogger("quickcache").addHandler(logging.NullHandler())
    url, server, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    redis = RedisCache(url, key_prefix="p:", deadline=0.2)
    tiers = TieredCache([MemoryCache(timeout=3600), redis], beat=0.1, coherence=mode)


    @get_quickcache(cache=tiers)(["x"])
    def double(x):
        return x * 2


    def await_trust(wanted):
        while double(1) != 2 or tiers.stats()["trusted"] != wanted:
            time.sleep(0.005)


    def call(number):
        while True:
            double(number)
            tiers.set("k", number)
            double.clear(number)


    def start_calls():
        for number in range(4):
            threading.Thread(target=call, args=(number,), daemon=True).start()
"""

ENDS = {
    "end of main": "await_trust(True)",
    "exit": "await_trust(True); sys.exit()",
    "right after the first call": "double(1)",
    "right after the first call, which nobody answers": "os.kill(server, signal.SIGSTOP); double(1)",
    "daemon threads that call": "await_trust(True); start_calls(); time.sleep(0.1)",
    "a suspended server": "await_trust(True); os.kill(server, signal.SIGSTOP); double(2)",
    "a suspended server, the link lost": (
        "await_trust(True); os.kill(server, signal.SIGSTOP); await_trust(False)"
    ),
    "daemon threads that call a suspended server": (
        "await_trust(True); start_calls(); os.kill(server, signal.SIGSTOP); time.sleep(0.1)"
    ),
    "a dead server": "await_trust(True); os.kill(server, signal.SIGKILL); await_trust(False)",
}


class TestAnEnd:
    @pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
    def test_of_a_process_is_one_with_code_0_and_in_silence(self, run_program, server, mode, end):
        run_program(CALLS, end, arguments=(server.url, str(server.pid), mode))

    @pytest.mark.parametrize("kind", ["valkey", "sentinel", "cluster"])
    def test_of_the_caches_is_the_end_of_their_listeners(self, start, shared, kind):
        with start(shared.tier_server(kind).url) as process:
            process.warm("a")
            assert {"valkey": 1, "sentinel": 2, "cluster": 4}[kind] == process.threads()
            process.forget()

            until("nobody listens", lambda: process.threads() == 0)
