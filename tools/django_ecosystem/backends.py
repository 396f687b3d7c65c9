"""What the tests run with: Django's backends, and ours."""

from dataclasses import dataclass

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


@dataclass(frozen=True)
class Backend:
    """A backend that the tests run with."""

    name: str
    path: str
    is_remote: bool
    rival: str | None = None  # the name of that of Django's whose failures it may have


BACKENDS = (
    Backend("LocMemCache", LOCMEM, is_remote=False),
    Backend("Django's RedisCache", "django.core.cache.backends.redis.RedisCache", is_remote=True),
    Backend("MemoryCache", "quickcache.django.MemoryCache", is_remote=False, rival="LocMemCache"),
    Backend("RedisCache", "quickcache.django.RedisCache", is_remote=True, rival="Django's RedisCache"),
    Backend("TieredCache", "quickcache.django.TieredCache", is_remote=True, rival="Django's RedisCache"),
)
