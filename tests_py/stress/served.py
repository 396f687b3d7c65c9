"""What the servers run: cached functions in threads and forks, whose answers are compared with the truth.

A value carries its key and the version of what it was computed from. A change raises the version and then
clears; a call that begins after that must be answered with this version or a later one. Nothing here takes a
lock of Python's, which a fork could inherit.
"""

import faulthandler
import itertools
import os
import random
import sys
import threading
import time

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache

if "SERVED_REDIS" in os.environ:
    import served_redis
else:
    served_redis = None

faulthandler.enable()
NAMES = [f"item {n}" for n in range(40)]
LOADED_BY = os.getpid()
MOMENTS = itertools.count(1)

MEMORY = MemoryCache(max_entries=200)
TIERS = TieredCache([CacheWithPresets(MemoryCache(max_entries=30), 60), MemoryCache(max_entries=200)])
LARGE = MemoryCache(max_entries=None)


class WrongError(Exception):
    """A cached function's answer was not the truth."""


class Subject:
    """A cached function of a name, and what is true of its values."""

    def __init__(self, function):
        self.function = function
        self.changes = {name: [] for name in NAMES}  # an entry for each change: to append is one step
        self.cleared = dict.fromkeys(NAMES, 0)  # the version that callers can count on

    def compute(self, name):
        version = len(self.changes.get(name, ()))
        time.sleep(0.000_1)  # stands for a query: other threads and forks come in between
        return {"name": name, "version": version, "pid": os.getpid(), "made": next(MOMENTS), "more": [name]}

    def ask(self, name):
        """Call the function. Whether the value was there, and whether a parent process had computed it."""
        oldest, now = self.cleared.get(name, 0), next(MOMENTS)
        told = self.function(name)
        newest = len(self.changes.get(name, ()))
        right = told["name"] == name and told["more"] == [name] and oldest <= told["version"] <= newest
        if not right:
            raise WrongError(f"{told} for {name!r}, of version {oldest} to {newest}")
        told["more"].append("what a caller does, others never see")
        return told["made"] < now, told["pid"] != os.getpid()

    def change(self, name):
        self.changes[name].append(None)
        version = len(self.changes[name])
        self.function.clear(name)
        # Two threads may overwrite each other's: then less is demanded, never too much.
        self.cleared[name] = max(self.cleared[name], version)


# Whoever waits for a thread that is not there would wait for longer than the tests.
@get_quickcache(cache=MEMORY, flight_wait=1_000)(["name"])
def remembered(name):
    return SUBJECTS[0].compute(name)


@get_quickcache(cache=TIERS, flight_wait=1_000)(["name"])
def tiered(name):
    return SUBJECTS[1].compute(name)


SUBJECTS = [Subject(remembered), Subject(tiered)]


def work(seed, steps=12, *, asks_server=True):
    """Hits, misses and clears, drawn by a seed. What was seen, in counts."""
    chance = random.Random(seed)
    seen = {"pid": os.getpid(), "asked": 0, "hits": 0, "inherited": 0}
    for _ in range(steps):
        subject = chance.choice(SUBJECTS)
        what = chance.random()
        if what < 0.08:
            subject.change(chance.choice(NAMES))
            continue
        name = chance.choice(NAMES) if what < 0.9 else f"once {os.getpid()} {next(MOMENTS)}"
        hit, inherited = subject.ask(name)
        seen["asked"] += 1
        seen["hits"] += hit
        seen["inherited"] += inherited
    if served_redis and asks_server:
        seen |= ask_server(chance)
    return seen


def ask_server(chance, steps=4):
    """The same with what is on a server."""
    name = chance.choice(NAMES)
    if chance.random() < 0.2:
        served_redis.change(name)
    hits = sum(served_redis.ask(chance.choice([name, *NAMES])) for _ in range(steps))
    return {"hits on server": hits, "connections": served_redis.connections()}


def warm():
    """Have all values there, and a thread in the background that Python knows nothing of."""
    for name in NAMES:
        for subject in SUBJECTS:
            subject.ask(name)
    if served_redis:
        ask_server(random.Random(0))
    drop_in_background()


def drop_in_background():
    LARGE.set_many({str(n): n for n in range(2_000)})
    LARGE.clear()  # so large an index is dropped by another thread


def be_busy(seed):
    for round_ in itertools.count():
        work(seed + round_, asks_server=os.environ.get("SERVED_BUSY") == "all")
        if round_ % 20 == 0:
            drop_in_background()
        time.sleep(0.000_5)  # leaves the machine to the workers


def end_process(told):
    threading.__excepthook__(told)
    os._exit(3)


def keep_busy():
    """Have threads of this process at work for good. A wrong answer there ends it."""
    threading.excepthook = end_process
    # Forks are to find threads in the midst of things.
    sys.setswitchinterval(1e-4)
    for seed in (0, 1_000_000):
        threading.Thread(target=be_busy, args=(seed,), daemon=True).start()


warm()
if os.environ.get("SERVED_BUSY"):
    keep_busy()
