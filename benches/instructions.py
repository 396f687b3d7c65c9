"""Counts the instructions of a hit, and compares with what is recorded.

Seconds differ from run to run; these counts repeat, so they show a hit that has become a little
longer. They are those of one interpreter's build, and are recorded for each.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benches.instruction_probe import CONTROL, N
from benches.markdown import table

RECORD = Path(__file__).with_name("instructions.json")
# A change of 5% is to be seen; what differs without any change stays far below this.
TOLERANCE = 0.03
MARKS = 3  # for each load

MEANING = {True: "LONGER", False: "shorter: record it", None: "as recorded"}


class CountingError(Exception):
    """Counts could not be taken, and why."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help="record what is counted now")
    options = parser.parse_args()
    try:
        counted = count()
    except CountingError as error:
        print(error, file=sys.stderr)
        return 2
    records: dict[str, dict[str, float]] = json.loads(RECORD.read_text(encoding="utf-8"))
    if options.record:
        records[interpreter()] = counted
        RECORD.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    recorded = records.get(interpreter())
    print(f"Instructions per hit, {interpreter()}\n\n{compared(counted, recorded or {})}\n")
    if recorded is None:
        known = "; ".join(sorted(records)) or "none"
        print(f"Nothing is recorded for this interpreter (only for: {known}). Record it with --record.")
        return 2
    longer = [name for name in counted if name != CONTROL and changed(name, counted, recorded)]
    if longer:
        print(f"More than {TOLERANCE:.0%} longer than recorded: {', '.join(longer)}")
    return 1 if longer else 0


def interpreter() -> str:
    """The interpreter's build: another compiler makes other instructions of the same version."""
    return f"CPython {platform.python_version()}, {platform.python_compiler()}, {platform.machine()}"


def changed(name: str, counted: Mapping[str, float], recorded: Mapping[str, float]) -> bool | None:
    """True if a hit is longer than recorded, or new; False if it is shorter; None if neither."""
    if name not in recorded:
        return True
    growth = counted[name] / recorded[name] - 1
    return None if abs(growth) <= TOLERANCE else growth > 0


def compared(counted: Mapping[str, float], recorded: Mapping[str, float]) -> str:
    rows = []
    for name, figure in counted.items():
        known = name in recorded
        growth = f"{figure / recorded[name] - 1:+.1%}" if known else "-"
        meaning = MEANING[changed(name, counted, recorded)] if known else "not recorded"
        rows.append([name, f"{figure:,.1f}", f"{recorded[name]:,.1f}" if known else "-", growth, meaning])
    return table(["hit", "counted", "recorded", "change", ""], rows)


def count() -> dict[str, float]:
    """Instructions per hit of each load. CountingError without valgrind."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise CountingError("valgrind is missing. On Debian: apt install valgrind")
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            [
                *(valgrind, "--tool=callgrind", "--dump-before=getppid"),
                f"--callgrind-out-file={folder}/counts",
                *(sys.executable, "-m", "benches.instruction_probe"),
            ],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if told.returncode:
            raise CountingError(told.stderr)
        names = told.stdout.split("\n")[:-1]
        return per_hit(names, Path(folder))


def per_hit(names: list[str], folder: Path) -> dict[str, float]:
    """The difference between 2N hits and N, divided by N: without the loop's own beginning and end."""
    counts: list[int] = []
    while (part := folder / f"counts.{len(counts) + 1}").exists():
        found: Any = re.search(r"^totals: (\d+)", part.read_text(encoding="utf-8"), re.MULTILINE)
        counts.append(int(found.group(1)))
    if len(counts) != MARKS * len(names):
        raise CountingError(f"{len(counts)} marks for {len(names)} loads")
    return {
        name: round((twice - once) / N, 1)
        for name, once, twice in zip(names, counts[1::MARKS], counts[2::MARKS], strict=True)
    }


if __name__ == "__main__":
    sys.exit(main())
