"""Where the entries of an alias lie, by which one knows whether two have them in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.cache import caches
from django.core.cache.backends.base import default_key_func
from django.core.cache.backends.redis import RedisCache as RedisOfDjango

from ._backends import MemoryCache, TieredCache
from ._servers import place_of, place_of_urls

if TYPE_CHECKING:
    from ._servers import Place


class Entries(NamedTuple):
    """Where the entries of an alias lie, and what is said of them."""

    memory: Any
    """The cache of this process; None if they are on a server."""
    place: Place | None
    prefix: str
    """What goes before Django's own keys on the server."""
    keys: Any
    """Equal where the same key leads to the same entry."""
    options: dict[str, Any]


def entries_of(backend: Any) -> Entries:
    """Those of a backend of ours, or of Django's own on Redis."""
    memory, place, prefix, options = None, None, "", {}
    if isinstance(backend, MemoryCache):
        memory = backend._store
    elif isinstance(backend, RedisOfDjango):
        place = place_of_urls(backend._servers)
    else:
        server = server_of(backend)
        place, prefix, options = place_of(server), server.key_prefix, options_of(server)
    keys: Any = prefix, backend.key_prefix, backend.version, backend.key_func
    if backend.key_func is default_key_func:
        keys = f"{prefix}{backend.key_prefix}:{backend.version}:"
    return Entries(memory, place, prefix, keys, options)


def of_django(configs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Django's own backends on Redis."""
    found = {}
    for alias, config in configs.items():
        if config.get("BACKEND") == f"{RedisOfDjango.__module__}.{RedisOfDjango.__qualname__}":
            try:
                found[alias] = caches.create_connection(alias)
                place_of_urls(found[alias]._servers)
            except Exception:  # noqa: BLE001  whatever is in the settings: Django tells of it
                found.pop(alias, None)
    return found


def are_in_one_store(first: Entries, second: Entries) -> bool:
    """Whether both are in one database, or one memory."""
    if first.place is None or second.place is None:
        return first.memory is not None and first.memory is second.memory
    return first.place.overlaps(second.place)


def unreadable(first: Entries, second: Entries) -> str:
    """Why neither can read what the other has written, as an end of a message."""
    one, other = first.options, second.options
    differs = [
        name
        for name, are_same in (
            ("signing_keys", list(one.get("signing_keys", ())) == list(other.get("signing_keys", ()))),
            ("serializer", _is_same_serializer(one, other)),
        )
        if not are_same
    ]
    return (
        f" With other {' and '.join(differs)}, neither reads what the other has written." if differs else ""
    )


def _is_same_serializer(one: dict[str, Any], other: dict[str, Any]) -> bool:
    first, second = one.get("serializer", "pickle"), other.get("serializer", "pickle")
    return bool(
        first == second or type(first) is type(second) is not str or (is_pickle(one) and is_pickle(other))
    )


def server_of(backend: Any) -> Any:
    """The RedisCache of a backend on a server."""
    return backend._store.caches[-1] if isinstance(backend, TieredCache) else backend._store


def options_of(cache: Any) -> dict[str, Any]:
    """What a RedisCache was made with."""
    options: dict[str, Any] = cache.__getnewargs_ex__()[1]
    return options


def is_pickle(options: dict[str, Any]) -> bool:
    """Whether values are pickles, by the options of a RedisCache."""
    serializer = options.get("serializer", "pickle")
    name = serializer if isinstance(serializer, str) else type(serializer).__name__
    return "pickle" in name.lower() or name == "RedisSerializer"  # Django's own
