"""Processes of verified traffic (redis_traffic.py): started, watched, and asked what they saw."""

import collections
import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

from redis_truth import ENDS, SETTLES, Truth

PROGRAM = Path(__file__).with_name("redis_traffic.py")
LIMIT = 60  # seconds after which something hangs
# What must not be seen, whatever becomes of the servers.
FORBIDDEN = ("wrong", "stale", "stale in the end", "exceptions")


class Fleet:
    """Some processes with some threads each; they run within a `with` block."""

    def __init__(self, folder, url, *, names, processes=4, threads=4, **settings):
        self.processes = processes
        self.truth = Truth(folder / "truth", names, processes * threads)
        self._settings = {
            "url": url,
            "truth": str(folder / "truth"),
            "processes": processes,
            "threads": threads,
            "names": names,
            "options": {},
            **settings,
        }
        self._running = []

    def __enter__(self):
        for process in range(self.processes):
            settings = json.dumps({**self._settings, "process": process})
            self._running.append(
                subprocess.Popen(
                    [sys.executable, "-W", "ignore", str(PROGRAM), settings],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        return self

    def __exit__(self, *error):
        for one in self._running:
            with contextlib.suppress(ProcessLookupError):
                one.kill()
            one.communicate()

    def run_for(self, seconds):
        """Let them run, and fail if one of them stops calling."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.more_calls()
            time.sleep(0.05)

    def more_calls(self):
        """Wait until each process has made a call more."""
        before = self.truth.calls(self.processes)
        end = time.monotonic() + LIMIT
        while any(now == then for now, then in zip(self.truth.calls(self.processes), before, strict=True)):
            assert time.monotonic() < end, f"a process makes no calls any more: {self._told()}"
            assert all(one.poll() is None for one in self._running), self._told()
            time.sleep(0.005)

    @contextlib.contextmanager
    def harm(self):
        """Within this block servers are harmed; at its end all is well again."""
        self.truth.begin_harm()
        yield
        self.truth.end_harm()

    def end(self):
        """Have them end well: the sum of what they saw, and their first examples of what is wrong."""
        self.truth.phase = SETTLES
        self.more_calls()
        self.truth.phase = ENDS
        seen, examples = collections.Counter(), []
        stats = collections.Counter()
        for one in self._running:
            told, complaints = one.communicate(timeout=LIMIT)
            assert (0, "") == (one.returncode, complaints[-4_000:])
            answer = json.loads(told)
            seen.update(answer["seen"])
            stats.update(answer["stats"])
            examples += answer["examples"]
        self._running = []
        return seen, stats, examples

    def _told(self):
        for one in self._running:
            one.kill()
        return [text[-2_000:] for one in self._running for text in one.communicate()]


def check(fleet, record_property):
    """End the fleet; nothing may have been wrong. What was seen, and the caches' counters, added up."""
    seen, stats, examples = fleet.end()
    counts = {name: stats[name] for name in ("refusals", "errors", "rejections", "deletes_resent")}
    record_property("seen", f"{dict(seen)} {counts}")
    assert {} == {name: seen[name] for name in FORBIDDEN if seen[name]}, examples
    return seen, stats
