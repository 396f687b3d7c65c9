"""Starts real servers, asks them from several threads while their workers are restarted, and stops them."""

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

HERE = Path(__file__).parent
LIMIT = 60  # seconds after which something hangs
CLIENTS = 4
WORKERS = 3
# What no log may say: errors of ours, of Python and of the server, and how the servers tell of a crash.
BAD = re.compile(
    r"Traceback|Error\b|ERROR|CRITICAL|panicked|Fatal Python|SIG(?:SEGV|ABRT|BUS|ILL|KILL)|[Ss]egmentation"
    r"|killed by signal|WorkerLost|WORKER TIMEOUT|DAMN|!!! uWSGI|HARAKIRI"
)


class Server:
    """A process of a server with its workers."""

    def __init__(self, log, command, env=None):
        self.log = log
        self.is_ready = None  # if given: whether a worker may be sent a signal
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=HERE,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, by which what is left is found
            )
        self.master = psutil.Process(self.process.pid)

    def told(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def until(self, what, is_so):
        """Wait until that is so, and return what it says."""
        end = time.monotonic() + LIMIT
        while not (found := is_so()):
            assert self.process.poll() is None, f"ended before {what}:\n{self.told()[-4_000:]}"
            assert time.monotonic() < end, f"no {what}:\n{self.told()[-4_000:]}"
            time.sleep(0.01)
        return found

    def port(self):
        """Where it listens, on the port that it was given by the system."""
        said = self.until("listening", lambda: re.search(r"Listening at: \S+:(\d+)", self.told()))
        return int(said[1])

    def workers(self):
        """The processes that were started by the master and have not ended."""
        return {child for child in self.master.children() if not has_ended(child)}

    def await_workers(self, number=WORKERS, without=()):
        """Wait until there are so many workers, and none of the old ones `without`."""

        def are_there():
            workers = self.workers()
            return (
                len(workers) == number
                and all(has_ended(old) for old in without)
                and (self.is_ready is None or all(map(self.is_ready, workers)))
            )

        self.until(f"{number} workers without {without}", are_there)

    def replace_all(self, number=signal.SIGHUP):
        """Have all workers replaced, by a signal to the master."""
        self.await_workers()
        old = self.workers()
        self.process.send_signal(number)
        self.await_workers(without=old)

    def replace_one(self, number=signal.SIGTERM):
        """Have a worker replaced, by a signal to it."""
        self.await_workers()
        one = max(self.workers(), key=lambda worker: worker.create_time())
        one.send_signal(number)
        self.await_workers(without=[one])

    def stop(self, number=WORKERS):
        """End it, with so many workers, as an administrator would; nothing may be left."""
        self.await_workers(number)
        workers = self.workers()
        self.process.terminate()
        code = self.process.wait(LIMIT)
        assert code == 0, f"ended with code {code}:\n{self.told()[-4_000:]}"
        assert [] == [worker for worker in workers if not has_ended(worker)]
        assert not self.group_is_there()

    def group_is_there(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self):
        """Leave nothing running, whatever has happened."""
        if self.group_is_there():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT)

    def complaints(self):
        return [line for line in self.told().splitlines() if BAD.search(line)]


def children_of(process):
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def has_ended(process):
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def over_http(port):
    """A function that makes a request. Each has a connection of its own, as a restart ends idle ones."""

    def ask(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", f"/?{number}", headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == 200, (response.status, body)
        return json.loads(body)

    return ask


def ask_while(restarts, ask, wanted):
    """Ask from several threads until all is answered and each kind of restart was done under way.

    Returns the answers. The first error in any thread ends it.
    """
    numbers, answers, ends = itertools.count(1), [], threading.Event()

    def client():
        try:
            while not ends.is_set():
                answers.append(ask(next(numbers)))
        except BaseException:
            ends.set()
            raise

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client) for _ in range(CLIENTS)]
        try:
            done = 0
            while not ends.is_set() and (done < len(restarts) or len(answers) < wanted):
                restarts[done % len(restarts)]()
                done += 1
        finally:
            ends.set()
    for one in clients:
        one.result()
    return answers
