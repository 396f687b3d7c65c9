"""Forks of a process that reads from a server: `python redis_forking.py WAY FORKS SETTINGS`.

Threads of the parent read values that name their keys while children, made by os.fork ("hooked"), by fork of
the C library ("raw") or by multiprocessing ("pool"), use the parent's clients, make clients of their own, and
drop all of them. Prints what became of the children, and how many calls the parent made. Settings, in JSON:
`url`, `options` of the cache, and `server`, the number of the server's process.
"""

import collections
import ctypes
import faulthandler
import functools
import gc
import json
import multiprocessing
import os
import signal
import sys
import threading
import time

from quickcache import RedisCache, get_quickcache

LIMIT = 10  # seconds after which a child hangs
THREADS = 4
NAMES = 50
SETTINGS = json.loads(sys.argv[3])
FORK = ctypes.PyDLL(None).fork
is_over = threading.Event()


def client():
    # A deadline that no load of this machine makes the server miss.
    return RedisCache(
        SETTINGS["url"], key_prefix="fork:", deadline=8, on_error="raise", **SETTINGS["options"]
    )


CACHE = client()


@get_quickcache(cache=CACHE, flight_wait=1_000)(["x"])
def computed(x):
    return [x, "c" * x]


def tagged(x):
    """A value that nothing else is taken for: long enough for several packets, at times."""
    return {"tag": x, "more": str(x) * (10_000 if x % 10 == 0 else 1)}


def use(cache, x):
    """Reads and writes of one client."""
    assert cache.get(f"k{x}") == tagged(x)
    found = cache.get_many([f"k{x}", "nothing", f"k{(x + 1) % NAMES}"])
    assert found == {f"k{each}": tagged(each) for each in (x, (x + 1) % NAMES)}
    assert computed(x) == [x, "c" * x]
    if x % 7 == 0:
        computed.clear(x)
        cache.set(f"k{x}", tagged(x))
    assert cache.get(f"nothing{x}") is None


calls = collections.Counter()
problems = []


def work(thread):
    try:
        for x in range(10**9):
            if is_over.is_set():
                return
            use(CACHE, (x + thread) % NAMES)
            calls[thread] += 1
            time.sleep(0)
    except BaseException as error:
        problems.append(repr(error))
        raise


def child(number):
    """What a child does: with the client it has inherited, with one of its own, and without them."""
    use(CACHE, number % NAMES)
    own = client()
    use(own, (number + 3) % NAMES)
    own.close()
    del own
    gc.collect()
    use(CACHE, (number + 5) % NAMES)
    assert CACHE.stats()["errors"] == 0
    CACHE.close()


def fork_in_the_midst_of_reads():
    """Fork by the C library, while all other threads wait for replies of a server that is suspended.

    A thread that waits for the interpreter at such a fork leaves the child with a lock that it never gets: in
    plain CPython, with sockets and without any cache, 7 of 300 children hung.
    """
    os.kill(SETTINGS["server"], signal.SIGSTOP)
    try:
        seen = None
        while seen != (seen := dict(calls)):
            time.sleep(0.05)
        pid = FORK()
    finally:
        os.kill(SETTINGS["server"], signal.SIGCONT)
    return pid


def outcome_of(fork, number):
    pid = fork()
    if pid == 0:
        code = 1
        signal.alarm(LIMIT)
        try:
            child(number)
            code = 0
        except BaseException:  # noqa: BLE001  its exit code tells
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {0: "well", -signal.SIGALRM: "hung"}.get(code, f"ended with {code}")


def outcome_of_process(context, number):
    process = context.Process(target=child, args=(number,))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return "hung"
    return "well" if process.exitcode == 0 else f"ended with {process.exitcode}"


def main(way, forks):
    faulthandler.enable()
    CACHE.set_many({f"k{x}": tagged(x) for x in range(NAMES)}, None)
    if way == "raw":
        sys.setswitchinterval(1_000)
        become = functools.partial(outcome_of, fork_in_the_midst_of_reads)
    elif way == "pool":
        become = functools.partial(outcome_of_process, multiprocessing.get_context("fork"))
    else:
        sys.setswitchinterval(1e-4)
        become = functools.partial(outcome_of, os.fork)
    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    outcomes = collections.Counter()
    for number in range(forks):
        before = sum(calls.values())
        outcomes[become(number)] += 1
        end = time.monotonic() + LIMIT
        while sum(calls.values()) == before and time.monotonic() < end:
            time.sleep(0.001)
    is_over.set()
    for thread in threads:
        thread.join()
    assert CACHE.stats()["errors"] == 0, CACHE.stats()
    CACHE.close()
    print(json.dumps({"children": outcomes, "calls": sum(calls.values()), "problems": problems}), flush=True)
    sys.stdin.readline()  # until the connections have been counted


main(sys.argv[1], int(sys.argv[2]))
