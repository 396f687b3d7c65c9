"""Reads of the process that cleared: `python own.py`. None may be older than a clear that has returned.

Two processes of two readers and a writer each, on few keys, without faults, until there are so many calls and
clears. Exit code 1 if one was stale.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import beside  # noqa: F401  redis_servers is found by it
from fleet import Fleet, new_folder
from judge import EXAMPLES, RESEND, SECOND, Judge
from member import Settings
from redis_servers.binaries import valkey
from redis_servers.server import Server
from redis_servers.waiting import until
from tiers import COHERENT, PLAIN
from traffic import Keys

PROCESSES, READERS = 2, 2
BEAT = 0.5
LIMIT = 3600.0  # seconds


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--clears", type=int, default=50_000)
    parser.add_argument("--coherence", choices=(*COHERENT, "off", PLAIN), default="tracking")
    return parser.parse_args()


def settings(given: argparse.Namespace, folder: Path, url: str) -> Iterator[Settings]:
    keys = Keys.make(2 * BEAT, RESEND / SECOND)
    for process in range(PROCESSES):
        yield Settings(
            folder=str(folder),
            url=url,
            process=process,
            processes=PROCESSES,
            readers=READERS,
            often=keys.often,
            seldom=keys.seldom,
            coherence=given.coherence,
            beat=BEAT,
            on_link_loss="bypass",
            seed=1,
            pause=0.0005,
            limit=LIMIT,
        )


def main() -> int:
    given = options()
    folder = new_folder()
    with Server(valkey()) as server, Fleet(list(settings(given, folder, server.url))) as fleet:
        begun = time.monotonic()

        def is_enough() -> bool:
            fleet.check()
            reads, clears = fleet.shared.progress()
            return bool(reads >= given.calls and clears >= given.clears)

        until("there are as many calls and clears", is_enough, LIMIT)
        took = time.monotonic() - begun
        fleet.settle()
        end = time.monotonic_ns()
        problems = [problem for told in fleet.end() for problem in told["problems"]]
    verdict = Judge(folder, PROCESSES, READERS + 1, 2 * BEAT, [], end).judge()
    own, others = verdict.violations["1 own"], verdict.violations["2 others"]
    print(
        f"{given.coherence}: {verdict.reads:,} calls and {verdict.clears:,} clears of {PROCESSES} processes "
        f"x ({READERS} readers, 1 writer) in {took:.1f} s"
    )
    print(f"stale after a clear of their own process had returned: {own}")
    print(f"stale in the other process, {2 * BEAT} s after or later: {others}")
    print(
        f"the other process saw a clear late by: p50 {verdict.late(0.5):.3f} ms, "
        f"p99 {verdict.late(0.99):.3f} ms, worst {verdict.late(1):.3f} ms"
    )
    for found in [*verdict.examples["1 own"], *verdict.examples["2 others"]][:EXAMPLES]:
        print(f"  {found}")
    print(*problems, sep="\n", end="")
    return 1 if own or others or problems else 0


if __name__ == "__main__":
    sys.exit(main())
