"""Whether tiers are coherent, under faults: `python check.py MINUTES`, or `make coherence MINUTES=10`.

Some processes read versions through tiers and clear them, while servers, links and processes are harmed at
random. Afterwards every read is judged (judge.py). The minutes are divided among the combinations of a
topology and a mode. Exit code 1 if a rule was broken, and with --expect-violations, if none was.
"""

import argparse
import faulthandler
import itertools
import json
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import beside  # noqa: F401  redis_servers is found by it
from fleet import Fleet, new_folder
from judge import RESEND, SECOND, Fault, Judge
from member import Settings
from report import Outcome, show
from topologies import TOPOLOGIES, Harm, Topology
from traffic import Keys

MODES = ("tracking", "pubsub")
TELL_EVERY = 10  # seconds


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("minutes", type=float)
    parser.add_argument("--topology", nargs="+", choices=TOPOLOGIES, default=list(TOPOLOGIES))
    parser.add_argument("--mode", nargs="+", choices=(*MODES, "off"), default=list(MODES))
    parser.add_argument(
        "--plain", action="store_true", help="say nothing of coherence, as before there was any"
    )
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the faults")
    parser.add_argument("--beat", type=float, default=0.5, help="seconds; the bound is twice as much")
    parser.add_argument(
        "--on-link-loss", type=float, help="seconds, instead of 'bypass'; the bound has them more"
    )
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--readers", type=int, default=2, help="of each process, besides one that clears")
    parser.add_argument("--pause", type=float, default=0.003, help="mean seconds between clears of a process")
    parser.add_argument("--health", type=float, default=5.0, help="mean seconds between two faults")
    parser.add_argument(
        "--faults", nargs="*", help="only those whose names contain one of these; none: no faults"
    )
    parser.add_argument("--expect-violations", action="store_true", help="fail if there are none")
    parser.add_argument("--keep", type=Path, help="a folder to copy the records to, to look at")
    given = parser.parse_args()
    if given.plain:
        given.mode = ["plain"]
    return given


class Run:
    """One topology, one mode."""

    def __init__(self, given: argparse.Namespace, topology: str, mode: str, seconds: float) -> None:
        self.given = given
        self.mode = mode
        self.seconds = seconds
        self.bound = 2 * given.beat + (given.on_link_loss or 0)
        self.chance = random.Random(f"{given.seed} {topology} {mode}")
        self.topology: Topology = TOPOLOGIES[topology](self.chance, self.bound)
        self.faults: list[Fault] = []
        self.under_way = ""
        self.is_over = threading.Event()

    def run(self) -> Outcome:
        folder = new_folder()
        with self.topology as topology, Fleet(list(self._settings(folder))) as fleet:
            topology.members = fleet.pids
            teller = threading.Thread(target=self._tell, args=(fleet,), daemon=True)
            teller.start()
            self._harm(fleet, time.monotonic() + self.seconds)
            fleet.settle()
            # Long enough for each clear to count everywhere, and a second in which that is seen.
            time.sleep(RESEND / SECOND + self.bound + 1)
            self.is_over.set()
            end = time.monotonic_ns()
            told = fleet.end()
            teller.join()
        if self.given.keep:
            place = self.given.keep / f"{topology.name}-{self.mode}"
            shutil.copytree(folder, place, dirs_exist_ok=True)
            told_of = {
                "end": end,
                "faults": [[f.kind, f.detail, f.begin, f.end, [*f.loses]] for f in self.faults],
            }
            (place / "faults").write_text(json.dumps(told_of), encoding="utf-8")
        judge = Judge(folder, self.given.processes, fleet.threads, self.bound, self.faults, end)
        return Outcome(topology.name, self.mode, self.seconds, self.bound, judge.judge(), self.faults, told)

    def _settings(self, folder: Path) -> Iterator[Settings]:
        given = self.given
        keys = Keys.make(self.bound, RESEND / SECOND)
        for process in range(given.processes):
            yield Settings(
                folder=str(folder),
                url=self.topology.url(process),
                process=process,
                processes=given.processes,
                readers=given.readers,
                often=keys.often,
                seldom=keys.seldom,
                coherence=self.mode,
                beat=given.beat,
                on_link_loss=given.on_link_loss or "bypass",
                seed=given.seed,
                pause=given.pause,
                limit=self.seconds + 300,
            )

    # Faults

    def _harm(self, fleet: Fleet, end: float) -> None:
        """Faults with pauses of health between, until the end."""
        for harm in self._drawn():
            pause = self.given.health * self.chance.uniform(0.8, 1.2)
            before = fleet.shared.reads()
            time.sleep(max(0, min(pause, end - time.monotonic())))
            fleet.check()
            if end - time.monotonic() > 0:
                fleet.check_progress(before)
            if self.topology.unlike_before():
                self._note_what_nobody_did(fleet)
            if time.monotonic() >= end:
                break
            self._do(harm, fleet)

    def _drawn(self) -> Iterator[Harm | None]:
        """Each kind once, in an order that is drawn, and again."""
        wanted = self.given.faults
        kinds = self.topology.harms()
        harms = [harm for harm in kinds if wanted is None or any(word in harm.kind for word in wanted)]
        while True:
            yield from self.chance.sample(harms, len(harms))
            if not harms:
                yield None

    def _do(self, harm: Harm | None, fleet: Fleet) -> None:
        if not harm:
            return
        self.under_way = harm.kind
        fault = Fault(harm.kind, "", time.monotonic_ns())
        self.faults.append(fault)
        fault.detail = harm.do()
        if harm.loses:
            fault.loses = self.topology.at_risk(fleet.texts)
        fault.end = time.monotonic_ns()
        self.under_way = ""

    def _note_what_nobody_did(self, fleet: Fleet) -> None:
        """On a busy machine a node may be silent for so long that it is replaced. When, nobody knows."""
        begin = self.faults[-1].end if self.faults else 0
        everything = frozenset(range(len(fleet.texts)))
        now = time.monotonic_ns()
        self.faults.append(Fault("replaced by themselves", "a primary", begin, now, everything))

    def _tell(self, fleet: Fleet) -> None:
        """A line each few seconds."""
        begun = time.monotonic()
        for number in itertools.count(1):
            if self.is_over.wait(max(0, begun + number * TELL_EVERY - time.monotonic())):
                break
            reads, clears = fleet.shared.progress()
            print(
                f"{self.topology.name:>10} {self.mode:<8} {number * TELL_EVERY:5} s  {reads:12,} reads  "
                f"{clears:9,} clears  {len(self.faults):3} faults  {self.under_way or 'well'}",
                flush=True,
            )


def main() -> int:
    faulthandler.enable()
    given = options()
    combinations = list(itertools.product(given.topology, given.mode))
    seconds = given.minutes * 60 / len(combinations)
    print(f"seed {given.seed}: {len(combinations)} combinations, {seconds:.0f} s each", flush=True)
    outcomes = []
    for topology, mode in combinations:
        outcomes.append(Run(given, topology, mode, seconds).run())
    show(outcomes)
    violations = sum(one.verdict.violations.total() for one in outcomes)
    problems = [problem for one in outcomes for problem in one.problems]
    is_well = (violations > 0) == given.expect_violations and not problems
    expected = ", as expected" if given.expect_violations and violations else ""
    print(f"\n{violations:,} violations{expected}: {'well' if is_well else 'NOT WELL'}")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
