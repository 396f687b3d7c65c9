"""What is true of values that many processes compute, clear and read: versions in memory that they share.

Each clearer has a column of its own, so that nobody takes a lock: of a name, it raises the version before it
clears, and notes it once the clear was acknowledged. A value carries the versions that it was computed from.
"""

import mmap
from pathlib import Path

PHASE, EPOCH, PORT, CALLS = 0, 1, 2, 3  # the first words; one of CALLS for each process
HEAD = 32
RUNS, SETTLES, ENDS = 0, 1, 2  # phases: with clears; without; over


class Truth:
    """The versions, in a file that all processes have mapped."""

    def __init__(self, path: Path, names: int, clearers: int) -> None:
        self._names, self._clearers = names, clearers
        size = 8 * (HEAD + 2 * names * clearers)
        if not path.exists():
            path.write_bytes(bytes(size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), size)
        self._words = memoryview(self._map).cast("q")
        self._begun = self._words[HEAD : HEAD + names * clearers]
        self._acknowledged = self._words[HEAD + names * clearers :]

    # Of all

    @property
    def phase(self) -> int:
        return self._words[PHASE]

    @phase.setter
    def phase(self, phase: int) -> None:
        self._words[PHASE] = phase

    @property
    def epoch(self) -> int:
        """Odd while the servers are harmed, and another number each time."""
        return self._words[EPOCH]

    def begin_harm(self) -> None:
        self._words[EPOCH] += 1 - self.epoch % 2

    def end_harm(self) -> None:
        self._words[EPOCH] += self.epoch % 2

    @property
    def port(self) -> int:
        """Where the primary is while nothing is harmed."""
        return self._words[PORT]

    @port.setter
    def port(self, port: int) -> None:
        self._words[PORT] = port

    def count_call(self, process: int) -> None:
        """Count a call of one thread: two at once may count as one, which is good enough to see progress."""
        self._words[CALLS + process] += 1

    def calls(self, processes: int) -> list[int]:
        return self._words[CALLS : CALLS + processes].tolist()

    # Of one name

    def _row(self, name: int) -> slice:
        return slice(name * self._clearers, (name + 1) * self._clearers)

    def begun(self, name: int) -> list[int]:
        """The versions that there are: what a computation finds."""
        return self._begun[self._row(name)].tolist()

    def acknowledged(self, name: int) -> list[int]:
        """The versions that every caller can count on."""
        return self._acknowledged[self._row(name)].tolist()

    def raise_version(self, name: int, clearer: int) -> int:
        place = name * self._clearers + clearer
        self._begun[place] += 1
        return self._begun[place]

    def acknowledge(self, name: int, clearer: int, version: int) -> None:
        self._acknowledged[name * self._clearers + clearer] = version
