"""Verified traffic of one process: `python redis_traffic.py SETTINGS`. Prints what it saw, in JSON.

Threads call a decorated function over a RedisCache, and clear. A value names what it is of and the versions
that it was computed from; a call that begins after a clear was acknowledged must be given its version or a
later one. Settings, in JSON: `url`, `options` of the cache, `truth` (a file), `process` which of `processes`,
`threads`, `names`, `foreign` (clear also by DEL, by redis-py), `is_cluster`, `loses` (servers may lose what
they acknowledged: then a stale value is the server's fault if that has no mark of the clear).
"""

import collections
import dataclasses
import faulthandler
import json
import logging
import random
import sys
import threading
import time
import traceback
from pathlib import Path

import redis
from redis_truth import ENDS, RUNS, Truth

from quickcache import RedisCache, get_quickcache

LIMIT = 120  # seconds after which the process hangs


@dataclasses.dataclass(frozen=True)
class Settings:
    url: str
    truth: str
    process: int
    processes: int
    threads: int
    names: int
    options: dict
    foreign: bool = False
    loses: bool = False
    is_cluster: bool = False


SETTINGS = Settings(**json.loads(sys.argv[1]))
CLEARERS = SETTINGS.processes * SETTINGS.threads
TRUTH = Truth(Path(SETTINGS.truth), SETTINGS.names, CLEARERS)
CACHE = RedisCache(SETTINGS.url, key_prefix="stress:", **SETTINGS.options)
SEEN = collections.Counter()
EXAMPLES = []
CLEARING = threading.Lock()  # so that a clear's failure can be told by the cache's counters
# What this process has cleared, acknowledged or not: it never sees anything older.
OWN = [[0] * CLEARERS for _ in range(SETTINGS.names)]


@get_quickcache(cache=CACHE, flight_wait=1_000)(["name"])
def compute(name):
    versions = TRUTH.begun(name)
    time.sleep(random.random() * 0.003)  # stands for a query: clears come in between
    return {"name": name, "versions": versions, "more": "x" * random.randrange(200)}


def full_key(name):
    return "stress:" + compute.get_cache_key(name)


def mark_of(name, clearer, version):
    """The key of a mark, on the same server as the value."""
    return f"{{{full_key(name)}}}:{clearer}:{version}"


def direct():
    """The server that has the values, by redis-py."""
    if SETTINGS.is_cluster:
        return redis.RedisCluster(host="127.0.0.1", port=TRUTH.port)
    return redis.Redis(port=TRUTH.port, socket_timeout=5)


def note(what, example=None):
    SEEN[what] += 1
    if example is not None and len(EXAMPLES) < 10:
        EXAMPLES.append(f"{what}: {example}")


def failures():
    stats = CACHE.stats()
    return stats["errors"] + stats["rejections"]


def call(name):
    epoch, failed = TRUTH.epoch, failures()
    acknowledged, own = TRUTH.acknowledged(name), list(OWN[name])
    told = compute(name)
    ceiling = TRUTH.begun(name)
    note("calls")
    TRUTH.count_call(SETTINGS.process)
    is_own = told["name"] == name and set(told) == {"name", "versions", "more"}
    if not is_own or any(one > most for one, most in zip(told["versions"], ceiling, strict=True)):
        note("wrong", f"{told} for {name}, of at most {ceiling}")
        return
    is_calm = epoch % 2 == 0 and epoch == TRUTH.epoch
    if SETTINGS.loses and not is_calm:
        note("calls while harmed")
        return  # two may be the primary at once
    # While this process has no answers, other processes' clears are beyond it.
    counts_on = own if failures() != failed else list(map(max, own, acknowledged))
    late = [place for place, least in enumerate(counts_on) if told["versions"][place] < least]
    if late:
        judge(name, late, told["versions"], counts_on)


def judge(name, late, versions, counts_on):
    """A value is older than an acknowledged clear. Note whether the server has lost the clear."""
    example = f"{versions} of {name}, where clears had come to {counts_on}"
    if not SETTINGS.loses:
        note("stale", example)
        return
    with direct() as server:
        marks = [
            mark_of(name, clearer, version)
            for clearer in late
            for version in range(versions[clearer] + 1, counts_on[clearer] + 1)
        ]
        there = [mark for mark in marks if server.exists(mark)]
    if there:
        note("stale", f"{example}; the server knows of {there}")
    else:
        note("lost by the server")


def clear(name, clearer):
    epoch = TRUTH.epoch
    version = TRUTH.raise_version(name, clearer)
    with CLEARING:
        queued = CACHE.stats()["deletes_queued"]
        compute.clear(name)
        is_acknowledged = CACHE.stats()["deletes_queued"] == queued
    OWN[name][clearer] = version
    note("clears")
    if not is_acknowledged:
        note("clears kept for later")
        return
    if SETTINGS.loses:
        mark(name, clearer, version, epoch)
    TRUTH.acknowledge(name, clearer, version)


def mark(name, clearer, version, epoch):
    """Leave a mark behind the clear. Who has the mark has had the clear: replicas follow in order."""
    if epoch % 2 or epoch != TRUTH.epoch:
        return
    try:
        with direct() as server:
            server.set(mark_of(name, clearer, version), 1)
            if epoch != TRUTH.epoch:  # it may have reached another server than the clear
                server.delete(mark_of(name, clearer, version))
    except (redis.RedisError, redis.exceptions.RedisClusterException):
        note("marks that failed")


def delete_from_outside(name, clearer, server):
    version = TRUTH.raise_version(name, clearer)
    server.delete(full_key(name))
    TRUTH.acknowledge(name, clearer, version)
    note("foreign deletes")


def work(thread):
    clearer = SETTINGS.process * SETTINGS.threads + thread
    chance = random.Random(clearer)
    server = direct() if SETTINGS.foreign else None
    while TRUTH.phase != ENDS:
        name = chance.randrange(SETTINGS.names)
        what = chance.random()
        if TRUTH.phase == RUNS and what < 0.1:
            clear(name, clearer)
        elif TRUTH.phase == RUNS and what < 0.15 and server:
            delete_from_outside(name, clearer, server)
        else:
            call(name)


def end_well():
    """All clears have arrived in the end, also those that were kept for later."""
    end = time.monotonic() + 20
    for name in range(SETTINGS.names):
        while (told := compute(name)["versions"]) != (truth := TRUTH.begun(name)):
            if time.monotonic() > end:
                note("stale in the end", f"{told} of {name} and not {truth}")
                break
            time.sleep(0.05)


def run(thread):
    try:
        work(thread)
    except BaseException:  # noqa: BLE001  the test asserts that there was none
        note("exceptions", traceback.format_exc())


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    lines = logging.Handler()
    lines.emit = lambda record: note("log lines")
    logging.getLogger("quickcache").addHandler(lines)
    sys.setswitchinterval(1e-3)
    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(SETTINGS.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not SETTINGS.loses:
        end_well()
    print(json.dumps({"seen": SEEN, "examples": EXAMPLES, "stats": CACHE.stats()}))


main()
