"""Memory per entry: how much a process grows by a filled cache, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator

from benches.contender import Contender, tagged
from benches.result import Race
from benches.scenarios.working_sets import TOO_SLOW
from benches.timing import Plan

SIZES = (10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
ROUNDS, QUICK_ROUNDS = 3, 1


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    if not sys.platform.startswith("linux"):
        return  # the probe reads what Linux tells
    chosen = tagged(contenders, "ours", "lru_cache") if plan.quick else tagged(contenders, "ours", "shared")
    names = [one.name for one in chosen if not one.name.startswith(TOO_SLOW)]
    for size in SIZES:
        taken = {
            name: [probed(name, size) for _ in range(QUICK_ROUNDS if plan.quick else ROUNDS)]
            for name in names
        }
        yield Race(f"memory/{size}", f"{size:,} entries", "bytes", taken)


def probed(name: str, size: int) -> float:
    """Bytes per entry, by a new process."""
    command = [sys.executable, "-m", "benches.memory_probe", name, str(size)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found: float = json.loads(told.stdout)
    return found
