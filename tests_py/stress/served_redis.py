"""A cached function over a server of Redis that all processes of a server share, and what is true of it.

A value says when its computation began. A clear notes when it began, once it has returned: a call that begins
after that is not given what was begun before. The times are of one clock, in memory that all processes share.
"""

import mmap
import os
import time
from pathlib import Path

from quickcache import RedisCache, get_quickcache

PORT = int(os.environ["SERVED_REDIS"])
# Made as the module is loaded: by the master, before it forks, or by each worker.
CACHE = RedisCache(f"redis://127.0.0.1:{PORT}/0", key_prefix="served:", deadline=8, on_error="raise")
NAMES = [f"item {n}" for n in range(40)]

with Path(os.environ["SERVED_TRUTH"]).open("r+b") as file:
    CLEARED = memoryview(mmap.mmap(file.fileno(), 8 * len(NAMES))).cast("q")


class WrongError(Exception):
    """A cached function's answer was not the truth."""


@get_quickcache(cache=CACHE, flight_wait=1_000)(["name"])
def shared(name):
    begun = time.monotonic_ns()
    time.sleep(0.000_1)  # other threads and processes come in between
    return {"name": name, "begun": begun, "more": [name] * 20}


def ask(name):
    """Call the function. Whether the value was there."""
    now = time.monotonic_ns()
    oldest = CLEARED[NAMES.index(name)]
    told = shared(name)
    if (told["name"], told["more"]) != (name, [name] * 20) or told["begun"] < oldest:
        raise WrongError(f"{told} for {name!r}, cleared at {oldest}")
    return told["begun"] < now


def change(name):
    now = time.monotonic_ns()
    shared.clear(name)
    # Two at once may overwrite each other's: then less is demanded, never too much.
    place = NAMES.index(name)
    CLEARED[place] = max(CLEARED[place], now)


def connections():
    """What connects this process to the server, by numbers that no other socket has. None but on Linux."""
    table = Path("/proc/self/net/tcp")
    if not table.exists():
        return []
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    to_server = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{PORT:04X}")}
    return sorted(to_server & set(files()))


def files():
    """What this process has open."""
    for file in Path("/proc/self/fd").iterdir():
        try:
            yield str(file.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
