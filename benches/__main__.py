"""Runs the benchmarks: `python -m benches`, which `make bench` calls in an environment with the peers.

The results go to a JSON file, and to a Markdown page and charts beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benches import markdown
from benches.facts import facts
from benches.names import stem
from benches.result import Race, by_name
from benches.scenarios import NEED_PROCESSORS
from benches.suite import SUITES, Suite
from benches.targets import verdicts
from benches.timing import FULL, QUICK

FORMAT = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what the targets need, and less often")
    parser.add_argument("--suite", choices=SUITES, default="memory", help="what is timed")
    every = [name for suite in SUITES.values() for name in suite.scenarios]
    parser.add_argument("--only", nargs="+", choices=every, help="scenarios; all if left out")
    parser.add_argument("--out", type=Path, required=True, help="the folder for results")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    suite = SUITES[options.suite]
    if others := sorted(set(options.only or ()) - set(suite.scenarios)):
        parser.error(
            f"of the suite {options.suite} there is no {others[0]}, only {', '.join(suite.scenarios)}"
        )
    if options.child:
        scenario(suite, options.only[0], quick=options.quick, out=options.child)
        return 0
    result = measured(options.suite, options.only or list(suite.scenarios), quick=options.quick)
    # What is not all of it gets another name, so that no page is made of it.
    name = "-".join(
        [
            stem(options.suite, result["facts"]["python_tag"]),
            *(["quick"] * options.quick),
            *(options.only or []),
        ]
    )
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{name}.json"
    file.write_text(json.dumps(result, indent=1), encoding="utf-8")
    text = markdown.report(result)
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def measured(name: str, scenarios: list[str], *, quick: bool) -> dict[str, Any]:
    """Check every contender, then run scenarios, each in a process of its own."""
    began = time.time()
    about = facts()
    suite = SUITES[name]
    contenders, versions, absent = suite.load()
    suite.check_lives(contenders)
    races: list[Race] = []
    with tempfile.TemporaryDirectory() as folder:
        for scenario_name in scenarios:
            print(f"{scenario_name} ...", file=sys.stderr, end=" ", flush=True)
            since = time.monotonic()
            file = Path(folder) / f"{scenario_name}.json"
            command = [sys.executable, "-m", "benches", "--suite", name, "--only", scenario_name]
            command += ["--out", folder, "--child", str(file), *(["--quick"] if quick else [])]
            subprocess.run(command, check=True)
            races += map(Race.of_json, json.loads(file.read_text(encoding="utf-8")))
            print(f"{time.monotonic() - since:.0f} s", file=sys.stderr)
    return {
        "format": FORMAT,
        "suite": name,
        "quick": quick,
        "date": time.strftime("%Y-%m-%d", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "facts": about,
        "versions": versions,
        "absent": absent,
        "verdicts": [row.as_json() for row in verdicts(by_name(races), suite.targets)],
        "races": [race.as_json() for race in races],
    }


def scenario(suite: Suite, name: str, *, quick: bool, out: Path) -> None:
    """Run one scenario in this process."""
    if name not in NEED_PROCESSORS:
        stay_on_one_processor()
    contenders = suite.load()[0]
    races = list(suite.scenarios[name](QUICK if quick else FULL, contenders))
    out.write_text(json.dumps([race.as_json() for race in races]), encoding="utf-8")


def stay_on_one_processor() -> None:
    """Have no sample moved between processors, whose caches it would find cold."""
    if sys.platform.startswith("linux"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    sys.exit(main())
