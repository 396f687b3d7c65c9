"""quickcache over the caches of Django's settings."""

from ._config import DjangoQuickCache, get_django_quickcache, tiered_django_cache

__all__ = ["DjangoQuickCache", "get_django_quickcache", "tiered_django_cache"]
