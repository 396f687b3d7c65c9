"""`manage.py quickcache`: decorated functions, what is cached of them, and how to forget it."""

from __future__ import annotations

import argparse
import ast
import difflib
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.core.cache import InvalidCacheBackendError, caches
from django.core.management.base import BaseCommand, CommandError

from .... import _errors, _native, _registry
from ...._config import stats
from ... import _coherence
from ..._backends import _Backend
from ..._report import import_urls, parts_of, shown_life, shown_vary_on, tiers_of_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...._registry import Entry
    from ..._report import Tier

HELP = {
    "list": "the decorated functions, with what they vary on and their tiers",
    "stats": "what functions and caches have counted in this process, and whether servers answer",
    "get": "what is cached for these arguments, and in which tier",
    "clear": "forget what is cached for these arguments; or all of one alias",
}
FAILURES = ("errors", "timeouts", "rejections", "deletes_queued", "deletes_lost")
MEMORY = "memory is each process's own: this command has just begun, and does not see that of your servers"


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """The command. `handle` does nothing but to choose one of the methods that have the names of actions."""

    help = (
        "Look at decorated functions and at what is cached of them. A function goes by its module and name, "
        "as in shop.prices.price or shop.models.Basket.total."
    )
    requires_system_checks = ()  # it is there to find out what is wrong

    def add_arguments(self, parser: Any) -> None:
        """Have a parser for each action."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="{list,stats,get,clear}")
        added = {name: actions.add_parser(name, help=text, description=text) for name, text in HELP.items()}
        for one in added.values():
            _take_options_of_django(one)
            one.add_argument(
                "--import",
                action="append",
                default=[],
                dest="modules",
                metavar="MODULE",
                help="import this module first. Functions are known once they are decorated; the models of "
                "your project, and what its URLs lead to, are imported in any case",
            )
        added["list"].add_argument(
            "filter", nargs="?", default="", help="only those with this text in their path"
        )
        added["stats"].add_argument("path", nargs="?", help="one function; all if left out")
        for name in ("get", "clear"):
            optional = "?" if name == "clear" else None
            added[name].add_argument("path", nargs=optional, help="module and name of a function")
            added[name].add_argument(
                "args",
                nargs="*",
                metavar="argument",
                help="an argument of the call, as a literal of Python: 7, None, '[1, 2]'. All else is text",
            )
            added[name].add_argument(
                "--kwarg",
                action="append",
                default=[],
                dest="kwargs",
                metavar="NAME=VALUE",
                help="an argument by name; may be given several times",
            )
        added["clear"].add_argument(
            "--alias", help="instead of a function: clear all of this alias of CACHES"
        )
        added["clear"].add_argument(
            "--no-input",
            action="store_false",
            dest="asks",
            help="do not ask before all of an alias is cleared",
        )

    def handle(self, *args: str, **options: Any) -> None:
        """Do what was asked for."""
        self._import(options["modules"])
        action: Callable[..., None] = getattr(self, f"_{options['action']}")
        action(args, options)

    def _import(self, modules: list[str]) -> None:
        for module in modules:
            try:
                import_module(module)
            except ImportError as error:
                raise CommandError(f"--import {module}: {error}") from error
            except Exception as error:
                raise CommandError(f"--import {module}: {_named_error(error)}") from error
        problem = import_urls()
        if problem is not None:
            self.stderr.write(f"The URLs cannot be imported, and functions may be missing: {problem}")

    def _head(self, text: str) -> None:
        style: Any = self.style
        self.stdout.write(style.MIGRATE_HEADING(text))

    def _list(self, _: Any, options: dict[str, Any]) -> None:
        wanted = options["filter"]
        found = {entry.path: entry for entry in _registry.entries() if wanted in entry.path}
        for path in sorted(found):
            helper = found[path].helper
            self._head(path)
            self.stdout.write(f"  key       quickcache.{helper.prefix}/...")
            self.stdout.write(f"  varies on {shown_vary_on(helper)}")
            skip = getattr(helper, "skip_arg", None)
            if skip is not None:
                self.stdout.write(f"  skip      {skip if isinstance(skip, str) else _native._shown(skip)}")
            tiers = [f"{tier.name} {shown_life(tier.life)}" for tier in tiers_of_helper(helper)]
            self.stdout.write(f"  tiers     {', then '.join(tiers) or 'none'}")
        count = len(found)
        which = f" with {wanted!r} in their path" if wanted else ""
        self.stdout.write(f"{count} decorated function{'' if count == 1 else 's'}{which}")
        if not count:
            self.stdout.write("Functions are known once their module is imported: --import MODULE")

    def _stats(self, _: Any, options: dict[str, Any]) -> None:
        path = options["path"]
        entries = [self._entry(path)] if path else sorted(_registry.entries(), key=lambda entry: entry.path)
        self.stdout.write(
            "Counted in this process alone, since it began. For those of a server's process, call "
            "quickcache.stats(function) and caches[alias].stats() in it."
        )
        for entry in entries:
            self._head(entry.path)
            self.stdout.write(f"  {_counted(stats(entry.function))}")
            kept_true = _kept_true(entry.helper)
            if kept_true:
                self.stdout.write(f"  coherence {kept_true}")
        stores: dict[int, tuple[str, Any]] = {}
        for entry in entries:
            for tier in tiers_of_helper(entry.helper):
                stores.setdefault(id(tier.backend), (tier.name, tier.backend))
        for alias in () if path else caches:
            backend = _of_ours(alias)
            if backend is not None:
                stores.setdefault(id(backend), (alias, backend))
        for name, backend in stores.values():
            self._head(name)
            for line in _lines_of_store(backend):
                self.stdout.write(f"  {line}")

    def _get(self, args: tuple[str, ...], options: dict[str, Any]) -> None:
        entry = self._entry(options["path"])
        values, named = _arguments(args, options["kwargs"])
        key = self._key(entry, values, named)
        self.stdout.write(f"key {key}")
        has_memory = False
        silent: list[str] = []
        for tier in tiers_of_helper(entry.helper):
            servers = _Servers(tier.backend)
            value = _asked(tier, key)
            text = "nothing" if value is Ellipsis else _native._shown(value)
            if value is Ellipsis and (reason := servers.why_nothing_was_read(key)):
                text = "no answer"
                silent.append(f"the server of {tier.name}: {reason}")
            self.stdout.write(f"{tier.name}: {text}")
            has_memory = has_memory or any(is_memory for _, is_memory in parts_of(tier))
        if has_memory:
            self.stdout.write(f"({MEMORY})")
        if silent:
            raise CommandError(f"no answer from {'; '.join(silent)}")

    def _clear(self, args: tuple[str, ...], options: dict[str, Any]) -> None:
        alias, path = options["alias"], options["path"]
        if (alias is None) == (path is None):
            given = f"both {path} and --alias {alias}" if path else "neither"
            raise CommandError(f"clear takes the path of a function, or --alias ALIAS; {given} was given")
        if alias is not None:
            self._clear_alias(alias, asks=options["asks"])
            return
        entry = self._entry(path)
        values, named = _arguments(args, options["kwargs"])
        key = self._key(entry, values, named)
        tiers = tiers_of_helper(entry.helper)
        servers = [(tier, _Servers(tier.backend)) for tier in tiers]
        try:
            entry.helper.clear(*values, **named)
        except Exception as error:
            names = ", ".join(tier.name for tier, one in servers if one.failed())
            where = f" in {names}" if names else ""
            raise CommandError(f"{key} cannot be cleared{where}: {_named_error(error)}") from error
        failed = [(tier, one.failed()) for tier, one in servers]
        tiers = [tier for tier, cache in failed if cache is None]
        if tiers or not failed:
            self.stdout.write(f"cleared {key} in {', '.join(tier.name for tier in tiers) or 'no tier'}")
        for tier in tiers:
            if any(is_memory for _, is_memory in parts_of(tier)):
                took = len(tiers) == len(failed)
                self.stdout.write(f"({_others_memory(entry.helper, tier, took=took)})")
        reasons = [
            f"the server of {tier.name} did not take it: {_reason(cache, lambda asked: asked.delete(key))}"
            for tier, cache in failed
            if cache is not None
        ]
        if reasons:
            raise CommandError(f"{key} was not cleared: {'; '.join(reasons)}")

    def _clear_alias(self, alias: str, *, asks: bool) -> None:
        try:
            cache = caches[alias]
        except InvalidCacheBackendError as error:
            raise CommandError(
                f"there is no alias {alias!r} in CACHES, only {', '.join(map(repr, caches))}"
            ) from error
        shown = repr(getattr(cache, "_store", cache))
        self.stdout.write(
            f"All of {alias!r} is going to be cleared, sessions and other aliases there included: {shown}"
        )
        if asks:
            try:
                answer = input(f"Type {alias} to go on: ")
            except EOFError:
                answer = ""
            if answer.strip() != alias:
                raise CommandError("nothing was cleared. To clear without being asked, give --no-input")
        servers = _Servers(cache)
        try:
            cache.clear()
        except Exception as error:
            raise CommandError(f"{alias!r} cannot be cleared: {_named_error(error)}") from error
        failed = servers.failed()
        if failed:
            reason = _reason(failed, lambda asked: asked.clear())
            raise CommandError(f"{alias!r} was not cleared: the server of {alias} did not take it: {reason}")
        self.stdout.write(f"cleared {alias!r}")

    def _entry(self, path: str) -> Entry:
        """The function of this path, whose module is imported for it."""
        found = [entry for entry in _registry.entries() if entry.path == path]
        if not found:
            found = [entry for entry in map(_registry.entry_of, _named(path)) if entry is not None]
            found += [entry for entry in _registry.entries() if entry.path == path]
        if found:
            return found[-1]  # that which was decorated last, as by a module that was imported anew
        close = difflib.get_close_matches(
            path, {entry.path for entry in _registry.entries()}, n=3, cutoff=0.5
        )
        hint = (
            f"did you mean {' or '.join(close)}?"
            if close
            else "`manage.py quickcache list` shows those there are"
        )
        raise CommandError(f"there is no decorated function {path!r}: {hint}")

    def _key(self, entry: Entry, args: list[Any], kwargs: dict[str, Any]) -> str:
        try:
            key: str = entry.helper.get_cache_key(*args, **kwargs)
        except Exception as error:
            shown = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
            raise CommandError(
                f"no key can be made of ({shown}): {error or type(error).__name__}. "
                f"{entry.path} varies on {shown_vary_on(entry.helper)}"
            ) from error
        return key


class _Servers:
    """Our caches on servers that a backend is made of, and how often they had failed before.

    A cache that has its errors counted, and not raised, does not tell otherwise. A delete that could not be
    delivered is to be sent later, but this process ends now.
    """

    def __init__(self, backend: Any) -> None:
        self._before = [(cache, self._failures(cache)) for cache in _remotes(backend)]

    def failed(self) -> _native.RedisCache | None:
        """One that has failed since."""
        for cache, before in self._before:
            if any(now > then for then, now in zip(before, self._failures(cache), strict=True)):
                return cache
        return None

    def why_nothing_was_read(self, key: str) -> str | None:
        """Why there was no answer; None if there is nothing to be read."""
        failed = self.failed()
        if failed:
            return _reason(failed, lambda cache: cache.get(key))
        for cache, _ in self._before:
            try:
                cache.ping()  # one that asks no more until its server is back does not count what it reads
            except _errors.CacheUnavailableError as error:
                return str(error)
        return None

    @staticmethod
    def _failures(cache: _native.RedisCache) -> list[int]:
        counts: Any = cache.stats()
        return [counts[name] for name in FAILURES]


def _remotes(backend: Any) -> list[_native.RedisCache]:
    store = getattr(backend, "_store", backend)
    caches_of_store = getattr(store, "caches", [store])
    return [cache for cache in caches_of_store if isinstance(cache, _native.RedisCache)]


def _reason(failed: _native.RedisCache, ask: Callable[[_native.RedisCache], Any]) -> str:
    """Why a server does not do something: what a cache says that raises, where this one only counts."""
    arguments, options = failed.__getnewargs_ex__()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they came with the first
            ask(_native.RedisCache(*arguments, **{**options, "on_error": "raise"}))
    except _errors.CacheUnavailableError as error:
        return str(error)
    return "asked once more, it did; give the command again"


def _named_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _take_options_of_django(parser: Any) -> None:
    """Let Django's own options stand behind the action too."""
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(name, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    verbosity = {"type": int, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    parser.add_argument("-v", "--verbosity", **verbosity)


def _named(path: str) -> Iterator[Any]:
    """What a dotted path leads to, however many of its parts are modules."""
    parts = path.split(".")
    if not all(parts):
        return
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            found: Any = import_module(module)
        except ImportError:
            continue
        except Exception as error:
            raise CommandError(f"{module} cannot be imported: {_named_error(error)}") from error
        with suppress(AttributeError):
            for part in parts[length:]:
                found = getattr(found, part)
            yield getattr(found, "fget", found)


def _arguments(given: tuple[str, ...], named: list[str]) -> tuple[list[Any], dict[str, Any]]:
    kwargs = {}
    for text in named:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise CommandError(f"--kwarg takes NAME=VALUE, such as --kwarg year=2026, not {text!r}")
        kwargs[name] = _value(value)
    return [_value(text) for text in given], kwargs


def _value(text: str) -> Any:
    """The literal, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _asked(tier: Tier, key: str) -> Any:
    try:
        return tier.cache.get(key, default=Ellipsis)
    except Exception as error:
        raise CommandError(f"{tier.name} cannot be asked: {_named_error(error)}") from error


def _of_ours(alias: str) -> Any:
    """The backend behind an alias, if it is one of this package and can be made: checks tell if it cannot."""
    try:
        backend = caches[alias]
    except Exception:  # noqa: BLE001  whatever is in the settings
        return None
    return backend if isinstance(backend, _Backend) else None


def _lines_of_store(backend: Any) -> Iterator[str]:
    if backend is None:
        yield "is not in CACHES"
        return
    has_counts = isinstance(backend, (_Backend, _native.MemoryCache, _native.RedisCache))
    counted: Any = backend.stats() if has_counts else {}
    if not counted:
        yield f"{type(backend).__name__} counts nothing"
    elif any(isinstance(value, dict) for value in counted.values()):
        for name, part in counted.items():
            text = _coherence.shown(backend._store, None) if name == "coherence" else _counted(part)
            yield f"{name}: {text}"
    else:
        yield _counted(counted)
    for cache in _remotes(backend):
        try:
            yield f"the server answers in {cache.ping() * 1_000:.1f} ms"
        except _errors.CacheUnavailableError as error:
            yield f"the server does not answer: {error}"


def _kept_true(helper: Any) -> str | None:
    """How a function's memory is kept true, in words."""
    try:
        return _coherence.shown(helper.cache, _coherence.KEY)
    except Exception:  # noqa: BLE001  a helper of another kind may have a cache of another kind, or none
        return None


def _others_memory(helper: Any, tier: Tier, *, took: bool) -> str:
    """What becomes of a value in the memory of other processes, if the server took the clear."""
    mode = _native._coherence_stats(helper.cache)["coherence"]
    if mode != "off" and took:
        return f"other processes are told, and forget it: {tier.name}, coherence='{mode}'"
    return f"other processes keep what they have in memory: {tier.name} {shown_life(tier.life)}"


def _counted(counts: Any) -> str:
    found = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(found) or "nothing yet"
