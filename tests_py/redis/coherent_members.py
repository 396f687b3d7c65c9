"""Who has coherent tiers, in this process or in another: what it reads, computes, clears, and has in memory.

What there is to compute is the version of a name: the size of a file, which all processes see, and which a
change makes larger. `python coherent_members.py SETTINGS PATH` is a process that is asked by a socket.
"""

import contextlib
import ctypes
import faulthandler
import gc
import json
import logging
import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path

from redis_servers import watchdog
from redis_servers.waiting import LIMIT, until

from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

HOUR = 3600  # what memory would keep a value for
BEAT = 0.1  # seconds
BOUND = 2 * BEAT
NEVER = 600.0  # a beat that does not come about within a test
NAME = "quickcache-listener"[:15]  # as the system has a thread's name


class Member:
    """Tiers, and a function that is cached in them."""

    def __init__(self, url, prefix, folder, *, deadline=LIMIT, beat=BEAT, **options):
        self.folder = Path(folder)
        self.memory = MemoryCache(timeout=HOUR)
        self.redis = RedisCache(url, key_prefix=prefix, deadline=deadline)
        self.tiers = TieredCache([self.memory, self.redis], beat=beat, **options)
        self.calls = 0
        self.children = {}

        @get_quickcache(cache=self.tiers)(["name"])
        def version(name):
            self.calls += 1
            return self.source(name)

        self.version = version

    # The source

    def source(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).stat().st_size
        return 0

    def change(self, name):
        """Have a new version, and clear nothing. The version."""
        with (self.folder / name).open("ab") as file:
            file.write(b".")
        return self.source(name)

    def replace(self, name):
        """Have a new version, and clear the old one. The version."""
        changed = self.change(name)
        self.version.clear(name)
        return changed

    # What is there of it

    def read(self, name):
        return self.version(name)

    def serves(self, name):
        """Whether memory has the value: the tier on the server was not asked for it."""
        before = self.asked()
        self.version(name)
        return self.asked() == before

    def asked(self):
        told = self.redis.stats()
        return told["hits"] + told["misses"]

    def computes(self, name):
        """Whether nobody has the value."""
        before = self.calls
        self.version(name)
        return self.calls > before

    def warm(self, *names):
        """Read until memory serves the values."""
        for name in names:
            until("memory serves", lambda name=name: self.serves(name))

    def stats(self):
        return self.tiers.stats()

    def is_trusted(self):
        return self.stats()["trusted"]

    # As a process

    def fork(self, way, path):
        """Have a child that is asked by the socket at that path. Its number."""
        if way == "multiprocessing":
            child = multiprocessing.get_context("fork").Process(target=serve, args=(self, path))
            child.start()
            self.children[child.pid] = child
            return child.pid
        # PyDLL: CDLL would let go of the interpreter, which a child of a bare fork never gets back.
        pid = os.fork() if way == "os.fork" else ctypes.PyDLL(None).fork()
        if pid == 0:
            code = 1
            try:
                serve(self, path)
                code = 0
            except BaseException:  # noqa: BLE001  its exit code tells
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        return pid

    def exit_code(self, pid):
        """The exit code of a child that ends."""
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def fork_briefly(self, names):
        """Have a child that reads all of these names, changes one and ends. Its exit code."""
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                right = all(self.read(name) == self.source(name) for name in names)
                changed = self.replace(names[0])
                os._exit(0 if right and self.read(names[0]) == changed else 2)
            os._exit(1)
        return self.exit_code(pid)

    def forget(self):
        """Let go of the caches."""
        del self.version, self.tiers, self.memory, self.redis
        gc.collect()

    def threads(self):
        return threads()


def threads():
    """How many threads of this process listen."""
    count = 0
    for comm in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one that has ended meanwhile
            count += comm.read_text().rstrip("\n") == NAME
    return count


def serve(member, path):
    """Do what is asked until the asker hangs up."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen()
        Path(f"{path}.new").rename(path)  # from now on it can be connected to
        asker, _ = listening.accept()
    with asker, asker.makefile("rb") as lines:
        for line in lines:
            what, *arguments = json.loads(line)
            answer = getattr(member, what)(*arguments)
            asker.sendall(json.dumps(answer).encode() + b"\n")


class Asked:
    """A member that is another process: its methods have the same names."""

    def __init__(self, path, pid):
        self.pid = pid
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LIMIT)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def __getattr__(self, name):
        def ask(*arguments):
            self.send(name, *arguments)
            return self.receive()

        return ask

    def send(self, name, *arguments):
        """Ask and do not wait for the answer."""
        self._socket.sendall(json.dumps([name, *arguments]).encode() + b"\n")

    def receive(self):
        line = self._lines.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def fork(self, way):
        path = new_path()
        self.send("fork", way, str(path))
        pid = self.receive()
        until("the child runs", path.exists)
        return Asked(path, pid)

    def close(self):
        self._lines.close()
        self._socket.close()


class Process(Asked):
    """One that runs within a `with` block, and has to end well."""

    def __init__(self, url, prefix, folder, **options):
        settings = json.dumps({"url": url, "prefix": prefix, "folder": str(folder), **options})
        path = new_path()
        self._log = path.with_name("log")
        command = [sys.executable, "-W", "ignore", __file__, settings, str(path)]
        self._process = watchdog.start(command, self._log)
        until("the process runs", lambda: self._has_ended() or path.exists())
        assert not self._has_ended(), self._log.read_text(encoding="utf-8")
        super().__init__(path, self._process.pid)

    def _has_ended(self):
        return self._process.poll() is not None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, where):
        self.close()
        if error:
            watchdog.stop(self._process)
            return
        try:
            code = self._process.wait(LIMIT)
        finally:
            watchdog.stop(self._process)
        said = self._log.read_text(encoding="utf-8")
        assert (0, "") == (code, said), f"code {code}, {said}"


def new_path():
    return watchdog.folder("member") / "socket"


def listening(server):
    """The numbers of the connections by which a server tells of changes; those of sentinels have names."""
    clients = [line.split() for line in server.cli("CLIENT", "LIST").decode().splitlines()]
    told = [dict(part.split("=", 1) for part in client) for client in clients]
    return [client["id"] for client in told if {"t", "P"} & set(client["flags"]) and not client["name"]]


def kill_links(server):
    """Have a server break these connections."""
    for number in listening(server):
        server.cli("CLIENT", "KILL", "ID", number)


def check_fresh(reader, name, version, begun, bound=BOUND):
    """Read until the version is there: no read that begins later than the bound is of an older one."""
    while True:
        now = time.monotonic()
        if reader.read(name) == version:
            break
        assert now < begun + bound, f"a read of an older version {now - begun:.3f} s after the link was lost"
    assert [version] * 20 == [reader.read(name) for _ in range(20)]


if __name__ == "__main__":
    faulthandler.dump_traceback_later(3 * LIMIT, exit=True)
    logging.getLogger("quickcache").addHandler(logging.NullHandler())
    serve(Member(**json.loads(sys.argv[1])), sys.argv[2])
