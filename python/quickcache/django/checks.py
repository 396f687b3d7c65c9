"""System checks of settings.CACHES, and of the caches that decorated functions name.

None of them raises, whatever the settings are. None connects to a server, but for those of `check --deploy`.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.checks import CheckMessage, Error, Info, Warning  # noqa: A004
from django.utils.module_loading import import_string

from .. import _native, _registry
from .._errors import CacheUnavailableError
from . import _coherence
from ._backends import MemoryCache, RedisCache, TieredCache, _Backend
from ._entries import (
    are_in_one_store,
    entries_of,
    is_pickle,
    of_django,
    options_of,
    server_of,
    unreadable,
)
from ._report import import_urls, seconds, shown_life, tiers_of_helper
from ._servers import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._report import Tier

CACHES_WITHOUT_DJANGO = {
    f"quickcache.{kind.__name__}": f"quickcache.django.{kind.__name__}"
    for kind in (MemoryCache, RedisCache, TieredCache)
}


def check_caches(**_options: Any) -> list[CheckMessage]:
    """All checks of this package."""
    problem = import_urls()  # what else is wrong with them is told by Django
    configs = _configs()
    backends, messages = _opened(configs)
    functions = [(entry.path, tiers_of_helper(entry.helper)) for entry in _registry.entries()]
    return [
        *messages,
        *_aliases_that_urls_stop_at(problem),
        *_aliases_that_are_missing(configs, functions),
        *_memory_that_lives_longer(backends, functions),
        *_pickles_that_others_can_write(backends, functions),
        *_entries_in_common(configs, backends),
        *_memory_that_hears_nothing(configs, backends),
    ]


def check_servers(**_options: Any) -> list[CheckMessage]:
    """What servers have to be asked for: whether they are there, take the login, and keep memory true."""
    import_urls()
    configs = _configs()
    backends, _ = _opened(configs)
    all_kept = [kept for kept in _kept_true(configs, backends) if kept.problem is None]
    failures = _failures(backends, all_kept)
    answering = [kept for kept in all_kept if id(kept.server) not in failures]
    return [*_servers_that_fail(failures), *_servers_that_tell_nothing(answering)]


def _configs() -> dict[str, dict[str, Any]]:
    """The aliases of the settings, and what is said of each, if it is said by a dict."""
    given = getattr(settings, "CACHES", None)
    configs = given.items() if isinstance(given, dict) else ()
    return {alias: config for alias, config in configs if isinstance(config, dict)}


def _names(config: dict[str, Any]) -> list[Any]:
    """The aliases that a TieredCache is made of."""
    options = config.get("OPTIONS")
    names = options.get("TIERS", ()) if isinstance(options, dict) else ()
    return list(names) if isinstance(names, (list, tuple)) else []


def _opened(configs: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], list[CheckMessage]]:
    """The backends of ours, and what is wrong with those that cannot be made."""
    backends: dict[str, Any] = {}
    messages: list[CheckMessage] = []
    for alias, config in configs.items():
        if any(name not in configs for name in _names(config)):
            continue  # of which there is a message of its own
        if config.get("BACKEND") in CACHES_WITHOUT_DJANGO:
            messages.append(_not_of_django(alias, config["BACKEND"]))
            continue
        try:
            if _is_ours(config.get("BACKEND")):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # they come when the cache is used
                    backends[alias] = caches.create_connection(alias)
        except Exception as error:  # noqa: BLE001  whatever is in the settings
            messages.append(_not_made(alias, config["BACKEND"], error))
    return backends, messages


def _not_of_django(alias: str, backend: str) -> CheckMessage:
    return Error(
        f"{backend} is no backend for CACHES: did you mean {CACHES_WITHOUT_DJANGO[backend]}?",
        hint="That without `.django` is a cache for functions. The first use of this alias will raise.",
        obj=f"CACHES[{alias!r}]",
        id="quickcache.E006",
    )


def _is_ours(backend: Any) -> bool:
    """Whether a backend is of this package, or a subclass. Raises what the import of one of these does."""
    if not isinstance(backend, str):
        return False
    try:
        kind = import_string(backend)
    except Exception:
        if backend.startswith("quickcache."):
            raise
        return False
    return isinstance(kind, type) and issubclass(kind, _Backend)


def _not_made(alias: str, backend: str, error: Exception) -> CheckMessage:
    return Error(
        f"{backend} cannot be made of these settings: {error or type(error).__qualname__}",
        hint="The first use of this alias will raise this. Correct LOCATION or OPTIONS.",
        obj=f"CACHES[{alias!r}]",
        id="quickcache.E006",
    )


def _aliases_that_urls_stop_at(problem: BaseException | None) -> Iterator[CheckMessage]:
    """A decorator that names a missing alias raises: its module is never imported, its function not known."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        if isinstance(problem, InvalidCacheBackendError):
            yield Error(
                f"The project's URLs cannot be imported: {problem}",
                hint="Add the alias to CACHES, or have the decorator name another. "
                "`manage.py check` without the tag shows where that is.",
                id="quickcache.E001",
            )
            return
        seen.add(id(problem))
        problem = problem.__cause__ or problem.__context__


def _aliases_that_are_missing(
    configs: dict[str, dict[str, Any]], functions: list[tuple[str, list[Tier]]]
) -> Iterator[CheckMessage]:
    for alias, config in configs.items():
        for name in _names(config):
            if name not in configs:
                yield Error(
                    f"TIERS names the alias {name!r}, which is not in CACHES.",
                    hint=f"Add {name!r} to CACHES, or name one of {', '.join(map(repr, configs))}.",
                    obj=f"CACHES[{alias!r}]",
                    id="quickcache.E001",
                )
    users = defaultdict(list)
    for path, tiers in functions:
        for tier in tiers:
            if tier.alias is not None and tier.alias not in configs:
                users[tier.alias].append(path)
    for alias, paths in users.items():
        yield Error(
            f"{_listed(paths)} cached in the alias {alias!r}, which is not in CACHES.",
            hint=f"Add {alias!r} to CACHES: calls will raise InvalidCacheBackendError.",
            id="quickcache.E001",
        )


def _memory_that_lives_longer(
    backends: dict[str, Any], functions: list[tuple[str, list[Tier]]]
) -> Iterator[CheckMessage]:
    hint = (
        "A value is to live no longer in memory than on the server. Where memory is not kept true to that "
        "(coherence), have it keep values for as long as they may be out of date, which is a few seconds in "
        "most cases: {setting}."
    )
    for alias, backend in backends.items():
        if isinstance(backend, TieredCache):
            upper, lower = seconds(backend._store.caches[0].timeout), seconds(backend.default_timeout)
            if _is_longer(upper, lower):
                yield Warning(
                    f"Memory keeps values {shown_life(upper)}, and the server {shown_life(lower)}.",
                    hint=hint.format(setting="the first TIMEOUT of TIERS, or memoize_timeout in OPTIONS"),
                    obj=f"CACHES[{alias!r}]",
                    id="quickcache.W002",
                )
    users = defaultdict(list)
    for path, tiers in functions:
        if len(tiers) > 1 and tiers[0].is_memory and _is_longer(tiers[0].life, tiers[-1].life):
            users[tiers[0].life, tiers[-1].life].append(path)
    for (upper, lower), paths in users.items():
        yield Warning(
            f"{_listed(paths)} kept in memory {shown_life(upper)}, "
            f"and in the shared cache {shown_life(lower)}.",
            hint=hint.format(setting="memoize_timeout of the decorator"),
            id="quickcache.W002",
        )


def _is_longer(upper: Any, lower: Any) -> bool:
    if upper is Ellipsis or lower is Ellipsis or lower is None:
        return False
    return upper is None or upper > lower


def _pickles_that_others_can_write(
    backends: dict[str, Any], functions: list[tuple[str, list[Tier]]]
) -> Iterator[CheckMessage]:
    found = {}
    for alias, backend in backends.items():
        if isinstance(backend, RedisCache | TieredCache):
            found[id(server_of(backend))] = f"CACHES[{alias!r}]", server_of(backend)
    for path, tiers in functions:
        for tier in tiers:
            if isinstance(tier.within, _native.RedisCache):
                found.setdefault(id(tier.within), (path, tier.within))
    for where, cache in found.values():
        place, options = place_of(cache), options_of(cache)
        if (
            place.is_remote
            and not place.is_encrypted
            and is_pickle(options)
            and not options.get("signing_keys")
        ):
            yield Info(
                f"Values at {place.text} are pickles without a signature, by a connection without TLS: "
                "whoever can write there, or sits in between, can run code in this process.",
                hint="Sign them (signing_keys), store what runs no code (serializer 'json' or 'msgpack': "
                "plain data, so not for cache_page and the cache middleware), or encrypt the way "
                "(rediss://), which keeps out those in between alone.",
                obj=where,
                id="quickcache.I003",
            )


def _entries_in_common(
    configs: dict[str, dict[str, Any]], backends: dict[str, Any]
) -> Iterator[CheckMessage]:
    entries = {alias: entries_of(backend) for alias, backend in backends.items()}
    others = {alias: entries_of(backend) for alias, backend in of_django(configs).items()}
    for (one, first), (other, second) in combinations({**entries, **others}.items(), 2):
        if one in others and other in others:
            continue
        if one in _names(configs[other]) or other in _names(configs[one]):
            continue  # which is what TIERS is for
        if not are_in_one_store(first, second):
            continue
        both = f"CACHES[{one!r}] and CACHES[{other!r}]"
        if first.keys == second.keys:
            yield Warning(
                f"They have the same entries: one server and database, or memory, KEY_PREFIX and VERSION."
                f"{unreadable(first, second)}",
                hint="Give one of them another KEY_PREFIX, or another LOCATION.",
                obj=both,
                id="quickcache.W004",
            )
        elif first.prefix == second.prefix:
            yield Info(
                "They are in one database, or memory: clear() of either empties both, "
                "as it does with Django's own backends.",
                hint="Give one of them a database or a LOCATION of its own, if that matters.",
                obj=both,
                id="quickcache.I005",
            )
        elif first.prefix.startswith(second.prefix) or second.prefix.startswith(first.prefix):
            emptying, emptied = (one, other) if len(first.prefix) < len(second.prefix) else (other, one)
            yield Info(
                f"They are in one database: clear() of {emptying!r} empties {emptied!r} too, since the "
                "key_prefix of that begins with its own.",
                hint="Give one of them a database of its own, or both a key_prefix that does not begin with "
                "the other's, if that matters.",
                obj=both,
                id="quickcache.I005",
            )


def _kept_true(configs: dict[str, dict[str, Any]], backends: dict[str, Any]) -> list[_coherence.Kept]:
    """Memory before servers that is to be kept true, by whatever is said or by default."""
    found = []
    for alias, backend in backends.items():
        if isinstance(backend, TieredCache):
            options = configs[alias].get("OPTIONS") or {}
            where = f"CACHES[{alias!r}]"
            found.append(_coherence.of_backend(where, backend, options.get("coherence")))
    for entry in _registry.entries():
        try:
            kept = _coherence.of_function(entry.path, entry.helper.cache)
        except Exception:  # noqa: BLE001, S112  a helper of another kind may have a cache of another kind, or none
            continue
        if kept is not None:
            found.append(kept)
    return [kept for kept in found if kept.wanted != "off"]


def _memory_that_hears_nothing(
    configs: dict[str, dict[str, Any]], backends: dict[str, Any]
) -> Iterator[CheckMessage]:
    users = defaultdict(list)
    for kept in _kept_true(configs, backends):
        if kept.problem is not None:
            users[kept.problem].append(kept.where)
    for problem, places in users.items():
        yield Warning(
            f"Memory is not kept true to the server, since {problem}.",
            hint="After a clear, other processes keep the old value for as long as memory keeps it. Change "
            "that, or say coherence='off' and have memory keep values only for as long as they may be old.",
            obj=_named(places),
            id="quickcache.W007",
        )


class _Failure(NamedTuple):
    server: _native.RedisCache
    error: CacheUnavailableError | None
    users: list[str]


def _failures(backends: dict[str, Any], all_kept: list[_coherence.Kept]) -> dict[int, _Failure]:
    """Servers that do not answer, by their caches."""
    asked: dict[int, _Failure] = {}
    users = [
        (f"CACHES[{alias!r}]", server_of(backend))
        for alias, backend in backends.items()
        if isinstance(backend, RedisCache | TieredCache)
    ]
    for where, server in [*users, *((kept.where, kept.server) for kept in all_kept)]:
        if id(server) not in asked:
            error = None
            try:
                server.ping()
            except CacheUnavailableError as raised:
                error = raised
            asked[id(server)] = _Failure(server, error, [])
        if where not in asked[id(server)].users:
            asked[id(server)].users.append(where)
    return {key: found for key, found in asked.items() if found.error is not None}


def _servers_that_fail(failures: dict[int, _Failure]) -> Iterator[CheckMessage]:
    for server, error, users in failures.values():
        if error is not None and error.refused:
            yield Warning(
                f"{place_of(server).text}: {error}. Nothing is cached there.",
                hint="Give LOCATION or OPTIONS a user, a password and a database that the server accepts.",
                obj=_named(users),
                id="quickcache.W010",
            )
        else:
            yield Info(
                f"The server at {place_of(server).text} could not be asked: {error}.",
                hint="Check again where it can be reached.",
                obj=_named(users),
                id="quickcache.I009",
            )


def _servers_that_tell_nothing(all_kept: list[_coherence.Kept]) -> Iterator[CheckMessage]:
    answers: dict[tuple[int, str], _coherence.Said] = {}
    users = defaultdict(list)
    for kept in all_kept:
        asked = id(kept.server), kept.wanted
        if asked not in answers:
            answers[asked] = _coherence.asked(kept)
        if answers[asked].mode != kept.wanted:
            users[place_of(kept.server).text, kept.wanted, answers[asked]].append(kept.where)
    for (place, wanted, (mode, why)), places in users.items():
        if mode is None:
            yield Info(
                f"The server at {place} could not be asked whether it keeps memory true: {why}.",
                hint="Check again where it can be reached.",
                obj=_named(places),
                id="quickcache.I009",
            )
            continue
        instead = (
            "Processes tell each other of their clears instead, and nobody tells of changes by other programs"
            if mode == "pubsub"
            else "Memory keeps values for its own timeout, whatever others change"
        )
        yield Warning(
            f"Memory is not kept true to {place} by coherence={wanted!r}: {why}. {instead}.",
            hint="Give the user of LOCATION the right +client|tracking ('tracking'), or "
            "+subscribe, +publish and &quickcache.clears:* ('pubsub'). Or say the coherence that you mean.",
            obj=_named(places),
            id="quickcache.W008",
        )


def _named(paths: list[str], most: int = 3) -> str:
    names = ", ".join(paths[:most])
    return f"{names} and {len(paths) - most} more" if len(paths) > most else names


def _listed(paths: list[str]) -> str:
    return f"{_named(paths)} {'is' if len(paths) == 1 else 'are'}"
