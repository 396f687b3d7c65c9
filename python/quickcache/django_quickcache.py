"""The import path of 0.5 for Django: re-exports only."""

from ._config import ConfigMixin, get_quickcache
from ._helper import QuickCacheHelper
from ._log import assert_function
from ._tiers import CacheWithPresets, TieredCache
from .django import DjangoQuickCache, get_django_quickcache, tiered_django_cache

__all__ = [
    "CacheWithPresets",
    "ConfigMixin",
    "DjangoQuickCache",
    "QuickCacheHelper",
    "TieredCache",
    "assert_function",
    "get_django_quickcache",
    "get_quickcache",
    "tiered_django_cache",
]
