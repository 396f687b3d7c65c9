"""What a scenario records with: every outcome as text that can be compared across processes."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from compat_case import Case

import quickcache
from quickcache.logger import logger

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}|(?<=id=')\d+(?=')")
# The modules that define the public names are private here; the import paths of 0.5 re-export them.
_HOME = re.compile(r"\bquickcache\.(?:_?[a-z][a-z_]*\.)+(?=[A-Z])")

# The function that `set_cached_value(...)` carries has no public name.
_TO = re.compile(r"(?<=set_cached_value\.<locals>\.)[\w<>]+")


def scrub(text: str) -> str:
    """`text` without addresses, which differ from process to process, and without private names."""
    return _TO.sub("to", _HOME.sub("quickcache.", _ADDRESS.sub("0x...", text)))


def describe(value: object) -> str:
    """The type and the ASCII representation of a value."""
    return scrub(f"{type(value).__name__} {value!a}")


def describe_error(error: BaseException) -> str:
    """Type and arguments of an exception, and its declared cause.

    Not its `__context__`: that tells inside which `except` clause of the implementation it arose.
    """
    because = f" from {type(error.__cause__).__name__}" if error.__cause__ is not None else ""
    return scrub(f"raised {type(error).__name__}: {error.args!a}{because}")


class Probe:
    """Given to each scenario: takes down steps, and what happens between them."""

    def __init__(self) -> None:
        self.steps: list[Case] = []
        self._events: list[str] = []

    def note(self, what: str, *values: object, **named: object) -> None:
        """Take down that `what` happened, with these values."""
        given = [describe(value) for value in values]
        given += [f"{name}={describe(value)}" for name, value in named.items()]
        self._events.append(f"{what}({', '.join(given)})")

    def step(self, label: str, action: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `action` and take down how it ended; its value, or None where it raised."""
        value = None
        try:
            value = action(*args, **kwargs)
            outcome = describe(value)
        except BaseException as error:
            outcome = describe_error(error)
        self._finish(label, outcome)
        return value

    def kind(self, label: str, action: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """As `step`, but of an exception only the type: for texts that are the interpreter's own."""
        try:
            outcome = describe(action(*args, **kwargs))
        except BaseException as error:
            outcome = f"raised {type(error).__name__}"
        self._finish(label, outcome)

    def is_(self, label: str, value: object) -> None:
        """Take down a value."""
        self.step(label, lambda: value)

    def sort(self) -> None:
        """Put what was noted since the last step in order: for events of threads side by side."""
        self._events.sort()

    def forget(self) -> None:
        """Drop what was noted since the last step."""
        self._events.clear()

    def finish(self) -> list[Case]:
        """All steps; what happened after the last one is a step of its own."""
        if self._events:
            self._finish("afterwards", "")
        return self.steps

    def cache(self, name: str = "cache", **kept: Any) -> "RecordingCache":
        """A fresh cache that takes down its calls."""
        return RecordingCache(self, name, kept)

    def memory(self) -> Any:
        """The memory tier of this package; beside 0.5.4, which has none, a dict with the same interface."""
        native = getattr(quickcache, "MemoryCache", None)
        return native(isolate=False) if native else MemoryCache()

    def _finish(self, label: str, outcome: str) -> None:
        self.steps.append(Case(label, tuple(self._events), outcome))
        self._events.clear()


class RecordingCache:
    """A cache in a dict that takes down the exact form of every call."""

    def __init__(self, probe: Probe, name: str, kept: dict[str, Any]) -> None:
        self.probe = probe
        self.name = name
        self.kept = kept

    def get(self, *args: Any, **kwargs: Any) -> Any:
        self.probe.note(f"{self.name}.get", *args, **kwargs)
        return self.kept.get(args[0], *args[1:], *kwargs.values())

    def set(self, *args: Any, **kwargs: Any) -> Any:
        self.probe.note(f"{self.name}.set", *args, **kwargs)
        self.kept[args[0]] = args[1]
        return f"{self.name} has set it"

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        self.probe.note(f"{self.name}.delete", *args, **kwargs)
        return self.kept.pop(args[0], f"{self.name} had none") is not None


class MemoryCache:
    """What stands for the memory tier beside 0.5.4, under the same class name, which debug lines show."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.kept.get(key, default)

    def set(self, key: str, value: Any, timeout: object = None) -> None:
        self.kept[key] = value

    def delete(self, key: str) -> bool:
        return self.kept.pop(key, self) is not self


class _Handler(logging.Handler):
    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.probe = probe

    def emit(self, record: logging.LogRecord) -> None:
        self.probe.note(f"log {record.name} {record.levelname}", record.getMessage())


@contextmanager
def recording(debug: bool) -> Iterator[Probe]:
    """A probe to which warnings and the log records of the package go; logging is restored after."""
    probe = Probe()
    handler = _Handler(probe)
    root = logging.getLogger()
    before = (root.level, logger.propagate, logging.root.manager.disable)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.NOTSET)
    logger.propagate = False

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        probe.note(f"warning {category.__name__}", str(message))

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield probe
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.disabled = False
        root.setLevel(before[0])
        logger.propagate = before[1]
        logging.disable(before[2])


def decorating(vary_on: Any, **configuration: Any) -> Callable[[Any], Any]:
    """A decorator, in one go."""
    decorator: Callable[[Any], Any] = quickcache.get_quickcache(**configuration)(vary_on)
    return decorator


Scenario = Callable[[Probe], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Register a scenario under its name."""
    if function.__name__ in SCENARIOS:
        raise ValueError(f"two scenarios are called {function.__name__}")
    SCENARIOS[function.__name__] = function
    return function
