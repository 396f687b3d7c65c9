"""Judges every read of a run, after it, by what was cleared when.

1. own: in the process that cleared, no read that begins after the clear has returned is older, whether or not
   the server took the delete: what it did not take is not trusted by the process that sent it.
2. others: elsewhere, no read that begins later than the bound after a clear that the server took is older.
3. healed: once an outage has been over for RESEND and the bound, this goes for each clear that came before,
   also for those that the server did not take, which their process has sent again by then. So whatever a
   thread computed for itself during an outage, it does not go back behind it afterwards.

No allowance is added for the recording: the time noted of a read is from before it began, and that of a clear
from after it had returned, so that a thread that is late to note makes the rules milder and never stricter.

Within the bound a thread may go back. A function may have read a change of the source of which the clear is
still to come, and the value of another that read before it is then found on the server. How often is counted;
that no thread goes back behind a clear that is older than the bound is what the rules say already.

A primary that is lost together with deletes that no replica had, or that is suspended until another has taken
its place and goes on as a primary for a moment, loses what it has acknowledged. That is asynchronous
replication, and nothing is promised of it. So clears and reads of its keys count for nothing from a second
before such a fault to a second after it. Faults that lose nothing leave every rule in force: FLUSHALL and
restarts take values away, and never bring one back; a replica that took over had all of it.
"""

import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from records import Clear, Run, clears_file, clears_of, reads_file, runs_of

SECOND = 1_000_000_000
# In which a delete that was kept is sent again: the server is looked for, and told, each half second.
RESEND = 3 * SECOND
EXAMPLES = 5
RULES = ("1 own", "2 others", "3 healed")


@dataclass
class Fault:
    """What was done to the servers or to a process, and when."""

    kind: str
    detail: str
    begin: int
    end: int = 0
    loses: frozenset[int] = frozenset()  # the keys of which clears may be lost by it

    def risk(self) -> tuple[int, int]:
        return self.begin - SECOND, self.end + SECOND


class Violation(NamedTuple):
    """A read that a rule forbids, and the clear that it is older than."""

    rule: str
    process: int
    thread: int
    run: Run
    clearer: int
    clear: Clear
    late: float  # seconds from the clear's return to the read's begin
    near: str  # the fault


@dataclass
class Verdict:
    """What came out."""

    reads: int = 0
    runs: int = 0
    clears: int = 0
    unacknowledged: int = 0
    at_risk: int = 0  # clears that a server may have lost
    unjudged: int = 0  # reads while a server may have been one of two
    steps_back: int = 0
    violations: Counter[str] = field(default_factory=Counter)  # reads, by rule
    examples: dict[str, list[Violation]] = field(default_factory=lambda: defaultdict(list))
    lateness: list[int] = field(default_factory=list)  # ns, of clears in healthy time

    def late(self, part: float) -> float:
        """A quantile of the lateness, in milliseconds."""
        if not self.lateness:
            return 0.0
        return self.lateness[min(int(len(self.lateness) * part), len(self.lateness) - 1)] / 1e6


class Demand:
    """From which moments on a read of one key needs which version."""

    def __init__(self, demands: Iterable[tuple[int, int, tuple[int, Clear]]]) -> None:
        self._times: list[int] = []
        self._most: list[tuple[int, tuple[int, Clear]]] = []
        for time, version, cause in sorted(demands, key=lambda one: one[:2]):
            if not self._most or version > self._most[-1][0]:
                self._times.append(time)
                self._most.append((version, cause))

    def broken_by(self, run: Run) -> tuple[int, Clear] | None:
        """The clear that the run's last read should have known, and who made it."""
        place = bisect.bisect_left(self._times, run.last)
        if place and self._most[place - 1][0] > run.version:
            return self._most[place - 1][1]
        return None


class Judge:
    """One run: its clears and faults are read at once, its reads thread by thread."""

    def __init__(
        self, folder: Path, processes: int, threads: int, bound: float, faults: Sequence[Fault], end: int
    ) -> None:
        self.folder = folder
        self.processes, self.threads = processes, threads
        self.bound = int(bound * SECOND)
        self.faults = sorted(faults, key=lambda fault: fault.begin)
        begins = [0, *(fault.end for fault in self.faults)]
        self.health = list(zip(begins, [*(fault.begin for fault in self.faults), end], strict=True))
        self.verdict = Verdict()
        # Of each process, the clears of each key.
        self.clears: list[dict[int, list[Clear]]] = [self._clears(process) for process in range(processes)]

    def _clears(self, process: int) -> dict[int, list[Clear]]:
        found: dict[int, list[Clear]] = defaultdict(list)
        for clear in clears_of(clears_file(self.folder, process)):
            self.verdict.clears += 1
            self.verdict.unacknowledged += not clear.acknowledged
            if self._is_lost(clear.key, clear.end):
                self.verdict.at_risk += 1
            else:
                found[clear.key].append(clear)
        return found

    def _is_lost(self, key: int, time: int) -> bool:
        """Whether what happened then was in the midst of a fault that loses what was acknowledged."""
        for fault in self.faults:
            first, last = fault.risk()
            if key in fault.loses and first <= time <= last:
                return True
        return False

    def _healed(self, clear: Clear) -> int | None:
        """The moment from which a clear counts everywhere that the server did not take."""
        for first, last in self.health:
            begin = max(first, clear.end)
            if last - begin >= RESEND:
                return begin + RESEND + self.bound
        return None

    # The rules, each as what it demands of one process

    def own(self, process: int, key: int) -> Demand:
        return Demand((clear.end, clear.version, (process, clear)) for clear in self.clears[process][key])

    def others(self, process: int, key: int) -> Demand:
        return Demand(
            (clear.end + self.bound, clear.version, (other, clear))
            for other in range(self.processes)
            if other != process
            for clear in self.clears[other][key]
            if clear.acknowledged
        )

    def healed(self, process: int, key: int) -> Demand:
        late = (
            (self._healed(clear), clear.version, (other, clear))
            for other in range(self.processes)
            for clear in self.clears[other][key]
            if not clear.acknowledged
        )
        return Demand((time, version, cause) for time, version, cause in late if time is not None)

    def judge(self) -> Verdict:
        for process in range(self.processes):
            rules: list[Callable[[int, int], Demand]] = [self.own, self.others, self.healed]
            demands: dict[int, list[Demand]] = {}
            stale: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for thread in range(self.threads):
                before: dict[int, int] = {}
                for run in runs_of(reads_file(self.folder, process, thread)):
                    if run.key not in demands:
                        demands[run.key] = [rule(process, run.key) for rule in rules]
                    self._judge(process, thread, run, demands[run.key])
                    self.verdict.steps_back += run.version < before.get(run.key, 0)
                    before[run.key] = run.version
                    stale[run.key].append((run.version, run.last))
            self._measure(process, stale)
        self.verdict.lateness.sort()
        return self.verdict

    def _judge(self, process: int, thread: int, run: Run, demands: list[Demand]) -> None:
        verdict = self.verdict
        verdict.runs += 1
        if self._is_lost(run.key, run.last):
            verdict.unjudged += run.reads
            return
        verdict.reads += run.reads
        for rule, demand in zip(RULES, demands, strict=True):
            if cause := demand.broken_by(run):
                verdict.violations[rule] += 1
                if len(verdict.examples[rule]) < EXAMPLES:
                    clearer, clear = cause
                    late = (run.last - clear.end) / SECOND
                    near = self._near(run.last)
                    verdict.examples[rule].append(
                        Violation(rule, process, thread, run, clearer, clear, late, near)
                    )

    def _near(self, time: int) -> str:
        """The last fault that had begun by then, and how that was long ago."""
        for fault in reversed(self.faults):
            if fault.begin <= time:
                since = (time - fault.begin) / SECOND
                lasted = (fault.end - fault.begin) / SECOND
                return f"{since:.3f} s after the begin of: {fault.kind}, {fault.detail}, of {lasted:.3f} s"
        return "before any fault"

    def _measure(self, process: int, stale: dict[int, list[tuple[int, int]]]) -> None:
        """How late this process saw the clears of others in health: its last older read after each."""
        for key, reads in stale.items():
            reads.sort()
            versions = [version for version, _ in reads]
            last = list(itertools.accumulate((time for _, time in reads), max))
            for other in range(self.processes):
                for clear in self.clears[other][key] if other != process else ():
                    if clear.acknowledged and self._is_calm(clear):
                        place = bisect.bisect_left(versions, clear.version)
                        late = last[place - 1] - clear.end if place else 0
                        self.verdict.lateness.append(max(0, late))

    def _is_calm(self, clear: Clear) -> bool:
        """Whether it was made in health: after deletes were sent again, and well before the next harm."""
        place = bisect.bisect_right(self.health, (clear.begin, 1 << 62)) - 1
        first, last = self.health[place]
        return first + RESEND <= clear.begin and clear.end + self.bound <= last
