"""Function caching in tiers: memory first, then a shared cache.

Names are loaded when first used, so that importing this package costs next to nothing.
"""

TYPE_CHECKING = False  # not typing's, whose import takes longer than all else here
if TYPE_CHECKING:
    from ._config import get_quickcache, stats
    from ._errors import (
        CacheUnavailableError,
        KeyCollisionWarning,
        NothingCachedWarning,
        QuickCacheError,
        ReplicaReadsWarning,
        UncacheableValueError,
    )
    from ._helper import QuickCacheHelper
    from ._native import ManualClock, MemoryCache, RedisCache
    from ._native import __version__ as __version__
    from ._tiers import CacheWithPresets, ForceSkipCache, TieredCache

__all__ = [
    "CacheUnavailableError",
    "CacheWithPresets",
    "ForceSkipCache",
    "KeyCollisionWarning",
    "ManualClock",
    "MemoryCache",
    "NothingCachedWarning",
    "QuickCacheError",
    "QuickCacheHelper",
    "RedisCache",
    "ReplicaReadsWarning",
    "TieredCache",
    "UncacheableValueError",
    "get_quickcache",
    "stats",
]

_HOME = {
    "CacheUnavailableError": "_errors",
    "CacheWithPresets": "_tiers",
    "ForceSkipCache": "_tiers",
    "KeyCollisionWarning": "_errors",
    "ManualClock": "_native",
    "MemoryCache": "_native",
    "NothingCachedWarning": "_errors",
    "QuickCacheError": "_errors",
    "QuickCacheHelper": "_helper",
    "RedisCache": "_native",
    "ReplicaReadsWarning": "_errors",
    "TieredCache": "_tiers",
    "UncacheableValueError": "_errors",
    "__version__": "_native",
    "get_quickcache": "_config",
    "stats": "_config",
}
# Submodules that `import quickcache` alone made reachable in 0.5.
_SUBMODULES = {"cache_helpers", "logger", "native_utc", "quickcache", "quickcache_helper"}


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415  not before it is needed

    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
