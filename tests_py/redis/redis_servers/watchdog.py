"""Programs that end with the process that started them, however that one ends.

Run as a program, this file is the watchdog: it is told of each program by a pipe. The pipe's other end is
held by the test process and, until it has told of itself, by a program that starts. So the pipe ends only
when nobody is left who could start something. Then the watchdog kills what has not ended, and removes the
folder.
"""

import atexit
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Process = subprocess.Popen[bytes]

# A program tells of itself before it becomes itself, by its standard input, which it then gives up.
TELL = 'echo "started $$" >&0; exec "$@" </dev/null'


@dataclass
class Watchdog:
    """The test process's side."""

    folder: Path  # goes when the process has ended
    pipe: int
    process: Process
    owner: int  # a forked child leaves it alone

    def close(self) -> None:
        if self.owner == os.getpid():
            os.close(self.pipe)
            self.process.wait()


@functools.cache
def watchdog() -> Watchdog:
    """The watchdog of this process, which is started when first asked for."""
    folder = Path(tempfile.mkdtemp(prefix="quickcache-"))
    reads, writes = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=reads,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not for it
    )
    os.close(reads)
    one = Watchdog(folder, writes, process, os.getpid())
    atexit.register(one.close)
    return one


def folder(name: str) -> Path:
    """A new folder that goes when this process has ended."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=watchdog().folder))


def start(command: Sequence[str | Path], log: Path, pass_fds: Iterable[int] = ()) -> Process:
    """Start a program that ends with this process. What it says is appended to `log`."""
    with log.open("ab") as file:
        return subprocess.Popen(
            ["/bin/sh", "-c", TELL, "sh", *map(str, command)],
            stdin=watchdog().pipe,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the tests, which then stop it
            pass_fds=tuple(pass_fds),
        )


def stop(process: Process) -> None:
    """Kill a program, also a suspended one, and wait for its end."""
    process.kill()
    ended(process)


def ended(process: Process) -> None:
    """Wait for the end of a program, and have its number forgotten, which others may get."""
    process.wait()
    os.write(watchdog().pipe, b"ended %d\n" % process.pid)


def watch(folder: str) -> None:
    running: set[int] = set()
    for line in sys.stdin.buffer:
        what, number = line.split()
        (running.add if what == b"started" else running.discard)(int(number))
    for number in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    for _ in range(500):  # a program that is being killed may still make files
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
        time.sleep(0.01)


if __name__ == "__main__":
    watch(sys.argv[1])
