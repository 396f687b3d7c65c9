"""What stdlib_index.py needs besides caching: who checks and times the answers, a progress bar, tables."""

import inspect
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from quickcache import MemoryCache

Source = Literal["computed", "sqlite", "memory"]

Item = TypeVar("Item")


class MismatchError(Exception):
    """An answer that differs from the uncached one, or came from where it should not."""


class Answer(NamedTuple):
    """What a cached function said, where it had it from, and how long it took."""

    value: Any
    source: Source
    seconds: float


class CountingStore(Protocol):
    """A second tier that counts its hits and misses."""

    hits: int
    misses: int


class Witness:
    """Asks a cached function, notes how long the answer took and where it came from, and checks it."""

    def __init__(self, memory: MemoryCache, store: CountingStore) -> None:
        self._memory = memory
        self._store = store
        self._uncached_answers: dict[str, Any] = {}
        # For each function and source: the number of calls, and their seconds.
        self._timings: defaultdict[tuple[str, Source], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._second_process: dict[str, tuple[int, int]] = {}

    def uncached(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the undecorated function says; it is called once for each set of arguments."""
        question = describe(function, arguments)
        if question not in self._uncached_answers:
            undecorated = inspect.unwrap(function)  # what `function.__wrapped__` holds
            # For a method, this is the plain function: the object or class goes before the rest.
            owner = [function.__self__] if inspect.ismethod(function) else []
            self._uncached_answers[question] = undecorated(*owner, *arguments)
        return self._uncached_answers[question]

    def ask(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        expect: Source | None = None,
        **options: Any,
    ) -> Answer:
        """Call the function. MismatchError for a wrong answer, and for one not from where to `expect` it."""
        right = self.uncached(function, *arguments)
        memory_hits, store_hits = self._memory.stats()["hits"], self._store.hits
        begin = time.perf_counter()
        value = function(*arguments, **options)
        seconds = time.perf_counter() - begin

        source: Source = "computed"
        if self._memory.stats()["hits"] > memory_hits:
            source = "memory"
        elif self._store.hits > store_hits:
            source = "sqlite"
        calls, total = self._timings[function.__qualname__, source]
        self._timings[function.__qualname__, source] = calls + 1, total + seconds

        question = describe(function, arguments, options)
        if value != right:
            raise MismatchError(f"{question} is {value!r} ({source}), and without the cache {right!r}")
        if expect is not None and source != expect:
            raise MismatchError(f"{question} came from another place ({source}) than it should ({expect})")
        return Answer(value, source, seconds)

    def show(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        expect: Source,
        **options: Any,
    ) -> None:
        """Ask, and print what came of it. The answer must be a list of texts."""
        answer = self.ask(function, *arguments, expect=expect, **options)
        question = describe(function, arguments, options)
        say(f"  {question:<40} {answer.source:<9} {duration(answer.seconds):>8} {len(answer.value):>5} found")
        if answer.source == "computed" and answer.value:
            text = "    " + ", ".join(answer.value)
            say(text if len(text) <= line_width() else text[: line_width() - 4] + " ...")

    # The second process checks its answers against those of the first, and hands its records back.

    def save_answers(self, directory: Path) -> None:
        """In the first process, before the second one runs."""
        (directory / "answers.json").write_text(json.dumps(self._uncached_answers), "utf-8")

    def load_answers(self, directory: Path) -> None:
        """In the second process."""
        self._uncached_answers = json.loads((directory / "answers.json").read_text("utf-8"))

    def save_records(self, directory: Path) -> None:
        """In the second process, at its end."""
        timings = [[*key, *timing] for key, timing in self._timings.items()]
        records = json.dumps({"timings": timings, "tiers": self._tiers()})
        (directory / "records.json").write_text(records, "utf-8")

    def add_records(self, directory: Path) -> None:
        """In the first process, for its tables."""
        records = json.loads((directory / "records.json").read_text("utf-8"))
        for function, source, more_calls, more_seconds in records["timings"]:
            calls, seconds = self._timings[function, source]
            self._timings[function, source] = calls + more_calls, seconds + more_seconds
        self._second_process = records["tiers"]

    def _tiers(self) -> dict[str, tuple[int, int]]:
        stats = self._memory.stats()
        return {
            "memory": (stats["hits"], stats["misses"]),
            "sqlite": (self._store.hits, self._store.misses),
        }

    def tables(self) -> None:
        """Print the mean times of each function, and the hits and misses of each tier."""
        rows = []
        for function in dict.fromkeys(function for function, _ in self._timings):
            means = {
                source: seconds / calls
                for (name, source), (calls, seconds) in self._timings.items()
                if name == function
            }
            rows.append(
                [
                    function,
                    duration(means["computed"]),
                    duration(means["sqlite"]),
                    duration(means["memory"]),
                    f"{means['computed'] / means['memory']:,.0f}",
                ]
            )
        table(["mean per call", "cold: computed", "warm: sqlite", "warm: memory", "times faster"], rows)
        rows = [
            [f"{tier}, {process} process", f"{hits:,}", f"{misses:,}"]
            for process, tiers in (("first", self._tiers()), ("second", self._second_process))
            for tier, (hits, misses) in tiers.items()
        ]
        say()
        table(["tier", "hits", "misses"], rows)


def describe(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    options: dict[str, Any] | None = None,
) -> str:
    """A call as one would write it: `callers(json, open)`, `json.outline()`, `Longest.top(json)`."""
    words = [str(argument) for argument in arguments]
    words += [f"{name}={value}" for name, value in (options or {}).items()]
    owner = getattr(function, "__self__", None)
    before = "" if owner is None else f"{getattr(owner, '__name__', owner)}."
    return f"{before}{function.__name__}({', '.join(words)})"


def say(text: str = "") -> None:
    """Print at once, so that two processes' lines come in order where stdout is a pipe."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Print what the next lines are about."""
    say()
    say(text)


def line_width() -> int:
    """The terminal's width in characters, or what is still easily read."""
    return min(110, shutil.get_terminal_size().columns) - 1


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Each item in turn, under a bar that fills; where stdout is no terminal, a line when done."""
    begin = time.perf_counter()
    bar = 30
    for number, item in enumerate(items):
        if sys.stdout.isatty():
            done = bar * number // len(items)
            line = f"  {label:<13} [{'#' * done}{'.' * (bar - done)}] {number}/{len(items)} {item}"
            print("\r" + line[: line_width()].ljust(line_width()), end="", flush=True)
        yield item
    if sys.stdout.isatty():
        print("\r" + " " * line_width(), end="\r")
    say(f"  {label:<13} {len(items)} packages in {duration(time.perf_counter() - begin)}")


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print rows under their columns; the first column to the left, figures to the right."""
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, ["-" * width for width in widths], *rows):
        first, *others = (
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        say("  ".join(["", first, *others]))
