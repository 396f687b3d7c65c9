"""The checkout's folders, and what the machine has: Rust, and interpreters of Python."""

import functools
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
TARGET = ROOT / "target"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WINDOWS = os.name == "nt"

# Which version runs the demo and the tools, best first: new, and every tool has wheels for it.
PREFERRED = ("3.13", "3.14", "3.12", "3.11", "3.15")


class SetupError(Exception):
    """Ends the command with one line for the user."""


def need_rust() -> None:
    """Stop unless cargo and a C compiler, which rustc links with, are there and work."""
    cargo = shutil.which("cargo")
    if not cargo:
        raise SetupError("Rust is missing: no cargo on PATH. Install it from https://rustup.rs")
    if not works("cargo", "--version"):
        # rustup was installed under another HOME than today's: its toolchains lie beside its commands.
        os.environ.setdefault("RUSTUP_HOME", str(Path(cargo).parent.parent.with_name(".rustup")))
        if not works("cargo", "--version"):
            raise SetupError("Rust is missing: cargo does not run. Try `rustup default stable`")
    if not WINDOWS and not shutil.which("cc"):
        raise SetupError("A C compiler is missing: no cc on PATH. On Debian: apt install gcc libc6-dev")


def works(*command: str) -> bool:
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Interpreter:
    """One CPython on this machine."""

    path: str
    version: str
    tag: str  # 3.13, or 3.14t if free-threaded
    final: bool  # not an alpha, beta or candidate
    libpython: str | None  # the folder of a libpython that a program can be linked against

    @property
    def age(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


PROBE = """
import ensurepip, json, os, platform, sys, sysconfig, venv
at = sysconfig.get_config_vars()
folder = at.get("LIBDIR") or ""
names = [f"libpython{at.get('LDVERSION')}.{kind}" for kind in ("so", "dylib", "a")]
linkable = any(os.path.isfile(os.path.join(folder, name)) for name in names)
print(json.dumps({
    "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "tag": "%d.%d" % sys.version_info[:2] + ("t" if at.get("Py_GIL_DISABLED") else ""),
    "final": sys.version_info[3] == "final",
    "libpython": sys.base_prefix if os.name == "nt" else folder if linkable else None,
} if platform.python_implementation() == "CPython" else None))
"""


@functools.cache
def probe(name: str) -> Interpreter | None:
    """The CPython that a command or path starts, if it can make virtual environments."""
    path = shutil.which(name)
    if not path:
        return None
    told = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
    facts = json.loads(told.stdout) if told.returncode == 0 else None
    if not facts or facts["tag"].removesuffix("t") not in supported():
        return None
    return Interpreter(**facts)


def supported() -> list[str]:
    """The Python versions that the package declares, oldest first."""
    prefix = "Programming Language :: Python :: 3."
    return [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith(prefix)]


def candidates() -> Iterator[str]:
    """Commands and paths that may start a Python."""
    yield from (f"python{version}{threading}" for version in supported() for threading in ("", "t"))
    yield from ("python3", "python")
    if pyenv := shutil.which("pyenv"):
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        yield from (str(path) for path in sorted(Path(root).glob("versions/3.*/bin/python")))


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """One interpreter per version, oldest first. $PYTHON restricts them: versions, commands or paths."""
    wanted = os.environ.get("PYTHON", "").split()
    versions = {part for part in wanted if part[0].isdigit()}
    names = [part for part in wanted if part not in versions]
    if versions or not wanted:
        names += candidates()
    found: dict[str, Interpreter] = {}
    for name in names:
        one = probe(name)
        if one is None or (versions and name not in wanted and one.tag not in versions):
            continue
        if one.tag not in found or one.age > found[one.tag].age:
            found[one.tag] = one
    if not found or versions - found.keys():
        missing = " ".join(sorted(versions - found.keys())) or f"{supported()[0]} to {supported()[-1]}"
        where = os.environ.get("PYTHON") or "on PATH or in pyenv"
        raise SetupError(f"Python is missing: no CPython {missing} with venv and pip ({where})")
    return tuple(sorted(found.values(), key=lambda one: (one.age[:2], one.tag)))


def preferred() -> Interpreter:
    """The one that runs the demo and the tools: stable, and with a GIL where there is one."""
    order = {tag: place for place, tag in enumerate(PREFERRED)}
    return min(interpreters(), key=lambda one: (not one.final, order.get(one.tag, len(order))))


def chosen() -> tuple[Interpreter, ...]:
    """Each interpreter asked for; one if none was: for what takes minutes."""
    return interpreters() if os.environ.get("PYTHON") else (preferred(),)
