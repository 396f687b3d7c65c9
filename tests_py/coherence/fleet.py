"""The processes of a run (member.py): started, watched, and ended."""

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import beside  # noqa: F401  redis_servers is found by it
from member import Settings
from redis_servers import watchdog
from redis_servers.waiting import until
from shared import ENDS, SETTLES, Shared

PROGRAM = Path(__file__).with_name("member.py")
HANG = 60  # seconds that a process may take to end


class Fleet:
    """Processes that run within a `with` block, of settings that differ in the process and the URL."""

    def __init__(self, settings: list[Settings]) -> None:
        self.settings = settings
        first = settings[0]
        self.threads = first.readers + 1
        self.folder = Path(first.folder)
        keys = first.often + first.seldom
        self.shared = Shared(self.folder / "shared", keys, len(settings) * self.threads)
        self.running: list[watchdog.Process] = []
        self.texts: list[str] = []  # of the keys

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self.running]

    def __enter__(self) -> Self:
        for one in self.settings:
            command = [sys.executable, "-W", "ignore", str(PROGRAM), json.dumps(asdict(one))]
            self.running.append(watchdog.start(command, self._log(one.process)))
        ready = [self.folder / f"ready-{one.process}" for one in self.settings]
        until("the processes run", lambda: self.check() and all(file.exists() for file in ready))
        self.texts = json.loads(ready[0].read_text(encoding="utf-8"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for one in self.running:
            watchdog.stop(one)

    def check(self) -> bool:
        """True; AssertionError if one of them has ended."""
        for one, settings in zip(self.running, self.settings, strict=True):
            assert one.poll() is None, f"process {settings.process} has ended: {self._said(settings.process)}"
        return True

    def check_progress(self, before: list[int]) -> None:
        """AssertionError if a thread has read nothing since."""
        still = [thread for thread, reads in enumerate(self.shared.reads()) if reads == before[thread]]
        assert not still, f"threads that have read nothing for seconds in which all was well: {still}"

    def settle(self) -> None:
        """No clears any more."""
        self.shared.phase = SETTLES

    def end(self) -> list[dict[str, Any]]:
        """What they tell at their end. AssertionError if they said anything else or do not end."""
        self.shared.phase = ENDS
        end = time.monotonic() + HANG
        told = []
        for one, settings in zip(self.running, self.settings, strict=True):
            code = one.wait(max(0, end - time.monotonic()))
            assert (code, self._said(settings.process)) == (0, ""), self._said(settings.process)
            told.append(json.loads((self.folder / f"told-{settings.process}").read_text(encoding="utf-8")))
        return told

    def _log(self, process: int) -> Path:
        return self.folder / f"log-{process}"

    def _said(self, process: int) -> str:
        return self._log(process).read_text(encoding="utf-8", errors="replace")[-4_000:]


def new_folder() -> Path:
    """Where a run has its files."""
    return Path(tempfile.mkdtemp(prefix="coherence-", dir=watchdog.watchdog().folder))
