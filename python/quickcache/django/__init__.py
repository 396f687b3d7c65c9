"""quickcache over the caches of Django's settings, and caches for these settings."""

from ._backends import MemoryCache, RedisCache, TieredCache
from ._config import DjangoQuickCache, get_django_quickcache, tiered_django_cache

__all__ = [
    "DjangoQuickCache",
    "MemoryCache",
    "RedisCache",
    "TieredCache",
    "get_django_quickcache",
    "tiered_django_cache",
]
