"""What threads saw and did, in files of numbers: one file for each thread.

Times are those of time.monotonic_ns, which all processes of a machine share.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

BUFFER = 1 << 20
LONGEST = 500_000_000  # ns of a run of reads


class Run(NamedTuple):
    """Reads of one thread, one key and one version, one after the other.

    Every rule says that no read that begins after some moment may have less than some version. So of reads
    alike the last decides, and a run stands for all of its reads.
    """

    key: int
    version: int
    reads: int
    first: int  # when its first read began
    last: int  # when its last read began
    end: int  # and ended


class Clear(NamedTuple):
    """One clear: the version that the source had got before, and whether the server took the delete."""

    key: int
    version: int
    begin: int
    end: int
    acknowledged: int


RUN = struct.Struct("=6q")
CLEAR = struct.Struct("=5q")


class Reads:
    """The reads of one thread, joined to runs as they come."""

    def __init__(self, path: Path, keys: int) -> None:
        self.count = 0
        self._file: BinaryIO = path.open("wb", buffering=BUFFER)
        self._runs: list[list[int]] = [[key, -1, 0, 0, 0, 0] for key in range(keys)]

    def note(self, key: int, version: int, begin: int, end: int) -> None:
        self.count += 1
        run = self._runs[key]
        if run[1] == version and begin - run[3] < LONGEST:
            run[2] += 1
            run[4] = begin
            run[5] = end
            return
        if run[2]:
            self._file.write(RUN.pack(*run))
        self._runs[key] = [key, version, 1, begin, begin, end]

    def close(self) -> None:
        for run in self._runs:
            if run[2]:
                self._file.write(RUN.pack(*run))
        self._file.close()


class Clears:
    """The clears of one thread."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._file: BinaryIO = path.open("wb", buffering=BUFFER)

    def note(self, *clear: int) -> None:
        self.count += 1
        self._file.write(CLEAR.pack(*clear))

    def close(self) -> None:
        self._file.close()


def reads_file(folder: Path, process: int, thread: int) -> Path:
    return folder / f"reads-{process}-{thread}"


def clears_file(folder: Path, process: int) -> Path:
    return folder / f"clears-{process}"


def runs_of(path: Path) -> Iterator[Run]:
    """The runs of a thread: those of one key in their order, one key's among another's."""
    return map(Run._make, RUN.iter_unpack(path.read_bytes()))


def clears_of(path: Path) -> Iterator[Clear]:
    return map(Clear._make, CLEAR.iter_unpack(path.read_bytes()))
