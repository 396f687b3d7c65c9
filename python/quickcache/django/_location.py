"""What a cache of ours is made with, from LOCATION and OPTIONS as Django and django-redis document them."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from django.core.cache.backends.base import default_key_func, get_key_func
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .. import _native
from .._log import logger

_MEMORY = ("max_bytes", "policy", "isolate")
_COHERENCE = ("coherence", "on_link_loss", "beat")
# Of Django's BaseCache, of the backends here, and of redis-py about its own connections.
_IGNORED = {
    "MAX_ENTRIES",
    "CULL_FREQUENCY",
    "TIERS",
    "memoize_timeout",
    *_COHERENCE,
    "pool_class",
    "parser_class",
    "client_class",
    *_native._OPTIONS_OF_REDIS_PY,
    *_MEMORY,
}
_LOGIN = ("username", "password", "db")
# What django-redis and django-vcache call what is here, or is not needed.
_ELSEWHERE = {
    "CLIENT_CLASS": "leave it out: there is one client",
    "SOCKET_TIMEOUT": "deadline, in seconds for a whole operation",
    "SOCKET_CONNECT_TIMEOUT": "deadline, in seconds for a whole operation",
    "CONNECTION_POOL_CLASS": "leave it out: there is one pool for each process",
    "CONNECTION_POOL_KWARGS": "leave it out: there is one pool for each process",
    "CONNECTION_POOL_CLASS_KWARGS": "leave it out: there is one pool for each process",
    "CONNECTION_FACTORY": "leave it out; sentinels are named in LOCATION",
    "SENTINELS": "name them in LOCATION: redis+sentinel://host:port,host:port/service/db",
    "REDIS_CLIENT_CLASS": "leave it out; a cluster is named in LOCATION: redis+cluster://host:port",
    "PARSER_CLASS": "leave it out",
    "PICKLE_VERSION": "leave it out: it is protocol 5",
    "PASSWORD": "password",
    "USERNAME": "username",
    "DB": "db",
    "SERIALIZER": "serializer: 'pickle', 'json', 'msgpack', or a class or its path",
    "COMPRESSOR": "compression: 'zstd' or 'lz4', which django-redis cannot read",
    "COMPRESS_MIN_LEN": "compress_above, in bytes",
    "COMPRESS_MIN_LENGTH": "compress_above, in bytes",
    "IGNORE_EXCEPTIONS": "on_error: 'miss', as it is if left out, or 'raise'",
    "REVERSE_KEY_FUNCTION": "leave it out",
}


def refuse_unknown(options: dict[str, Any]) -> None:
    """Raise ImproperlyConfigured for options that a MemoryCache does not have."""
    accepted = [*_MEMORY, "MAX_ENTRIES", "CULL_FREQUENCY"]
    for name in options:
        if name not in accepted:
            raise ImproperlyConfigured(
                f"a MemoryCache has no option {name!r}; accepted in OPTIONS are {', '.join(accepted)}"
            )


def memory_options(params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a MemoryCache."""
    options = params.get("OPTIONS") or {}
    found = {"policy": "lru", **{name: options[name] for name in _MEMORY if name in options}}
    most = params.get("max_entries", options.get("MAX_ENTRIES"))
    if most is not None:
        try:
            found["max_entries"] = max(int(most), 1)
        except (TypeError, ValueError):
            raise ImproperlyConfigured(f"MAX_ENTRIES is a number of entries, not {most!r}") from None
    return found


def memoize_timeout(options: dict[str, Any]) -> Any:
    """How long the memory of a TieredCache keeps values at most."""
    life = options.get("memoize_timeout", 10)
    try:
        _native._seconds_of(life)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"OPTIONS['memoize_timeout'] of a TieredCache: {error}") from None
    return life


def coherence_options(params: dict[str, Any]) -> _native._Coherence:
    """How a TieredCache keeps memory true."""
    options = params.get("OPTIONS") or {}
    coherence = options.get("coherence")
    function = params.get("KEY_FUNCTION")
    begins = f"{params.get('KEY_PREFIX', '')}:"
    if function is not None and coherence != "off" and get_key_func(function) is not default_key_func:
        # The server would have to tell of all keys there are.
        if coherence is not None:
            raise cannot_be_kept_true(
                coherence, "KEY_FUNCTION makes the keys, and nothing says how they begin"
            )
        _tell_of_key_function()
        coherence, begins = "off", ""
    lost, beat = options.get("on_link_loss", "bypass"), options.get("beat", 1.0)
    try:
        return _native._Coherence(coherence, lost, beat, begins.encode())
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"OPTIONS of a TieredCache: {error}") from None


def cannot_be_kept_true(coherence: Any, why: str) -> ImproperlyConfigured:
    """What is raised where settings ask for what cannot be."""
    return ImproperlyConfigured(
        f"OPTIONS['coherence'] = {coherence!r} of a TieredCache: {why}. Change that, or leave 'coherence' out"
    )


@cache  # a backend is made for each thread
def _tell_of_key_function() -> None:
    logger.warning(
        "memory is not kept true to the server (coherence='off'), since KEY_FUNCTION makes the keys, and "
        "nothing says what all of them begin with"
    )


def redis_arguments(location: Any, params: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The URLs and the other arguments of a RedisCache."""
    options = dict(params.get("OPTIONS") or {})
    _refuse_unknown_to_redis(options)
    # Several URLs in one text, of which each may name several servers.
    urls = re.split(r"[;,]\s*(?=[\w+]+://)", location) if isinstance(location, str) else location
    if not (isinstance(urls, (list, tuple)) and urls and all(isinstance(url, str) and url for url in urls)):
        raise ImproperlyConfigured(
            f"LOCATION is a URL such as redis://127.0.0.1:6379, or a list of URLs, not {location!r}"
        )
    urls = [_with_login(url, options) for url in urls]
    arguments = {
        name: value for name, value in options.items() if name not in _IGNORED and name not in _LOGIN
    }
    if arguments.get("serializer") is not None:
        arguments["serializer"] = _serializer(arguments["serializer"])
    return urls, arguments


def _serializer(given: Any) -> Any:
    """A name, or an object with dumps and loads, of what settings say."""
    made = given
    try:
        if isinstance(made, str) and "." in made:
            made = import_string(made)
        return made() if isinstance(made, type) else made
    except Exception as error:
        raise ImproperlyConfigured(
            "OPTIONS['serializer'] is 'pickle', 'json', 'msgpack', or a class or its path, which is called "
            "without arguments and makes an object with dumps(value) -> bytes and loads(bytes) -> value; "
            f"{given!r} gave {type(error).__qualname__}: {error}"
        ) from error


def _refuse_unknown_to_redis(options: dict[str, Any]) -> None:
    parameters = inspect.signature(_native.RedisCache).parameters
    accepted = [name for name in parameters if name not in ("url", "timeout")]
    for name in options:
        if name in accepted or name in _IGNORED or name in _LOGIN:
            continue
        if name in _ELSEWHERE:
            raise ImproperlyConfigured(f"OPTIONS has {name!r}, unknown here: {_ELSEWHERE[name]}")
        if name == "timeout":
            raise ImproperlyConfigured("TIMEOUT stands beside OPTIONS, and not as 'timeout' within")
        raise ImproperlyConfigured(
            f"there is no option {name!r}; accepted in OPTIONS are {', '.join([*accepted, *_LOGIN])}, "
            f"and for a TieredCache memoize_timeout, TIERS, MAX_ENTRIES, {', '.join([*_COHERENCE, *_MEMORY])}"
        )


def _with_login(url: str, options: dict[str, Any]) -> str:
    """The URL with the user, password and database of the options, where it has none of its own."""
    if not any(options.get(name) is not None for name in _LOGIN):
        return url
    if "://" not in url:
        raise ImproperlyConfigured(f"LOCATION is a URL such as redis://127.0.0.1:6379, not {url!r}")
    parts = urlsplit(url)
    wanted = [(name, options[name]) for name in _LOGIN if options.get(name) is not None]
    added = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in wanted)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, added]))))
