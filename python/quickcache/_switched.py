"""Helpers of decorated functions as tests want them: off, in a namespace of their own, or counted.

While any of this is wanted, each helper has a class that is made of its own one, and goes before whatever
that overrides. Patches of QuickCacheHelper would not reach what subclasses override, would get mixed up with
the patches of the tests themselves, and would use up the versions of the class (CPython 3.13 has 1,000 for
each), after which calls are slower for good. And whatever stayed in place would slow down what is not tested
with it.
"""

import functools
import secrets
import threading
import types
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

from . import _registry
from ._log import logger


class Off:
    """No call is answered from a cache, and nothing is kept."""


class Namespace:
    """Keys have a text of their own before them. What was kept under these is deleted by `empty`."""

    def __init__(self) -> None:
        self.text = f"test-{secrets.token_hex(6)}:"
        self._kept: dict[tuple[int, int], tuple[Any, Any, set[str]]] = {}

    def key(self, helper: Any, key: object) -> str:
        """The key in this namespace."""
        if not isinstance(key, str):
            raise TypeError(
                f"isolated() puts a text before keys, and {type(helper).__qualname__}.get_cache_key "
                f"returned {type(key).__qualname__}, not str"
            )
        made = self.text + key
        cache = getattr(helper, "__dict__", {}).get("cache")
        place = id(helper), id(cache)
        self._kept.setdefault(place, (helper, cache, set()))[2].add(made)
        return made

    def empty(self) -> None:
        """Delete what was kept. What cannot be deleted stays where nobody will look for it."""
        for helper, cache, keys in list(self._kept.values()):
            try:
                tiers = helper.cache if cache is None else cache
                for key in list(keys):
                    tiers.delete(key)
            except Exception as error:  # noqa: BLE001  a prefix function without its request, a server that is gone
                logger.warning(
                    f"what a test has cached under {self.text}... is left where it is, until its timeout: "
                    f"{type(error).__qualname__}: {error}"
                )
        self._kept.clear()


class Counts(NamedTuple):
    """How many calls of a decorated function were answered, and how."""

    hits: int
    """From a cache, or with what another thread had just computed."""
    misses: int
    """By the function itself, since nothing was cached."""
    skips: int
    """By the function itself, since `skip_arg` said so."""


class Counter:
    """Counts the calls of all decorated functions."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, list[int]]] = {}
        self._counting = threading.Lock()

    def note(self, call: "_Call") -> None:
        """Count a call that has ended."""
        if call.is_wrong:
            return
        place = 0 if not call.computes else 2 if call.skips else 1
        with self._counting:
            self._found.setdefault(id(call.helper), (call.helper, [0, 0, 0]))[1][place] += 1

    def counts_of(self, helper: Any) -> Counts:
        """Those of one function."""
        found = self._found.get(id(helper))
        return Counts(*found[1]) if found else Counts(0, 0, 0)

    def helpers(self) -> list[Any]:
        """Whose functions were called."""
        return [helper for helper, _ in list(self._found.values())]


Mode = Off | Namespace | Counter

# Replaced as a whole, so that a call sees one state.
_modes: tuple[Mode, ...] = ()
_switching = threading.RLock()
_own_class: dict[type, type] = {}  # by the class that was made of it
_made_class: dict[type, type] = {}


def enter(mode: Mode) -> None:
    """Have all decorated functions of this process follow `mode` too, also those that are yet to come."""
    global _modes  # noqa: PLW0603
    with _switching:
        _modes = (*_modes, mode)
        try:
            if len(_modes) == 1:
                _registry.listener = _switch
                for entry in _registry.entries():
                    _switch(entry)
        except BaseException:
            leave(mode)
            raise


def leave(mode: Mode) -> None:
    """Have no function follow `mode` any more, in whatever order they were entered."""
    global _modes  # noqa: PLW0603
    with _switching:
        _modes = tuple(other for other in _modes if other is not mode)
        if not _modes:
            _registry.listener = None
            for entry in _registry.entries():
                own = _own_class.get(entry.helper.__class__)
                if own is not None:
                    entry.helper.__class__ = own
            _own_class.clear()
            _made_class.clear()
    if isinstance(mode, Namespace):
        mode.empty()


def _switch(entry: _registry.Entry) -> None:
    own = entry.helper.__class__
    if own in _own_class:
        return
    try:
        made = _made_class.get(own)
        if made is None:
            made = _made_class[own] = _make(own)
            _own_class[made] = own
        entry.helper.__class__ = made
    except TypeError as error:
        error.add_note(f"{entry.path} has a helper that the helpers for tests cannot switch")
        raise


def _make(own: type) -> type:
    def __call__(self: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return _called(own, self, args, kwargs)

    namespace = {
        "__slots__": (),
        "__module__": own.__module__,
        "__qualname__": own.__qualname__,
        "__call__": __call__,
        "fn": _Switched(own, "fn", _function),
        "cache": _Switched(own, "cache", _cache),
        "skip": _Switched(own, "skip", _skip),
        "get_cache_key": _Switched(own, "get_cache_key", _get_cache_key),
    }
    return types.new_class(own.__name__, (own,), exec_body=lambda body: body.update(namespace))


class _Switched:
    """An attribute of helpers as it is for now. It goes before what lies in a helper's `__dict__`."""

    def __init__(self, own: type, name: str, seen: Callable[[Any, Any], Any]) -> None:
        self._own = own
        self._name = name
        self._seen = seen

    def _of_class(self) -> Any:
        for cls in self._own.__mro__:
            if self._name in vars(cls):
                return vars(cls)[self._name]
        return None

    def __get__(self, helper: Any, owner: type | None = None) -> Any:
        if helper is None:
            return getattr(self._own, self._name)
        return self._seen(helper, self._real(helper))

    def _real(self, helper: Any) -> Any:
        """What the helper has without us."""
        inherited = self._of_class()
        if not _has(inherited, "__set__"):
            attributes = getattr(helper, "__dict__", {})
            if self._name in attributes:
                return attributes[self._name]
        if inherited is None:
            raise AttributeError(f"{self._own.__name__!r} object has no attribute {self._name!r}")
        return inherited.__get__(helper, self._own) if _has(inherited, "__get__") else inherited

    def __set__(self, helper: Any, value: Any) -> None:
        inherited = self._of_class()
        if _has(inherited, "__set__"):
            inherited.__set__(helper, value)
        else:
            helper.__dict__[self._name] = value

    def __delete__(self, helper: Any) -> None:
        inherited = self._of_class()
        if _has(inherited, "__delete__"):
            inherited.__delete__(helper)
        elif self._name in helper.__dict__:
            del helper.__dict__[self._name]
        else:
            raise AttributeError(self._name)


def _has(attribute: object, name: str) -> bool:
    return hasattr(type(attribute), name)


class _Call:
    """One call of a decorated function, on its way."""

    def __init__(self, helper: Any) -> None:
        self.helper = helper
        self.skips = False
        self.computes = False
        self.is_wrong = False  # it ended before anything was looked for


class _Thread(threading.local):
    """The calls that are on their way in a thread, the innermost last; None where arguments are read."""

    def __init__(self) -> None:
        self.calls: list[_Call | None] = []

    def call_of(self, helper: Any) -> _Call | None:
        """The call of this helper that is the innermost of all."""
        call = self.calls[-1] if self.calls else None
        return call if call is not None and call.helper is helper else None

    @contextmanager
    def reading(self) -> Generator[None]:
        """Whoever asks for the function now wants to know its parameters."""
        self.calls.append(None)
        try:
            yield
        finally:
            self.calls.pop()


_thread = _Thread()


def _called(own: type, helper: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    counters = [mode for mode in _modes if isinstance(mode, Counter)]
    call = _Call(helper)
    _thread.calls.append(call if counters else None)
    try:
        answer = helper.fn if _is_off() else functools.partial(own.__call__, helper)
        result = answer(*args, **kwargs)
    except BaseException:
        call.is_wrong = not call.computes
        raise
    finally:
        _thread.calls.pop()
        for counter in counters:
            counter.note(call)
    return result


def _is_off() -> bool:
    """Whether that was wanted last, of this and a namespace."""
    return next((isinstance(mode, Off) for mode in reversed(_modes) if not isinstance(mode, Counter)), False)


def _function(helper: Any, real: Any) -> Any:
    call = _thread.call_of(helper)
    if call is None:
        return real

    @functools.wraps(real)
    def function(*args: Any, **kwargs: Any) -> Any:
        call.computes = True
        return real(*args, **kwargs)

    return function


def _cache(_helper: Any, real: Any) -> Any:
    return _Nothing(real) if _is_off() else real


class _Nothing:
    """Has nothing and keeps nothing. A delete goes on to the cache: what is in there is out of date."""

    def __init__(self, real: Any) -> None:
        self.delete = real.delete

    def get(self, _key: str, default: Any = None) -> Any:
        return default

    def set(self, key: str, value: Any, timeout: Any = None) -> None:
        pass


def _skip(helper: Any, real: Any) -> Any:
    def skip(*args: Any, **kwargs: Any) -> Any:
        call = _thread.call_of(helper)
        with _thread.reading():
            skips = real(*args, **kwargs)
        if call is not None:
            call.skips = bool(skips)
        return skips

    return skip


def _get_cache_key(helper: Any, real: Any) -> Any:
    def get_cache_key(*args: Any, **kwargs: Any) -> Any:
        with _thread.reading():
            key = real(*args, **kwargs)
        namespaces = [mode for mode in _modes if isinstance(mode, Namespace)]
        return namespaces[-1].key(helper, key) if namespaces else key

    return get_cache_key
