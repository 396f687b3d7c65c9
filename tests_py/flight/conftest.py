"""For tests of calls at the same time: threads that are told apart, and moments that are waited for."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from quickcache import stats

LIMIT = 20  # seconds after which something hangs


class Crowd:
    """Threads that make calls."""

    def __init__(self):
        self.pool = ThreadPoolExecutor(64)

    def call(self, function, *args, **kwargs):
        """A future of what a call in a thread of its own returns."""
        return self.pool.submit(function, *args, **kwargs)

    def behind(self, gate, function, n):
        """Calls of `function(1)`: one that has come to the gate, and then `n` that wait for it."""
        calls = [self.call(function, 1)]
        gate.await_one()
        calls += [self.call(function, 1) for _ in range(n)]
        self.is_waiting(function, n)
        return calls

    def is_waiting(self, function, n):
        """Wait until `n` calls of a function wait for another one."""
        end = time.monotonic() + LIMIT
        while stats(function)["waits"] < n:
            assert time.monotonic() < end, "too few came to wait"
            time.sleep(0.001)


@pytest.fixture
def crowd():
    one = Crowd()
    yield one
    one.pool.shutdown(wait=True)


class Gate:
    """A place in a function where threads stop until it is opened."""

    def __init__(self):
        self.reached = threading.Semaphore(0)
        self._open = threading.Event()

    def stop(self):
        self.reached.release()
        assert self._open.wait(LIMIT), "nobody opened the gate"

    def await_one(self):
        assert self.reached.acquire(timeout=LIMIT), "nobody came to the gate"

    def open(self):
        self._open.set()


@pytest.fixture
def new_gate():
    return Gate


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def gates():
    """Two more of them."""
    return Gate(), Gate()


@pytest.fixture
def switching_often():
    """Threads take turns after each few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
