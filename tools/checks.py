"""Running things: steps that have to succeed, and checks that are told of in a summary."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from machine import ROOT


def shown(command: list[str]) -> str:
    return " ".join(part.replace(f"{ROOT}{os.sep}", "") for part in command)


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command of the setup; a failure ends everything."""
    words = [str(word) for word in command]
    print(f"$ {shown(words)}", flush=True)
    subprocess.run(words, cwd=ROOT, env={**os.environ, **(env or {})}, check=True)


@dataclass(frozen=True)
class Result:
    name: str
    passed: bool | None  # None: could not be run here
    seconds: float
    closing: str


RESULTS: list[Result] = []


def check(name: str, *command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a check and keep its closing line for the summary; a failure lets the other checks run."""
    words = [str(word) for word in command]
    print(f"\n== {name}\n$ {shown(words)}", flush=True)
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.strip():
                lines.append(line.strip())
    passed = process.returncode == 0
    if not lines:
        lines = ["nothing to report" if passed else f"code {process.returncode}"]
    RESULTS.append(Result(name, passed, time.monotonic() - began, closing(lines)))


def closing(lines: list[str]) -> str:
    """What a test runner said last. cargo says it once per program; the sum is wanted."""
    rust = [re.search(r"^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored", line) for line in lines]
    counts = [[int(number) for number in match.groups()] for match in rust if match]
    if counts:
        passed, failed, ignored = (sum(column) for column in zip(*counts, strict=True))
        return f"{passed} passed, {failed} failed, {ignored} ignored"
    return lines[-1].strip("= ")


def summary() -> bool:
    """Print how every check ended; whether none failed."""
    if RESULTS:
        print("\n== summary")
    for result in RESULTS:
        word = {True: "ok", False: "FAILED", None: "--"}[result.passed]
        print(f"{word:<6} {result.name:<34} {result.seconds:5.0f} s  {result.closing}")
    return all(result.passed is not False for result in RESULTS)
