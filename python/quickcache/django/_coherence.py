"""How memory is kept true to the server behind it: as settings have it, and as that server says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.cache.backends.base import default_key_func

from .. import _native
from .._tiers import CacheWithPresets
from ._backends import MemoryCache, RedisCache, _Backend
from ._report import tiers_of
from ._servers import place_of

if TYPE_CHECKING:
    from ._backends import TieredCache
    from ._report import Tier

KEY = "quickcache."  # what those of decorated functions begin with
LIMIT = 2.0  # seconds that a server has to say whether it tells of changes
PAUSE = 0.01


class Kept(NamedTuple):
    """Memory before a server of ours, and what settings say of how the one is kept true to the other."""

    where: str
    """What has them, as messages name it."""
    cache: Any
    """To be asked with a function's keys, or with those of a backend."""
    key: str | None
    """What its keys begin with; None: settings know."""
    server: Any
    """The RedisCache; None where there is none of ours."""
    mode: str | None
    """What was asked for; None: as by default."""
    problem: str | None
    """Why it is not kept true, as far as settings tell."""

    @property
    def wanted(self) -> str:
        """The mode to be in force."""
        return self.mode or "tracking"


def of_backend(where: str, backend: TieredCache, coherence: Any) -> Kept:
    """Of a TieredCache among the aliases, whose settings name this mode."""
    server = backend._store.caches[-1]
    problem = None
    if backend.key_func is not default_key_func:
        problem = "KEY_FUNCTION makes the keys, and nothing says what all of them begin with"
    elif place_of(server).has_replicas:
        problem = _REPLICAS
    return Kept(where, backend._store, None, server, coherence, problem)


_REPLICAS = "a replica is read from, which may be behind what the primary tells"


def of_function(where: str, cache: Any) -> Kept | None:
    """Of a function's cache; None where there is no memory before a server, or nobody wants it true."""
    tiers = list(tiers_of(cache))
    if len(tiers) < 2 or any(tier.backend is None for tier in tiers):  # noqa: PLR2004  memory and a server
        return None
    given = getattr(cache, "_coherence", None)
    mode = None if given is None else given.__getnewargs__()[0]
    server = _server(tiers)
    if server is None and mode is None:
        return None  # nobody would expect it
    return Kept(where, cache, KEY, server, mode, _problem(cache, tiers, server))


def _server(tiers: list[Tier]) -> Any:
    """The RedisCache of ours below nothing but memory of ours."""
    *uppers, lower = (tier.backend for tier in tiers)
    if not all(isinstance(upper, (_native.MemoryCache, MemoryCache)) for upper in uppers):
        return None
    store = lower._store if isinstance(lower, RedisCache) else lower
    return store if isinstance(store, _native.RedisCache) else None


def _problem(cache: Any, tiers: list[Tier], server: Any) -> str | None:
    if server is not None and place_of(server).has_replicas:
        return _REPLICAS
    for tier in tiers:
        if isinstance(tier.cache, CacheWithPresets) and tier.cache.prefix_function is not None:
            return f"a function, such as session_function, makes the keys in {tier.name}"
        if isinstance(tier.backend, _Backend) and tier.backend.key_func is not default_key_func:
            return f"KEY_FUNCTION makes the keys in {tier.name}, and nothing says what all of them begin with"
    if server is None or not _native._may_be_coherent(cache):
        return (
            "its tiers are not a MemoryCache before a RedisCache, both of this package and as they were made"
        )
    return None


class Said(NamedTuple):
    """What a server says of it."""

    mode: str | None
    """The mode in force; None: it could not be asked."""
    why: str | None
    """Why it is not the one that was wanted."""


def asked(kept: Kept) -> Said:
    """Have the server asked to tell of changes, as the first operation of a process does."""
    until = time.monotonic() + LIMIT
    while True:
        _native._is_coherent(kept.cache, kept.key)
        stats = _native._coherence_stats(kept.cache)
        if stats["trusted"] or stats["coherence"] == "off":
            return Said(stats["coherence"], stats["reason"])
        if time.monotonic() > until:
            return Said(None, stats["reason"] or f"it has not answered within {LIMIT:g} s")
        time.sleep(PAUSE)


def shown(cache: Any, key: str | None) -> str | None:
    """How memory is kept true in this process, in words; None where it is not before a server of ours."""
    if not _native._may_be_coherent(cache):
        return None
    _native._is_coherent(cache, key)  # a process that has just begun has not asked
    stats = _native._coherence_stats(cache)
    why = f" ({stats['reason']})" if stats["reason"] else ""
    if stats["coherence"] == "off":
        return f"off: memory keeps values for its own timeout{why}"
    age, bound = stats["beat_age"], stats["bound"]
    last = "" if age is None else f", last asked {age:.1f} s ago, and good for {bound:g} s"
    counts = ("invalidations", "flushes", "link_losses", "refused_fills")
    found = [f"{stats[name]} {name.replace('_', ' ')}" for name in counts if stats[name]]
    trusted = "trusted" if stats["trusted"] else "not used"
    return ", ".join([f"{stats['coherence']}: memory is {trusted}{why}{last}", *found])
