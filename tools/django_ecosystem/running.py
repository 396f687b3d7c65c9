"""A run of a package's tests with one backend."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .backends import LOCMEM, Backend
from .outcomes import Outcomes, read
from .server import Server, serving

LAST_LINES = 20
# The tests of some packages read these; whoever runs this may have them for another purpose.
THEIRS = {"CACHE_BACKEND", "DATABASE_URL", "DB_ENGINE", "DJANGO_SETTINGS_MODULE"}
INSIDE = Path(__file__).resolve().with_name("inside")


class BrokenRunError(Exception):
    """Tests that could not be run say nothing about a backend."""


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
    left_out = package.get("left_out", []) + ([] if server else package.get("needs_server", []))
    report = top / "ecosystem-report.xml"
    env = {
        **{name: value for name, value in os.environ.items() if name not in THEIRS},
        "PYTHONPATH": os.pathsep.join([str(INSIDE), str(top)]),
        "ECOSYSTEM_PACKAGE": package["name"],
        "ECOSYSTEM_LEFT_OUT": "\n".join(left_out),
        "ECOSYSTEM_BACKEND": package.get("locmem", LOCMEM) if backend.path == LOCMEM else backend.path,
        **({"ECOSYSTEM_SERVER": server.url} if server else {}),
        **({"DJANGO_SETTINGS_MODULE": "ecosystem_settings"} if not package.get("configures_itself") else {}),
    }
    command = [
        *(sys.executable, "-m", "pytest", "--quiet", "-p", "ecosystem_plugin", "-p", "no:cacheprovider"),
        *("-o", "addopts=", "-o", "junit_family=xunit2", f"--junitxml={report}"),
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
