"""The import path of 0.5 for tiers: re-exports only."""

from ._log import logger
from ._tiers import CacheWithPresets, CacheWithTimeout, ForceSkipCache, TieredCache

__all__ = ["CacheWithPresets", "CacheWithTimeout", "ForceSkipCache", "TieredCache", "logger"]
