"""The two sides of the comparison, each a worker process, and how their answers are compared."""

import contextlib
import difflib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import compat_worker
from compat_case import Case

HERE = Path(__file__).parent
ORACLE_VARIABLE = "QUICKCACHE_ORACLE"


class Side:
    """A worker process over one quickcache; a crashed one is started again for the next command."""

    def __init__(self, name: str, first_on_path: Path | None = None) -> None:
        self.name = name
        self._path = [str(first_on_path)] if first_on_path else []
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, command: str, argument: Any = None) -> Any:
        """Run one command. AssertionError if the worker dies of it, with its exit status."""
        process = self._process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        try:
            compat_worker.send(process.stdin, (command, argument))
            answer = compat_worker.receive(process.stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            self.close()
            asked = argument if command == "scenario" else ""
            raise AssertionError(
                f"the worker of {self.name} died of {command} {asked}: status {process.returncode}"
            )
        how, value = answer
        assert how == "done", f"{self.name}, {command}: {value}"
        return value

    def run(self, scenario: str, debug: bool) -> list[Case]:
        """The cases of one scenario."""
        cases: list[Case] = self.ask("scenario", (scenario, debug))
        return cases

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._process and self._process.stdin and self._process.stdout:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        inherited = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([*self._path, str(HERE), *([inherited] if inherited else [])]),
            # The same order of sets, and the same local time with a changing offset, on both sides.
            "PYTHONHASHSEED": "0",
            "TZ": "EST5EDT,M3.2.0,M11.1.0",
        }
        return subprocess.Popen(
            [sys.executable, str(HERE / "compat_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )


def oracle_directory() -> Path:
    """Where quickcache 0.5.4 is. AssertionError if QUICKCACHE_ORACLE does not say."""
    how = f"`pip install --target DIRECTORY quickcache==0.5.4 six`, then set {ORACLE_VARIABLE}=DIRECTORY"
    given = os.environ.get(ORACLE_VARIABLE)
    assert given, f"{ORACLE_VARIABLE} is not set: {how}"
    directory = Path(given)
    assert (directory / "quickcache-0.5.4.dist-info").is_dir(), f"no quickcache 0.5.4 in {directory}: {how}"
    return directory


def scenario_names(*, deviating: bool) -> list[str]:
    """The scenarios' names, read off their files, so that nothing is imported to collect tests."""
    return [
        name
        for file in sorted((HERE / "compat_scenarios").glob("[a-z]*.py"))
        if (file.stem == "deviations") == deviating
        for name in re.findall(r"^@scenario\ndef (\w+)", file.read_text(), re.MULTILINE)
    ]


def differences(original: Sequence[Case], ours: Sequence[Case]) -> str:
    """A readable account of the cases that differ, empty if none does."""
    if list(original) == list(ours):
        return ""
    lines = difflib.unified_diff(
        "\n".join(map(str, original)).splitlines(),
        "\n".join(map(str, ours)).splitlines(),
        "quickcache 0.5.4",
        "this quickcache",
        n=6,
        lineterm="",
    )
    return "\n".join(lines)
