"""Run Django's own tests of its cache over the backends of quickcache.django, and say what failed.

    python -m django_conformance --archive django-6.1.3.tar.gz --work .build/django/3.13
    python -m django_conformance ... --backends MemoryCache --labels cache.tests.CacheUtils

Each backend has a process and, where it needs one, a server of its own; they run at the same time, since
these tests sleep more than they work. It ends with status 1 if a test fails that tests.toml does not list, or
if what is listed there is not so.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import carried_server
import django

from .sources import ChangedSourceError, unpack
from .verdict import Selection, Verdict, judge, selection

ON_SERVER = {"MemoryCache": False, "RedisCache": True, "TieredCache": True}
HERE = Path(__file__).parent
MOST_SECONDS = 600  # no test of Django's takes more than some seconds


class NoRecordError(Exception):
    """Django's test runner ended before the tests did."""


@dataclass(frozen=True)
class Work:
    """What is run: tests, unpacked in a folder, beside which logs are written."""

    tests: Path
    logs: Path
    chosen: Selection
    whole: bool

    def run(self, backend: str) -> Verdict:
        """Run the tests with one backend."""
        if not ON_SERVER[backend]:
            return self.run_at("", backend)
        with carried_server.serving(databases=64) as server:
            return self.run_at(carried_server.url(server), backend)

    def run_at(self, server: str, backend: str) -> Verdict:
        record, log = self.logs / f"{backend}.json", self.logs / f"{backend}.log"
        record.unlink(missing_ok=True)
        env = {
            **os.environ,
            "PYTHONPATH": str(HERE.parent),
            "CONFORMANCE_BACKEND": backend,
            "CONFORMANCE_SERVER": server,
            "CONFORMANCE_LEFT_OUT": json.dumps(self.chosen.left_out(backend)),
            "CONFORMANCE_RECORD": str(record),
        }
        options = ("--settings=django_conformance.settings", "--parallel=1", "--timing")
        with log.open("w", encoding="utf-8") as output, suppress(subprocess.TimeoutExpired):
            # It ends with an error, by the tests that cannot apply: what it has recorded counts.
            subprocess.run(
                [sys.executable, "runtests.py", *options, *self.chosen.labels],
                cwd=self.tests,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=MOST_SECONDS,
                check=False,
            )
        if not record.exists():
            said = log.read_text(encoding="utf-8", errors="replace")
            raise NoRecordError(f"with {backend} the tests did not end:\n{said[-4000:]}")
        recorded = json.loads(record.read_text(encoding="utf-8"))
        return judge(recorded, self.chosen, backend, django.__version__, whole=self.whole)


def told(backend: str, verdict: Verdict) -> Iterator[str]:
    """What is to be mended, and where to begin."""
    for test, text in verdict.failures:
        yield f"\nFAILED with {backend}: {test}\n{text.rstrip()}"
    for line in verdict.untrue:
        yield f"\nNOT AS LISTED with {backend}: {line}"


def uncounted(chosen: Selection, verdicts: dict[str, Verdict]) -> Iterator[str]:
    """Why tests are not counted, and how many there are of each kind."""
    yield "\nexcluded, one by one in tools/django_conformance/tests.toml, or skipped by Django:"
    for backend, verdict in verdicts.items():
        kinds = Counter(one.reason for one in chosen.excluded if one.test in verdict.excluded)
        for kind, times in sorted(kinds.items()):
            yield f"  {backend:<12} {times:>3}  {chosen.reasons[kind]}"
        for said, times in sorted(verdict.skipped.items()):
            yield f"  {backend:<12} {times:>3}  {said} {chosen.skips.get(said, '')}"


def table(verdicts: dict[str, Verdict]) -> Iterator[str]:
    row = "{:<8} {:<8} {:<12} {:>6} {:>7} {:>9} {:>8}".format
    yield "\n" + row("Django", "Python", "backend", "run", "failed", "excluded", "skipped")
    for backend, one in verdicts.items():
        counts = one.run, len(one.failures), len(one.excluded), sum(one.skipped.values())
        yield row(django.__version__, platform.python_version(), backend, *counts)


def summed(verdicts: Iterable[Verdict], seconds: float) -> str:
    """All in one line, which is the last."""
    every = list(verdicts)
    run = sum(one.run for one in every)
    failed = sum(len(one.failures) for one in every)
    excluded = sum(len(one.excluded) for one in every)
    untrue = sum(len(one.untrue) for one in every)
    line = (
        f"Django {django.__version__}: {run:,} tests in {seconds:.0f} s, {failed} failed, {excluded} excluded"
    )
    return line + (f", {untrue} not as listed" if untrue else "")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="django_conformance", description="Run Django's own tests of its cache over our backends."
    )
    parser.add_argument("--archive", type=Path, required=True, help="Django's source distribution")
    parser.add_argument("--work", type=Path, required=True, help="a folder for its tests and their logs")
    parser.add_argument("--backends", nargs="+", choices=ON_SERVER, default=list(ON_SERVER))
    parser.add_argument("--labels", nargs="+", help="fewer tests, named as Django's runtests.py takes them")
    options = parser.parse_args()

    began = time.monotonic()
    chosen = selection(HERE / "tests.toml")
    logs = options.work.resolve()
    try:
        tests = unpack(options.archive, logs / "tests")
        if options.labels:
            chosen = replace(chosen, labels=options.labels)
        work = Work(tests, logs, chosen, whole=not options.labels)
        with ThreadPoolExecutor() as pool:
            verdicts = dict(zip(options.backends, pool.map(work.run, options.backends), strict=True))
    except (ChangedSourceError, NoRecordError) as error:
        print(error)
        return 1
    for backend, verdict in verdicts.items():
        for line in told(backend, verdict):
            print(line)
    for line in (*uncounted(chosen, verdicts), *table(verdicts)):
        print(line)
    print(f"\n{summed(verdicts.values(), time.monotonic() - began)}")
    return 0 if all(verdict.passed for verdict in verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
