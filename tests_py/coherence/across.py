"""How soon another process sees a clear: `python across.py [--help]`. Two processes, a memory for an hour.

In each round this process changes the source and clears. The other one calls all the time, and notes when the
first call began that was given the new version, and how many were stale that began after the clear.
With `--coherence off` it is stale until the round is given up.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import beside  # noqa: F401  redis_servers is found by it
from fleet import new_folder
from redis_servers import watchdog
from redis_servers.binaries import valkey
from redis_servers.server import Server
from redis_servers.waiting import until
from shared import ENDS, Shared
from tiers import COHERENT, PLAIN, Tiers

from quickcache import get_quickcache

# The words of `Shared`, as its keys: the version; the last one whose clear has returned; the last one that
# the other process was given, and how often it was in a row.
SOURCE, CLEARED, SEEN, AGAIN = 0, 1, 2, 3
WORDS = 4
GIVE_UP = 0.2  # seconds without coherence, after which a round is given up
HITS = 20  # calls in a row after which the new version is in the memory of the other process


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--coherence", choices=(*COHERENT, "off", PLAIN), default="tracking")
    parser.add_argument("--reader", help=argparse.SUPPRESS)  # the folder and the URL, of the other process
    return parser.parse_args()


def shared_in(folder: str) -> Shared:
    return Shared(Path(folder) / "shared", WORDS, 0)


def read(coherence: str, folder: str, url: str) -> None:
    """The other process: calls until the end, and writes what it saw of each version."""
    shared = shared_in(folder)
    tiers = Tiers(url, coherence)

    @get_quickcache(cache=tiers.whole)([])
    def version() -> int:
        return shared.version(SOURCE)

    first: dict[int, int] = {}  # when the first call began that was given the version
    stale: dict[int, int] = {}  # calls that began after its clear had returned and were given an older one
    calls = again = seen = 0
    now = time.monotonic_ns
    while shared.phase != ENDS:
        least = shared.version(CLEARED)
        begin = now()
        found = version()
        calls += 1
        if found != seen:
            first.setdefault(found, begin)
            seen, again = found, 0
            shared.put(AGAIN, 0)
            shared.put(SEEN, found)
        elif again <= HITS:
            again += 1
            shared.put(AGAIN, again)
        if found < least:
            stale[least] = stale.get(least, 0) + 1
    told = {"first": first, "stale": stale, "calls": calls, **tiers.stats()}
    (Path(folder) / "told").write_text(json.dumps(told), encoding="utf-8")


def main() -> int:
    given = options()
    if given.reader:
        read(given.coherence, *json.loads(given.reader))
        return 0
    folder = new_folder()
    with Server(valkey()) as server:
        reader = json.dumps([str(folder), server.url])
        command = [sys.executable, __file__, "--coherence", given.coherence, "--reader", reader]
        shared = shared_in(str(folder))
        other = watchdog.start(command, folder / "log")
        try:
            ends, missed = clear_again_and_again(given, shared, server.url)
            shared.phase = ENDS
            assert other.wait(60) == 0, (folder / "log").read_text(encoding="utf-8")
        finally:
            watchdog.stop(other)
    show(given.coherence, ends, missed, json.loads((folder / "told").read_text(encoding="utf-8")))
    return 0


def clear_again_and_again(given: argparse.Namespace, shared: Shared, url: str) -> tuple[dict[int, int], int]:
    """When the clear of each version returned, and how many the other process had not seen in time."""
    tiers = Tiers(url, given.coherence)
    chance = random.Random(1)

    @get_quickcache(cache=tiers.whole)([])
    def version() -> int:
        return shared.version(SOURCE)

    until("the other process calls", lambda: shared.version(AGAIN) >= HITS)
    ends: dict[int, int] = {}
    missed = 0
    for _ in range(given.rounds):
        made = shared.raise_version(SOURCE)
        version.clear()
        ends[made] = time.monotonic_ns()
        shared.put(CLEARED, made)
        limit = 60 if given.coherence in COHERENT else GIVE_UP
        end = time.monotonic() + limit
        while shared.version(SEEN) != made or shared.version(AGAIN) < HITS:
            if time.monotonic() > end:
                missed += 1
                break
            time.sleep(50e-6)  # the processors are for the server and the other process
        time.sleep(chance.random() * 0.001)
    return ends, missed


def show(coherence: str, ends: dict[int, int], missed: int, told: dict[str, dict[str, int]]) -> None:
    first, stale = told["first"], told["stale"]
    late = sorted(max(0, first[str(made)] - end) / 1e6 for made, end in ends.items() if str(made) in first)
    print(
        f"{coherence}: {len(ends):,} rounds, {told['calls']:,} calls of the other process. Stale though they "
        f"began after the clear had returned: {sum(stale.values()):,} calls, in {len(stale):,} rounds"
    )
    if missed:
        print(f"in {missed:,} rounds it had not seen the clear after {GIVE_UP} s")
    if late:
        p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        print(
            "from the clear's return to the begin of its first fresh call, 0 if that had begun before: "
            f"p50 {p50:.3f} ms, p99 {p99:.3f} ms, worst {late[-1]:.3f} ms, of {len(late):,} rounds"
        )


if __name__ == "__main__":
    sys.exit(main())
