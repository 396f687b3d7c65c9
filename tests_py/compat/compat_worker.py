"""One side of the comparison: runs what it is told against whichever quickcache it can import.

Reads pickled (command, argument) pairs from its standard input and answers on its standard output,
each message after its length in 8 bytes. The same program runs for both sides.
"""

import faulthandler
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from compat_case import Case

# A command that takes longer hangs: show where, and end.
HANGING = 60.0


def main() -> None:
    # What a scenario prints must not end up among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    commands = load()
    while (request := receive(sys.stdin.buffer)) is not None:
        command, argument = request
        faulthandler.dump_traceback_later(HANGING, exit=True)
        try:
            answer = ("done", commands[command](argument))
        except Exception:
            answer = ("failed", traceback.format_exc())
        faulthandler.cancel_dump_traceback_later()
        send(answers, answer)


def load() -> dict[str, Callable[[Any], Any]]:
    """The commands, with all scenarios imported."""
    import compat_generated
    import compat_probe
    import compat_scenarios

    import quickcache

    for file in sorted(Path(compat_scenarios.__path__[0]).glob("[a-z]*.py")):
        import_module(f"compat_scenarios.{file.stem}")

    def scenario(argument: tuple[str, bool]) -> list[Case]:
        name, debug = argument
        with compat_probe.recording(debug) as probe:
            compat_probe.SCENARIOS[name](probe)
            return probe.finish()

    return {
        "about": lambda _: (getattr(quickcache, "__version__", None), quickcache.__file__),
        "names": lambda _: sorted(compat_probe.SCENARIOS),
        "scenario": scenario,
        "keys": compat_generated.keys,
        "signatures": compat_generated.signatures,
        "programs": compat_generated.programs,
    }


def send(stream: IO[bytes], message: object) -> None:
    """Write one message."""
    body = pickle.dumps(message)
    stream.write(len(body).to_bytes(8, "big") + body)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; None at the end."""
    head = stream.read(8)
    return pickle.loads(stream.read(int.from_bytes(head, "big"))) if head else None


if __name__ == "__main__":
    main()
