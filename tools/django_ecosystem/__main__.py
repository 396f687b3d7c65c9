"""Run the tests of packages that lean on Django's cache, with Django's backends and with ours.

    python -m django_ecosystem .build/django-ecosystem
    python -m django_ecosystem .build/django-ecosystem django-axes wagtail

It needs the packages of tools/requirements/ecosystem.txt. packages.toml says which packages take
part, what is run of their tests, and what is replaced in them. Source distributions are kept in the folder
given: a second run needs no network. Each run has an unpacked copy of its own, and a server that is empty.

The status is 1 if a test passes with Django's backend and not with ours, other than those that packages.toml
names with their reasons; and if one of these passes.
"""

import argparse
import os
import shutil
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .backends import BACKENDS, Backend
from .outcomes import Outcomes
from .running import BrokenRunError, run
from .sources import ChangedSourceError, fetched, unpack, version
from .verdict import cell, judge

PACKAGES = Path(__file__).with_name("packages.toml")


def show(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            text.ljust(width) if place < 2 else text.rjust(width)  # noqa: PLR2004  names and versions
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip())


def trial(package: dict[str, Any], backend: Backend, archive: Path, folder: Path) -> Outcomes:
    """Run a package's tests with a backend, and say how many passed."""
    began = time.monotonic()
    outcomes = run(package, backend, unpack(package, archive, folder))
    counts = ", ".join(f"{outcomes.count(word)} {word}" for word in ("passed", "failed", "skipped"))
    seconds = f"{time.monotonic() - began:.0f} s"
    print(f"{package['name']:<21} {backend.name:<20} {counts}, {seconds}", flush=True)
    return outcomes


def trials(package: dict[str, Any], folder: Path) -> dict[str, Outcomes]:
    """The outcomes of a package's tests with each backend: as many at a time as there are processors."""
    archive = fetched(package, folder)
    runs = folder / "runs"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ends = {
            backend.name: pool.submit(trial, package, backend, archive, runs / str(place))
            for place, backend in enumerate(BACKENDS)
        }
        try:
            return {name: end.result() for name, end in ends.items()}
        finally:
            pool.shutdown(cancel_futures=True)
            shutil.rmtree(runs, ignore_errors=True)


def main() -> int:
    table = tomllib.loads(PACKAGES.read_text(encoding="utf-8"))["package"]
    parser = argparse.ArgumentParser(description="Run the tests of packages that lean on Django's cache.")
    parser.add_argument("folder", type=Path, help="where source distributions are kept and unpacked")
    names = [package["name"] for package in table]
    parser.add_argument(
        "packages", nargs="*", metavar="package", help=f"of {', '.join(names)}; all if left out"
    )
    options = parser.parse_args()
    if unknown := set(options.packages) - set(names):
        parser.error(f"packages.toml has no {', '.join(sorted(unknown))}")
    rows = [["package", "version", *(backend.name for backend in BACKENDS), "skipped"]]
    problems: list[str] = []
    notes: list[str] = []
    for package in table:
        if options.packages and package["name"] not in options.packages:
            continue
        try:
            results = trials(package, options.folder.resolve())
        except (BrokenRunError, ChangedSourceError) as error:
            problems.append(f"{package['name']}: {error}")
            continue
        problems += [f"{package['name']}: {line}" for line in judge(package, results)]
        notes += [f"* {one['test']}: {one['why']}" for one in package.get("differs", [])]
        cells = [cell(package, results[backend.name]) for backend in BACKENDS]
        skipped = str(max(outcomes.count("skipped") for outcomes in results.values()))
        rows.append([package["name"], version(package), *cells, skipped])
    print("\nFailed tests, of those that were run:\n")
    show(rows)
    print("", *notes, sep="\n")
    for problem in problems:
        print(f"\n{problem}", file=sys.stderr)
    print("\nSomething is wrong, see above." if problems else "No other test fails with ours alone.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
