"""Backends for Django's CACHES: a cache of this package behind Django's keys, versions and timeouts."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, default_key_func
from django.core.exceptions import ImproperlyConfigured
from django.utils.connection import ConnectionProxy

from .. import _native
from .._errors import UncacheableValueError
from .._tiers import CacheWithPresets
from ._location import (
    cannot_be_kept_true,
    coherence_options,
    memoize_timeout,
    memory_options,
    redis_arguments,
    refuse_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from .._tiers import Timeout


# The caches of this process by what they were made with: Django makes a backend for each thread, and anew for
# each change of its settings.
_caches: dict[tuple[str, str], Any] = {}
_making = threading.Lock()


def _shared(kind: str, location: object, params: dict[str, Any], make: Callable[[], Any]) -> Any:
    options = sorted((params.get("OPTIONS") or {}).items())
    key = kind, repr((location, params.get("max_entries"), options))
    found = _caches.get(key)
    if found is None:
        with _making:
            found = _caches.get(key) or _caches.setdefault(key, make())
    return found


@contextmanager
def _errors_of_pickle() -> Generator[None]:
    """Raise what pickle has raised, as Django does."""
    try:
        yield
    except UncacheableValueError as error:
        raise (error.__cause__ or error) from None


class _Backend(_native._Backend, BaseCache):  # type: ignore[misc]  # Django has no types
    """What the backends have in common: each operation of Django's as one of a cache of ours.

    Subclasses that make or validate keys in their own way are asked for each key.
    """

    _no_counter = "no int"

    def __init__(self, cache: Any, params: dict[str, Any]) -> None:
        BaseCache.__init__(self, params)
        self._open(cache, default_key_func)

    # Decorated functions ask the cache itself, unless a backend was changed, as tests do.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _native._METHODS_OF_BACKENDS:
            self._look()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in _native._METHODS_OF_BACKENDS:
            self._look()

    def _life(self, timeout: Any) -> Any:
        return self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout

    def _made(self, keys: Iterable[Any], version: int | None) -> dict[str, Any]:
        return {self.make_and_validate_key(key, version=version): key for key in keys}

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        made, life = self.make_and_validate_key(key, version=version), self._life(timeout)
        if life is not None and _native._seconds_of(life) == 0:
            return made not in self._store  # nothing is kept, but that it would have been is said
        with _errors_of_pickle():
            return bool(self._store.add(made, value, life))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        made = self.make_and_validate_key(key, version=version)
        with _errors_of_pickle():
            self._store.set(made, value, self._life(timeout))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        made = self.make_and_validate_key(key, version=version)
        return bool(self._store.touch(made, self._life(timeout)))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._store.delete(self.make_and_validate_key(key, version=version)))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self.make_and_validate_key(key, version=version) in self._store

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        made = self.make_and_validate_key(key, version=version)
        try:
            return self._store.incr(made, delta)  # type: ignore[no-any-return]
        except ValueError:
            if made in self._store:  # Django tells one from the other
                raise TypeError(f"Key {made!r} holds {self._no_counter}") from None
            raise

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        made = self._made(keys, version)
        return {made[key]: value for key, value in self._store.get_many(made).items()}

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        made = {self.make_and_validate_key(key, version=version): value for key, value in data.items()}
        # A server may take none of them, of which only Django wants to know.
        keep = getattr(self._store, "_set_many", self._store.set_many)
        with _errors_of_pickle():
            failed = keep(made, self._life(timeout))
        if not failed:
            return []
        given = self._made(data, version)
        return [given[key] for key in failed]

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        self._store.delete_many(self._made(keys, version))

    def clear(self) -> None:
        self._store.clear()

    def stats(self) -> dict[str, Any]:
        """Counts of this process, of all backends of one LOCATION and OPTIONS: `stats()` of their cache."""
        return self._store.stats()  # type: ignore[no-any-return]

    # Django's own asynchronous methods make several calls where one is atomic, or one round trip.

    async def _run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # A function that makes keys may go by the thread, as by its connection's tenant: then as Django.
        own_keys = not self._has_usual_keys
        return await sync_to_async(method, thread_sensitive=own_keys)(*args, **kwargs)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return await self._run(self.get, key, default, version)

    async def aadd(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return await self._run(self.add, key, value, timeout, version)  # type: ignore[no-any-return]

    async def aset(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        await self._run(self.set, key, value, timeout, version)

    async def atouch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return await self._run(self.touch, key, timeout, version)  # type: ignore[no-any-return]

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        return await self._run(self.delete, key, version)  # type: ignore[no-any-return]

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        return await self._run(self.has_key, key, version)  # type: ignore[no-any-return]

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return await self._run(self.incr, key, delta, version)  # type: ignore[no-any-return]

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        return await self._run(self.get_many, keys, version)  # type: ignore[no-any-return]

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        return await self._run(self.set_many, data, timeout, version)  # type: ignore[no-any-return]

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        await self._run(self.delete_many, keys, version)

    async def aclear(self) -> None:
        await self._run(self.clear)


_native._seal_django(_Backend, ConnectionProxy, caches)


class MemoryCache(_Backend):
    """A cache in each process's memory: one for all backends of the same LOCATION and options.

    OPTIONS: MAX_ENTRIES (10,000 if left out), max_bytes, policy ('lru' if left out: nothing that was just
    written is refused) and isolate, as quickcache.MemoryCache takes them. CULL_FREQUENCY has no meaning here.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        refuse_unknown(params.get("OPTIONS") or {})
        super().__init__(_memory(location, params), params)

    async def _run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._has_usual_keys:
            return method(*args, **kwargs)  # which takes less than handing it to another thread
        return await super()._run(method, *args, **kwargs)


class _OnServer(_Backend):
    """What backends have in common whose values are kept by a server."""

    _no_counter = "no int, or the sum takes more than 64 bits"

    def get_backend_timeout(self, timeout: Any = DEFAULT_TIMEOUT) -> int | None:
        """Seconds, as Django's RedisCache has it."""
        life = self._life(timeout)
        return None if life is None else max(0, int(life))


class RedisCache(_OnServer):
    """A cache on Redis or Valkey. LOCATION is a URL that quickcache.RedisCache takes, or several.

    OPTIONS are those of quickcache.RedisCache, and db, username and password as Django has them. What
    Django's own RedisCache has written is read, and the reverse.
    """

    def __init__(self, location: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(_redis(location, params), params)


class TieredCache(_OnServer):
    """Memory before Redis or Valkey: `memoize_timeout` seconds of OPTIONS in memory, TIMEOUT on the server.

    LOCATION and the other OPTIONS are those of RedisCache; MAX_ENTRIES, max_bytes, policy and isolate are
    those of MemoryCache. Or without a LOCATION: OPTIONS['TIERS'], a list of two aliases, of a MemoryCache
    (whose TIMEOUT is the memory's) and a RedisCache.
    """

    def __init__(self, location: str | list[str], params: dict[str, Any]) -> None:
        options = params.get("OPTIONS") or {}
        if "TIERS" in options:
            upper, lower = _of_aliases(options["TIERS"])
            life, server = upper.default_timeout, lower._store
            memory = _shared("tiers", options["TIERS"], params, lambda: _like(upper._store))
            # Its values are those of the lower one, under the same keys.
            of_lower = {
                "TIMEOUT": lower.default_timeout,
                "KEY_PREFIX": lower.key_prefix,
                "VERSION": lower.version,
                "KEY_FUNCTION": lower.key_func,
            }
            params = {**of_lower, **params}
        else:
            life = memoize_timeout(options)
            memory = _memory(location, params)
            server = _redis(location, params)
        tiers = _Tiers(memory, life, server, coherence_options(params))
        asked_for = options.get("coherence")
        if asked_for not in (None, "off") and not _native._may_be_coherent(tiers):
            raise cannot_be_kept_true(asked_for, "a replica is read from, which may be behind the primary")
        super().__init__(tiers, params)


def _like(memory: Any) -> Any:
    """Another memory with the same bounds: nobody else's keys are to be found in it."""
    return _native.MemoryCache(
        max_entries=memory.max_entries,
        max_bytes=memory.max_bytes,
        policy=memory.policy,
        isolate=memory.isolate,
    )


_TIERS = (
    "OPTIONS['TIERS'] of a TieredCache names a quickcache.django.MemoryCache and a "
    "quickcache.django.RedisCache, in this order"
)


def _of_aliases(aliases: Any) -> list[Any]:
    if not isinstance(aliases, (list, tuple)):
        raise ImproperlyConfigured(f"OPTIONS['TIERS'] is a list of two aliases, not {aliases!r}")
    for alias in aliases:
        config = settings.CACHES.get(alias) if isinstance(alias, str) else None
        if "TIERS" in ((config or {}).get("OPTIONS") or {}):  # perhaps this one, without end
            raise ImproperlyConfigured(f"{_TIERS}; but {alias!r} is made of TIERS itself")
    tiers = [caches[alias] for alias in aliases]
    kinds = [type(tier) for tier in tiers]
    if kinds != [MemoryCache, RedisCache]:
        raise ImproperlyConfigured(f"{_TIERS}, not {[kind.__qualname__ for kind in kinds]}")
    return tiers


def _memory(location: str | list[str], params: dict[str, Any]) -> Any:
    return _shared("memory", location, params, lambda: _native.MemoryCache(**memory_options(params)))


def _redis(location: str | list[str], params: dict[str, Any]) -> Any:
    def make() -> Any:
        urls, options = redis_arguments(location, params)
        return _native.RedisCache(urls, **options)

    return _shared("redis", location, params, make)


class _Tiers:
    """Memory before a server, with all that a backend asks of a cache. The server has the last word."""

    def __init__(self, memory: Any, life: Any, server: Any, coherence: _native._Coherence) -> None:
        self.caches = [CacheWithPresets(memory, life), server]
        self._memory = memory
        self._most = life
        self._server = server
        self._coherence = coherence

    @property
    def parts(self) -> tuple[Any, Any, Any, _native._Coherence]:
        """What is asked without this.

        The memory, how long it keeps values at most, the server, and how the one is kept true to the other.
        """
        return self._memory, self._most, self._server, self._coherence

    def __repr__(self) -> str:
        return f"{self._memory!r} before {self._server!r}"

    def _until(self, timeout: Any) -> Any:
        """How long memory may keep what the server keeps for so long."""
        lives = [_native._seconds_of(life) for life in (timeout, self._most)]
        finite = [life for life in lives if life is not None]
        return min(finite) if finite else None

    def get(self, key: str, default: Any = None) -> Any:
        return _native._get(self, key, default)

    def set(self, key: str, value: Any, timeout: Timeout = None) -> None:
        is_coherent = _native._is_coherent(self, key)
        self._memory.delete(key)
        self._server.set(key, value, timeout)
        if is_coherent:
            self._memory.delete(key)  # nobody can tell whether another came after it
        else:
            self._memory.set(key, value, self._until(timeout))

    def delete(self, key: str) -> bool:
        _native._is_coherent(self, key)  # so that others are told, if that is for this process to do
        held: bool = self._memory.delete(key)
        deleted: bool = self._server.delete(key)
        self._memory.delete(key)
        return held or deleted

    def _at_server(self, key: str, ask: Callable[..., Any], *args: Any) -> Any:
        """What the server says, by which whatever memory has is out of date."""
        _native._is_coherent(self, key)
        self._memory.delete(key)
        try:
            return ask(key, *args)
        finally:
            self._memory.delete(key)

    def add(self, key: str, value: Any, timeout: Any) -> bool:
        return bool(self._at_server(key, self._server.add, value, timeout))

    def touch(self, key: str, timeout: Any) -> bool:
        return bool(self._at_server(key, self._server.touch, timeout))

    def incr(self, key: str, delta: int) -> Any:
        return self._at_server(key, self._server.incr, delta)

    def __contains__(self, key: str) -> bool:
        return key in self._memory or key in self._server

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        keys = list(keys)
        found = self._memory.get_many(keys)
        missing = [key for key in keys if key not in found]
        return {**found, **self._server.get_many(missing)} if missing else found

    def set_many(self, values: Mapping[str, Any], timeout: Any) -> Any:
        is_coherent = _native._is_coherent(self)
        self._memory.delete_many(values)
        failed = self._server._set_many(values, timeout)
        if is_coherent:
            self._memory.delete_many(values)
        else:
            self._memory.set_many(values, self._until(timeout))
        return failed

    def delete_many(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        _native._is_coherent(self)
        self._memory.delete_many(keys)
        self._server.delete_many(keys)
        self._memory.delete_many(keys)

    def clear(self) -> None:
        _native._is_coherent(self)
        self._memory.clear()
        self._server.clear()
        self._memory.clear()

    def stats(self) -> dict[str, Any]:
        coherence = _native._coherence_stats(self)
        return {"memory": self._memory.stats(), "server": self._server.stats(), "coherence": coherence}
