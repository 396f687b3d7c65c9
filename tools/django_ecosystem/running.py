"""A run of a package's tests with one backend, and how each test ended."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from .backends import LOCMEM, Backend, Server, serving

LAST_LINES = 20
INSIDE = Path(__file__).resolve().with_name("inside")


class BrokenRunError(Exception):
    """Tests that could not be run say nothing about a backend."""


@dataclass
class Outcomes:
    """How each test ended: passed, failed or skipped."""

    by_test: dict[str, str]
    messages: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        return Counter(self.by_test.values())[outcome]

    @property
    def ran(self) -> int:
        return self.count("passed") + self.count("failed")


def run(package: dict[str, Any], backend: Backend, top: Path) -> Outcomes:
    """Run the package's tests with a backend, which has a server of its own if it needs one."""
    if not backend.is_remote:
        return run_with(package, backend, top, None)
    with serving() as server:
        outcomes = run_with(package, backend, top, server)
        if not server.lookups():
            raise BrokenRunError("the server was not asked for a single key: the backend was not in use")
        return outcomes


def run_with(package: dict[str, Any], backend: Backend, top: Path, server: Server | None) -> Outcomes:
    report = top / "ecosystem-report.xml"
    paths = [str(INSIDE), str(top / package.get("path", "."))]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "ECOSYSTEM_PACKAGE": package["name"],
        "ECOSYSTEM_BACKEND": package.get("locmem", LOCMEM) if backend.path == LOCMEM else backend.path,
        **({"ECOSYSTEM_SERVER": server.url} if server else {}),
        **({"DJANGO_SETTINGS_MODULE": "ecosystem_settings"} if not package.get("configures_itself") else {}),
    }
    left_out = package.get("left_out", []) + ([] if server else package.get("needs_server", []))
    command = [
        *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "-o", "addopts="),
        *("-o", "junit_family=xunit2", f"--junitxml={report}"),
        *(f"--deselect={test}" for test in left_out),
        *package["tests"],
    ]
    ended = subprocess.run(
        command, cwd=top, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if ended.returncode not in {0, 1} or not report.is_file():
        last = ended.stdout.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
        raise BrokenRunError("\n".join([f"pytest ended with code {ended.returncode}", *last]))
    outcomes = read(report)
    if not outcomes.count("passed"):
        raise BrokenRunError("no test has passed")
    return outcomes


def read(report: Path) -> Outcomes:
    """What pytest has written of a run. Of several entries of one test, as subtests have them, the worst."""
    outcomes = Outcomes({})
    order = ("skipped", "passed", "failed")
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  pytest has just written it
        test = f"{case.get('classname')}::{case.get('name')}"
        failure = next(
            (found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None
        )
        outcome = "failed" if failure is not None else "passed"
        if failure is None and case.find("skipped") is not None:
            outcome = "skipped"
        if failure is not None:
            outcomes.messages[test] = failure.get("message") or ""
        outcomes.by_test[test] = max(outcome, outcomes.by_test.get(test, outcome), key=order.index)
    return outcomes
