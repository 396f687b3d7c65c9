"""What the processes of a run share: the versions of the source, and how far each thread has come.

A file that all of them have mapped. A version is one word, which is read in one piece. Who raises it holds a
lock on that word, so that of two writers each has a version of its own.
"""

import fcntl
import mmap
from pathlib import Path

RUNS, SETTLES, ENDS = 0, 1, 2  # phases: with clears; without; over
WORD = 8


class Shared:
    """The words, by what they are."""

    def __init__(self, path: Path, keys: int, threads: int) -> None:
        size = WORD * (1 + keys + 2 * threads)
        if not path.exists():
            path.write_bytes(bytes(size))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), size)
        self._words = memoryview(self._map).cast("q")
        self._keys, self._threads = keys, threads

    @property
    def phase(self) -> int:
        return self._words[0]

    @phase.setter
    def phase(self, phase: int) -> None:
        self._words[0] = phase

    def version(self, key: int) -> int:
        """The source: what a computation finds."""
        return self._words[1 + key]

    def put(self, key: int, value: int) -> None:
        """Write a word that nobody else writes."""
        self._words[1 + key] = value

    def raise_version(self, key: int) -> int:
        """Change the source. The version that this made."""
        word = 1 + key
        # By process: each has one writer. Locks of a file's bytes are no lock among threads.
        fcntl.lockf(self._file, fcntl.LOCK_EX, WORD, WORD * word)
        try:
            self._words[word] += 1
            return self._words[word]
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, WORD, WORD * word)

    def tell(self, thread: int, reads: int, clears: int) -> None:
        """Say how far a thread of all processes has come."""
        place = 1 + self._keys + 2 * thread
        self._words[place] = reads
        self._words[place + 1] = clears

    def progress(self) -> tuple[int, int]:
        """Reads and clears so far, of all."""
        counts = self._words[1 + self._keys :]
        return sum(counts[0::2]), sum(counts[1::2])

    def reads(self) -> list[int]:
        """The same by thread, to see that none hangs."""
        return self._words[1 + self._keys :: 2].tolist()
