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
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from .backends import BACKENDS, Server, serving
from .running import BrokenRunError, Outcomes, run
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


def in_turn(package: dict[str, Any], folder: Path, server: Server) -> dict[str, Outcomes]:
    """The outcomes of a package's tests with each backend."""
    archive = fetched(package, folder)
    results = {}
    for backend in BACKENDS:
        began = time.monotonic()
        top = unpack(package, archive, folder / "run")
        outcomes = results[backend.name] = run(package, backend, top, server)
        counts = ", ".join(f"{outcomes.count(word)} {word}" for word in ("passed", "failed", "skipped"))
        print(
            f"{package['name']:<21} {backend.name:<20} {counts}, {time.monotonic() - began:.0f} s", flush=True
        )
    shutil.rmtree(folder / "run", ignore_errors=True)
    return results


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
    with serving() as server:
        for package in table:
            if options.packages and package["name"] not in options.packages:
                continue
            try:
                results = in_turn(package, options.folder.resolve(), server)
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
