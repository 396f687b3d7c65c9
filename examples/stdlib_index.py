"""Ask questions about the source of Python's own standard library, and see what a cache does for them.

    python examples/stdlib_index.py
    python examples/stdlib_index.py --packages json,email

Every question is answered by parsing source files with `ast`: slow, and the same each time, so worth
caching. Answers go through two tiers: this process's memory, and an sqlite file that a second process
finds warm. Each answer is compared with that of the undecorated function; if one differs, the program
says which and ends with status 1.
"""

import argparse
import ast
import pickle
import sqlite3
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from narration import MismatchError, Witness, duration, heading, progress, say

from quickcache import MemoryCache, TieredCache, get_quickcache

# --- Two tiers -------------------------------------------------------------------------------------


class SqliteStore:
    """A cache in an sqlite file. Anything with these `get`, `set` and `delete` can be a tier."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        row = self._db.execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
        if row is None:
            self.misses += 1
            return default
        self.hits += 1
        # Unpickling runs what the file says: never do it with a file that others can write to.
        return pickle.loads(row[0])  # noqa: S301

    def set(self, key: str, value: Any) -> None:
        """Keep `value` under `key`."""
        self._db.execute("INSERT OR REPLACE INTO cache VALUES (?, ?)", (key, pickle.dumps(value)))

    def delete(self, key: str) -> None:
        """Forget `key`."""
        self._db.execute("DELETE FROM cache WHERE key = ?", (key,))

    # quickcache calls none of what follows. Functions are decorated while this module is imported,
    # and only later do we know where the file is, so opening it is a step of its own.

    def open(self, file: Path) -> None:
        """Use this file, and make it if there is none."""
        self._db = sqlite3.connect(file, isolation_level=None)  # None: each statement is committed
        # A cache may lose its last writes in a power cut, so it need not wait for the disk.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value BLOB)")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


MEMORY = MemoryCache(max_entries=10_000)
STORE = SqliteStore()

# Asked in this order. What only the second one has is copied into the first on the way back.
quickcache = get_quickcache(cache=TieredCache([MEMORY, STORE]))

# --- Three cached functions ------------------------------------------------------------------------


@dataclass(frozen=True)
class Package:
    """A package or a single module of the standard library."""

    name: str
    path: Path

    # A method. A Package itself cannot be part of a cache key, but its name can: `vary_on` lists
    # what the answer depends on, and dots reach into attributes.
    @quickcache(["self.name"])
    def outline(self) -> dict[str, int]:
        """How much there is of what."""
        counts = {"files": 0, "functions": 0, "classes": 0, "calls": 0}
        for _, tree in parse(self):
            counts["files"] += 1
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    counts["calls"] += 1
                elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    counts["functions"] += 1
                elif isinstance(node, ast.ClassDef):
                    counts["classes"] += 1
        return counts

    def __str__(self) -> str:
        return self.name


# A function. With `refresh=True` it is called in any case, and the cached answer replaced. `refresh`
# is not part of the key, so both kinds of call share one entry.
@quickcache(["package.name", "name"], skip_arg="refresh")
def callers(package: Package, name: str, *, refresh: bool = False) -> list[str]:  # noqa: ARG001  for skip_arg
    """The places under a package where something called `name` is called."""
    return [place for module, tree in parse(package) for place in calls(name, tree, module)]


MEMORY_LIFE = 1.0  # seconds


class Ranking:
    """The functions of a package that weigh the most; subclasses say what weighs."""

    # A classmethod: subclasses share this code but not its answers, hence `cls.__name__`.
    # `memoize_timeout` is how long the first tier keeps an answer.
    @classmethod
    @quickcache(["cls.__name__", "package.name"], memoize_timeout=MEMORY_LIFE)
    def top(cls, package: Package) -> list[str]:
        """The three heaviest functions, each with its weight."""
        weights = [
            (cls.weight(node), f"{module}.{node.name}")
            for module, tree in parse(package)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return [f"{name} ({weight})" for weight, name in sorted(weights, reverse=True)[:3]]

    @staticmethod
    def weight(function: ast.AST) -> int:
        """How much one function weighs."""
        raise NotImplementedError


class Longest(Ranking):
    """By length, counted in nodes of the syntax tree."""

    @staticmethod
    def weight(function: ast.AST) -> int:
        return sum(1 for _ in ast.walk(function))


class MostBranched(Ranking):
    """By the number of branches."""

    @staticmethod
    def weight(function: ast.AST) -> int:
        return sum(isinstance(node, ast.If | ast.For | ast.While | ast.Try) for node in ast.walk(function))


# --- The slow work behind them ---------------------------------------------------------------------


def parse(package: Package) -> Iterator[tuple[str, ast.Module]]:
    """Each module of a package with its syntax tree. Tests are left out, and what does not parse."""
    files = [package.path] if package.path.is_file() else sorted(package.path.rglob("*.py"))
    for file in files:
        parts = file.relative_to(package.path.parent).with_suffix("").parts
        if {"test", "tests", "idle_test"}.intersection(parts):
            continue
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        yield ".".join(parts), tree


def calls(name: str, node: ast.AST, scope: str) -> Iterator[str]:
    """Where, at or below a node, `name(...)` or `something.name(...)` stands: `scope:line`."""
    if isinstance(node, ast.Call):
        called = node.func
        if name == (called.id if isinstance(called, ast.Name) else getattr(called, "attr", None)):
            yield f"{scope}:{node.lineno}"
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}"
    for child in ast.iter_child_nodes(node):
        yield from calls(name, child, scope)


def standard_library() -> list[Package]:
    """Every package and module of the running Python that comes with source."""
    root = Path(sysconfig.get_path("stdlib"))
    packages = []
    for name in sorted(sys.stdlib_module_names):
        for path in (root / name, root / f"{name}.py"):
            if path.is_file() or (path / "__init__.py").is_file():
                packages.append(Package(name, path))
                break
    return packages


# --- The show --------------------------------------------------------------------------------------


def first_process(packages: list[Package], witness: Witness) -> None:
    """Fill the caches, and try all they can do."""
    heading(f"Outline of all {len(packages)} packages: the method Package.outline")
    # The undecorated functions go first: theirs are the answers that all others are checked against.
    for package in progress(packages, "not cached"):
        witness.uncached(package.outline)
    cold = warm = 0.0
    outlines = {}
    for package in progress(packages, "cached, cold"):
        answer = witness.ask(package.outline, expect="computed")
        outlines[package] = answer.value
        cold += answer.seconds
    for package in packages:
        warm += witness.ask(package.outline, expect="memory").seconds
    for what in ("files", "functions", "classes", "calls"):
        say(f"  {sum(outline[what] for outline in outlines.values()):>7,} {what}")
    say(f"  computed in {duration(cold)}; all of it again, from memory, in {duration(warm)}")

    busiest = biggest(packages, witness)
    package = busiest[0]

    heading("Who calls what: the function callers")
    for question in who_calls_what(busiest):
        witness.show(callers, *question, expect="computed")
        witness.show(callers, *question, expect="memory")

    heading("skip_arg='refresh': compute whatever the cache says, and keep the new answer")
    witness.show(callers, package, "open", refresh=True, expect="computed")
    witness.show(callers, package, "open", expect="memory")

    heading("clear: forget one answer in both tiers")
    say(f"  callers.clear({package}, 'open')")
    callers.clear(package, "open")
    witness.show(callers, package, "open", expect="computed")
    witness.show(callers, package, "open", expect="memory")

    heading(f"memoize_timeout={MEMORY_LIFE}: the classmethod Ranking.top stays in memory for a second")
    for ranking in (Longest, MostBranched):
        witness.show(ranking.top, package, expect="computed")
        witness.show(ranking.top, package, expect="memory")
    say(f"  ... waiting {MEMORY_LIFE} s ...")
    time.sleep(MEMORY_LIFE)
    witness.show(Longest.top, package, expect="sqlite")
    witness.show(Longest.top, package, expect="memory")
    say(f"  Longest.top.clear(Longest, {package})   # under a classmethod, clear takes the class too")
    Longest.top.clear(Longest, package)
    witness.show(Longest.top, package, expect="computed")

    rounds = 100
    heading(f"All of it {rounds} times over")
    begin = time.perf_counter()
    for _ in range(rounds):
        for package in packages:
            witness.ask(package.outline, expect="memory")
        for question in who_calls_what(busiest):
            witness.ask(callers, *question, expect="memory")
        # A slow machine may need more than its second for the above: then sqlite answers.
        witness.ask(Longest.top, busiest[0])
    questions = rounds * (len(packages) + len(who_calls_what(busiest)) + 1)
    say(f"  {questions:,} questions asked and answers checked in {duration(time.perf_counter() - begin)}")


def second_process(packages: list[Package], witness: Witness) -> None:
    """Ask it all again where memory is empty: nothing is computed."""
    total = 0.0
    for package in packages:
        total += witness.ask(package.outline, expect="sqlite").seconds
    say(f"  outline of all {len(packages)} packages, from sqlite, in {duration(total)}")
    busiest = biggest(packages, witness)
    for question in who_calls_what(busiest):
        witness.show(callers, *question, expect="sqlite")
    for ranking in (Longest, MostBranched):
        witness.show(ranking.top, busiest[0], expect="sqlite")


def biggest(packages: list[Package], witness: Witness) -> list[Package]:
    """The five packages with the most calls in them."""

    def size(package: Package) -> int:
        return int(witness.ask(package.outline, expect="memory").value["calls"])

    return sorted(packages, key=size, reverse=True)[:5]


def who_calls_what(packages: list[Package]) -> list[tuple[Package, str]]:
    """The questions for `callers`: a package and a name each."""
    return [(package, name) for package in packages for name in ("open", "isinstance")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the show; 0 if every answer was right, 1 if not."""
    parser = argparse.ArgumentParser(description="quickcache at work on the standard library's source")
    parser.add_argument("--packages", metavar="NAME,...", help="only these packages (default: all)")
    parser.add_argument("--second-process", metavar="DIRECTORY", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)

    packages = standard_library()
    if arguments.packages:
        wanted = arguments.packages.split(",")
        unknown = set(wanted).difference(package.name for package in packages)
        if unknown:
            parser.error(f"not in this Python's library, or without source: {', '.join(sorted(unknown))}")
        packages = [package for package in packages if package.name in wanted]
    if not packages:
        parser.error("this Python comes without the source of its standard library")

    witness = Witness(MEMORY, STORE)
    try:
        if arguments.second_process:
            return run_second(packages, witness, arguments.second_process)
        return run_first(packages, witness)
    except MismatchError as mismatch:
        sys.stdout.flush()
        print(f"WRONG: {mismatch}", file=sys.stderr)
        return 1


def run_first(packages: list[Package], witness: Witness) -> int:
    """Make the store, fill it, have a second process use it, and print the tables."""
    begin = time.perf_counter()
    with TemporaryDirectory(prefix="quickcache-demo-") as name, closing(STORE):
        directory = Path(name)
        STORE.open(directory / "cache.sqlite")
        first_process(packages, witness)

        heading("A second process over the same sqlite file: nothing is computed")
        witness.save_answers(directory)
        names = ",".join(package.name for package in packages)
        command = [sys.executable, __file__, "--packages", names, "--second-process", name]
        if subprocess.run(command, check=False).returncode != 0:
            raise MismatchError("the second process failed, see above")
        witness.add_records(directory)
    heading("What it came to")
    witness.tables()
    say()
    say(f"Every answer equals the uncached one. {duration(time.perf_counter() - begin)} in all.")
    return 0


def run_second(packages: list[Package], witness: Witness, directory: Path) -> int:
    """Use the store that the first process left."""
    with closing(STORE):
        STORE.open(directory / "cache.sqlite")
        witness.load_answers(directory)
        second_process(packages, witness)
        witness.save_records(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
