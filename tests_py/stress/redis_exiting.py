"""A process that ends while its threads ask servers: `python redis_exiting.py SEED SETTINGS`.

What the threads do and how it ends is drawn. Ends with the exit code that it prints first, and nothing on
stderr. Settings, in JSON: the URLs of a server that answers ("live"), of one that accepts and never answers
("hole"), and of one that is not there ("gone").
"""

import atexit
import faulthandler
import itertools
import json
import logging
import random
import signal
import sys
import threading
import time

from quickcache import CacheUnavailableError, MemoryCache, RedisCache, TieredCache, get_quickcache

LIMIT = 60  # seconds after which the process hangs

draw = random.Random(int(sys.argv[1]))
URLS = json.loads(sys.argv[2])
logging.getLogger("quickcache").addHandler(logging.NullHandler())  # else warnings go to stderr
# Keys of its own: who died at a computation is waited for by the next.
live = RedisCache(URLS["live"], key_prefix=f"exit {sys.argv[1]}:", deadline=8)
hole = RedisCache(URLS["hole"], deadline=0.1)
endless = RedisCache(URLS["hole"], deadline=3_600)  # whose calls end with the process
gone = RedisCache(URLS["gone"])
raising = RedisCache(URLS["gone"], on_error="raise")
is_over = threading.Event()


class Slow:
    """Gives up the interpreter wherever it can."""

    def __init__(self, x):
        self.x = x

    def __reduce__(self):
        time.sleep(0.0001)
        return Slow, (self.x,)

    def __del__(self, sleep=time.sleep):
        sleep(0.0001)


def cached_by(cache):
    @get_quickcache(cache=cache, flight_wait=1_000)(["x"], skip_arg="fresh")
    def compute(x, fresh=False):
        time.sleep(0.0001)
        return Slow(x)

    return compute


shared = cached_by(live)
waiting = get_quickcache(cache=live, single_flight="fleet")(["x"])(lambda x: [x])
tiered = cached_by(TieredCache([MemoryCache(), live]))
from_hole = cached_by(hole)
from_nowhere = cached_by(TieredCache([MemoryCache(max_entries=5), gone]))


def mixed(x):
    shared(x % 30, fresh=x % 11 == 0)
    tiered(x % 30)
    if x % 7 == 0:
        shared.clear(x % 30)
        tiered.clear(x % 30)


def many(x):
    live.set_many({f"m{n}": Slow(n) for n in range(x % 20)})
    live.get_many(f"m{n}" for n in range(20))


def raises(x):
    try:
        raising.get(str(x))
    except CacheUnavailableError:
        pass
    else:
        raise AssertionError


LOADS = {
    "mixed": mixed,
    "misses": shared,
    "values of many keys": many,
    "waits for processes": lambda x: waiting(x // 5),
    "a black hole": lambda x: from_hole(x % 20),
    "clears into a black hole": lambda x: from_hole.clear(x % 500),
    "a server that is not there": lambda x: from_nowhere(x % 20),
    "clears of what is not there": lambda x: from_nowhere.clear(x % 500),
    "errors": raises,
}
# Also a call that has an hour for its answer: no thread that is waited for may make it.
ENDLESS = {"a call for ever": lambda x: endless.get("k")}


def end_of_main():
    pass


def exit_of_sys():
    sys.exit(0)


def uncaught_error():
    sys.excepthook = lambda *error: None
    raise LookupError


def signal_in_calls():
    on_signal(signal.SIGTERM)
    for x in itertools.count():
        mixed(x)


def signal_in_a_black_hole():
    on_signal(signal.SIGTERM)
    for x in itertools.count():
        hole.get(str(x))
        hole.ping.__self__.stats()


def interrupt_in_a_black_hole():
    """Ctrl-C, as Python has it: it comes as soon as the call has used up its deadline."""
    on_signal(signal.SIGINT)
    for x in itertools.count():
        hole.get(str(x))
        hole.delete(str(x))


def on_signal(number):
    def leave(*signalled):
        raise SystemExit(0)

    def on_alarm(alarm, frame):
        while frame:
            if frame.f_code is Slow.__del__.__code__:
                return  # where errors are only printed; the alarm repeats
            frame = frame.f_back
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.raise_signal(number)

    signal.signal(number, leave)
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def last_calls():
    """Registered with atexit: the caches are there to the last."""
    live.set("last", 1)
    assert live.get("last") == 1
    mixed(1)
    from_nowhere(1)
    from_hole.clear(1)


ENDS = {  # with the exit codes
    end_of_main: 0,
    exit_of_sys: 0,
    uncaught_error: 1,
    signal_in_calls: 0,
    signal_in_a_black_hole: 0,
    interrupt_in_a_black_hole: 0,
}


def work(load, begun):
    for x in itertools.count(draw.randrange(100)):
        begun.set()
        load(x)
        if is_over.is_set():
            return


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    sys.setswitchinterval(draw.choice([1e-6, 1e-4, 0.005]))
    daemons = draw.random() < 0.7
    loads = LOADS | ENDLESS if daemons else LOADS
    names = draw.choices(list(loads), k=draw.randrange(2, 7))
    end, code = draw.choice(list(ENDS.items()))
    print(code, end.__name__, "daemons" if daemons else "threads", *names, sep=", ", flush=True)
    if draw.random() < 0.5:
        # A courier has something to do, and the breaker is open.
        for x in range(4):
            gone.delete(str(x))
        assert gone.stats()["breaker_opens"] == 1
    if draw.random() < 0.3:
        atexit.register(last_calls)
    for name in names:
        begun = threading.Event()
        threading.Thread(target=work, args=(loads[name], begun), daemon=daemons).start()
        assert begun.wait(LIMIT)
    time.sleep(draw.random() * 0.05)
    try:
        end()
    finally:
        if not daemons:
            is_over.set()


main()
