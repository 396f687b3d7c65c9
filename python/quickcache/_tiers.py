"""Tiers in Python: presets around a cache, several caches as one, and timeouts folded into them."""

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from math import inf
from typing import Any, NamedTuple, Protocol, Self

from . import _native
from ._errors import NothingCachedWarning
from ._warn import warn

Timeout = int | float | timedelta | None


_PATH = "quickcache.cache_helpers"  # the path of 0.5, by which its classes are pickled


class ForceSkipCache(Exception):  # noqa: N818  a name from 0.5
    """Raised by a prefix function to have this cache skipped for this call."""

    __module__ = _PATH


class Tier(Protocol):
    """What every cache offers: all that a decorated function asks of one."""

    def get(self, key: str, /, default: Any = ...) -> Any: ...
    def set(self, key: str, value: Any, /) -> Any: ...
    def delete(self, key: str, /) -> Any: ...


class _Presets(NamedTuple):
    cache: Any
    timeout: Timeout
    prefix_function: Callable[[], str] | None = None


class CacheWithPresets(_Presets):
    """A cache with the timeout to set values with, and a function whose text goes before each key.

    `timeout` (seconds, a timedelta, or None for ever) is passed to the cache's `set` by keyword.
    `prefix_function` is called at each operation; if it raises ForceSkipCache, a `get` is a miss,
    and nothing is set or deleted.
    """

    __module__ = _PATH

    def __new__(cls, cache: Any, timeout: Timeout, prefix_function: Callable[[], str] | None = None) -> Self:
        return super().__new__(cls, cache, timeout, prefix_function)

    def prefixed_key(self, key: str) -> str:
        """The key this cache is really asked for."""
        return self.prefix_function() + key if self.prefix_function else key

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
        try:
            return self.cache.get(self.prefixed_key(key), default=default)
        except ForceSkipCache:
            return default

    def set(self, key: str, value: Any) -> Any:
        """Keep `value` under `key` for the preset timeout."""
        try:
            return self.cache.set(self.prefixed_key(key), value, timeout=self.timeout)
        except ForceSkipCache:
            return None

    def delete(self, key: str) -> Any:
        """Forget `key`."""
        try:
            return self.cache.delete(self.prefixed_key(key))
        except ForceSkipCache:
            return None


class CacheWithTimeout(CacheWithPresets):
    """Deprecated: CacheWithPresets without a prefix function."""

    __module__ = _PATH

    def __new__(cls, cache: Any, timeout: Timeout) -> Self:
        warnings.warn(
            "CacheWithTimeout is deprecated. Please use CacheWithPresets instead.",
            DeprecationWarning,
            stacklevel=1,  # as in 0.5, whose users filter it by this module
        )
        return super().__new__(cls, cache, timeout)

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles go around __new__, which takes fewer arguments than there are fields.
        return type(self)._make, (tuple(self),)


class TieredCache:
    """Several caches as one, asked in order: fast and local first, slow and shared last.

    A value found further down is written to the caches above it. Each cache uses its own default
    timeout. Caches of this package are asked without entering Python; any other object with
    `get(key, default=...)`, `set(key, value)` and `delete(key)` will do.

    A MemoryCache above a RedisCache is kept true to it, in each process. `coherence` says how:
    'tracking' (the server tells of each key that changes, whoever changes it; the default), 'pubsub'
    (processes with quickcache tell each other of what they clear and overwrite), or 'off' (memory keeps
    a value for its own timeout, whatever becomes of it elsewhere). `on_link_loss` says what memory does
    while the server cannot tell: 'bypass' (it is not used), or for how many seconds it may serve
    nevertheless. `beat` is the time in seconds between two questions to the server, by which a dead link
    is noticed: memory is trusted for two beats from the last question that was answered. Raises
    ValueError for other values, and where 'tracking' or 'pubsub' is asked for and the caches are not a
    MemoryCache above a RedisCache.
    """

    __module__ = _PATH

    caches: Iterable[Any]
    _coherence: _native._Coherence | None = None  # as by default

    def __init__(
        self,
        caches: Iterable[Any],
        *,
        coherence: str | None = None,
        on_link_loss: Timeout | str = "bypass",
        beat: float | timedelta = 1.0,
    ) -> None:
        # An iterator would be used up by the first operation.
        self.caches = list(caches) if isinstance(caches, Iterator) else caches
        coherent(self, coherence, on_link_loss, beat)
        if coherence not in (None, "off") and not _native._may_be_coherent(self):
            raise ValueError(
                f"coherence={coherence!r} keeps a MemoryCache true to the RedisCache below it, both of "
                "this package, without a prefix function, and the RedisCache without replicas: give such "
                "caches, or leave it out"
            )

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key` in the first cache that has it, or `default`."""
        return _native._get(self, key, default)

    def set(self, key: str, value: Any) -> None:
        """Set `key` in every cache."""
        _native._set(self, key, value)

    def delete(self, key: str) -> None:
        """Forget `key` in every cache."""
        _native._delete(self, key)

    def stats(self) -> dict[str, Any]:
        """How memory is kept true, in this process, by name.

        `coherence`, as the server allows it; whether memory is `trusted` now; `reason`, why it is not, or why
        another mode is in force than was asked for (None: nothing was refused or lost); `beat_age`, the
        seconds since the last question to the server that was answered (None: there is none), and `bound`,
        how old that may be; `invalidations`, keys that were said to have changed; `flushes`, how often all
        were voided; `link_losses`; `refused_fills`, values not kept in memory since they may have changed
        since they were read or computed.
        """
        return _native._coherence_stats(self)


def coherent(
    tiers: TieredCache, coherence: str | None, on_link_loss: Timeout | str, beat: float | timedelta
) -> TieredCache:
    """The same tiers, kept true in this way. What is as by default is left out, as 0.5 had it."""
    if (coherence, on_link_loss, beat) != (None, "bypass", 1.0):
        tiers._coherence = _native._Coherence(coherence, on_link_loss, beat, b"")
    return tiers


def with_caches(tiers: TieredCache, caches: list[Any]) -> TieredCache:
    """The same with other caches."""
    other = TieredCache(caches)
    if tiers._coherence is not None:
        other._coherence = tiers._coherence
    return other


_native._seal(TieredCache)
_native._seal(CacheWithPresets)


def refuse_unshared(cache: Any) -> None:
    """Raise ValueError unless one of the tiers tells processes of one another's computations."""
    tiers = cache.caches if isinstance(cache, TieredCache) else [cache]
    for tier in tiers:
        within = tier.cache if isinstance(tier, CacheWithPresets) else tier
        # A RedisCache has them, and a backend of Django's over one, which an alias may stand for.
        if getattr(within, "leases", False) is True:
            return
    raise ValueError(
        "single_flight='fleet' needs a RedisCache among the tiers, with leases: by these, processes know "
        "what others compute. Give one, or single_flight=True for the threads of one process"
    )


def fold_timeouts(cache: Any, timeout: Timeout, memoize_timeout: Timeout) -> Any:
    """A cache whose first tier keeps values for `memoize_timeout` and whose last one for `timeout`.

    None leaves a tier its own default; a `memoize_timeout` of 0 leaves the first of several tiers
    out; a single tier takes the shorter one. Raises ValueError for a tier that takes no timeout.
    """
    if timeout is None and memoize_timeout is None:
        return cache
    tiers: Sequence[Any] = list(cache.caches) if type(cache) is TieredCache else [cache]
    lives: list[Timeout] = [None] * len(tiers)
    if tiers:
        lives[-1] = timeout
        if memoize_timeout is not None and (timeout is None or len(tiers) > 1):
            lives[0] = memoize_timeout
        elif memoize_timeout is not None:
            lives[0] = min(timeout, memoize_timeout, key=_seconds)
    kept = [
        (tier, life) for tier, life in zip(tiers, lives, strict=True) if life is None or _seconds(life) > 0
    ]
    if not kept:
        warn_nothing_cached()
    folded = [tier if life is None else _with_timeout(tier, life) for tier, life in kept]
    if type(cache) is TieredCache:
        return with_caches(cache, folded)
    return folded[0] if folded else TieredCache([])


def warn_nothing_cached() -> None:
    """Say that the timeouts given leave no tier."""
    warn(
        "nothing will be cached: no tier was given a timeout of more than 0. "
        "Give at least one tier a timeout in seconds.",
        NothingCachedWarning,
    )


def _seconds(timeout: Timeout) -> float:
    seconds = _native._seconds_of(timeout)
    return inf if seconds is None else seconds


def _with_timeout(cache: Any, timeout: Timeout) -> Any:
    if isinstance(cache, CacheWithPresets):
        return cache._replace(timeout=timeout)
    if isinstance(cache, _native.MemoryCache) or _takes_timeout(cache):
        return CacheWithPresets(cache, timeout)
    raise ValueError(
        f"a timeout was given, but {type(cache).__name__}.set() takes none: leave timeout and "
        "memoize_timeout out, or give a cache with set(key, value, timeout=...), such as MemoryCache"
    )


def _takes_timeout(cache: Any) -> bool:
    try:
        parameters = inspect.signature(cache.set).parameters.values()
    except (AttributeError, TypeError, ValueError):
        return False
    return any(
        (p.name == "timeout" and p.kind is not p.POSITIONAL_ONLY) or p.kind is p.VAR_KEYWORD
        for p in parameters
    )
