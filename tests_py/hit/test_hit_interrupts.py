"""A loop that is all hits, in C, ends at a signal."""

import sys

import pytest

# A handler that raises after 20 ms; the loop has no end of its own.
PROGRAM = """
import functools, signal
from collections import deque
from itertools import repeat

class Stopped(BaseException):
    pass

def stop(number, frame):
    raise Stopped

class Owner:
    id = 1

quickcache = get_quickcache(cache=MemoryCache())
presets = get_quickcache(cache=CacheWithPresets(MemoryCache(), 60, lambda: "p"))

@quickcache(["x"])
def of_argument(x): return 1

@quickcache(["x"])
def of_list(x): return [1, [2]]

@quickcache(["x"])
def of_object(x): return Value()

class Value: pass

@quickcache(["self.id"])
def of_attribute(self): return 1

@quickcache(lambda x: [x])
def of_function(x): return 1

@presets(["x"])
def of_presets(x): return 1

@quickcache(["x"], skip_arg="skip")
def of_skip(x, skip=False): return 1

class Presets(tuple): pass

def run(function, argument, handler):
    signal.signal(signal.SIGALRM, handler)
    for _ in range(5):
        function(argument)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        deque(map(function, repeat(argument)), maxlen=0)
    except (Stopped, KeyboardInterrupt) as stopped:
        print(type(stopped).__name__, function(argument) is not None)
"""

CALLS = [
    "of_argument, 1",
    "of_argument, ('x', [1, {'a': None}])",
    "functools.partial(of_argument), 1",
    "of_list, 1",
    "of_object, 1",
    "of_attribute, Owner()",
    "of_function, 1",
    "of_presets, 1",
    "of_skip, 1",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_handler_may_raise_in_the_midst_of_hits(run_apart, call):
    assert "Stopped True\n" == run_apart(PROGRAM, f"run({call}, stop)\n")


def test_ctrl_c_ends_a_loop_of_hits(run_apart):
    told = run_apart(PROGRAM, "run(of_argument, 1, signal.default_int_handler)\n")
    assert "KeyboardInterrupt True\n" == told


def test_a_handler_that_does_not_raise_is_run_and_hits_go_on(run_apart):
    told = run_apart(
        PROGRAM,
        """
        ran = []

        def note(number, frame):
            ran.append(of_argument(1))
            of_argument.clear(1)

        signal.signal(signal.SIGALRM, note)
        signal.setitimer(signal.ITIMER_REAL, 0.01)

        def until_ran():
            while not ran:
                yield 1

        print(set(map(of_argument, until_ran())), ran)
        """,
    )
    assert "{1} [1]\n" == told


class TestAnInterruptWhileAValueIsRead:
    """A pickled value runs code of its own: what stops that is no reason to compute anew."""

    @pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit", "Stopped"])
    def test_reaches_the_caller(self, run_apart, raised):
        told = run_apart(
            PROGRAM,
            f"""
            class Interrupted:
                act = []

                def __getstate__(self):
                    return True

                def __setstate__(self, state):
                    if self.act:
                        raise self.act.pop()

            computed = []

            @quickcache(["x"])
            def cached(x):
                computed.append(x)
                return Interrupted()

            for _ in range(5):
                cached(1)
            Interrupted.act.append({raised})
            try:
                cached(1)
            except BaseException as error:
                print(type(error).__name__)
            print(type(cached(1)).__name__, computed)
            """,
        )
        assert f"{raised}\nInterrupted [1]\n" == told


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGALRM")
def test_other_threads_wait_no_longer_than_for_any_loop_in_c(run_apart):
    """That a loop of hits starves other threads is as with lru_cache; that it ends lets them go on."""
    told = run_apart(
        PROGRAM,
        """
        import threading
        ran = []
        thread = threading.Thread(target=lambda: ran.append(of_argument(1)))
        thread.start()
        run(of_argument, 1, stop)
        thread.join()
        print(ran)
        """,
    )
    assert "Stopped True\n[1]\n" == told
