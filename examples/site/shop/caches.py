"""CACHES in four ways, of which SHOP_CACHES names one: none, stock, vcache or ours."""

from typing import Any

CONFIGURATIONS = ("none", "stock", "vcache", "ours")

DUMMY = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
LOCMEM = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 10_000},
}


def caches_of(configuration: str, server: str) -> dict[str, Any]:
    """`locmem` and `default`, which decorated functions use; sessions and fragments use `default`."""
    if configuration == "none":
        return {"locmem": DUMMY, "default": DUMMY}
    if configuration == "stock":
        redis = "django.core.cache.backends.redis.RedisCache"
        return {"locmem": LOCMEM, "default": {"BACKEND": redis, "LOCATION": server, "KEY_PREFIX": "stock"}}
    if configuration == "vcache":
        valkey = "django_vcache.backend.ValkeyCache"
        return {"locmem": LOCMEM, "default": {"BACKEND": valkey, "LOCATION": server, "KEY_PREFIX": "vcache"}}
    if configuration == "ours":
        return {
            "locmem": {"BACKEND": "quickcache.django.MemoryCache"},
            "default": {
                "BACKEND": "quickcache.django.RedisCache",
                "LOCATION": server,
                "KEY_PREFIX": "ours",
            },
        }
    raise ValueError(f"SHOP_CACHES is one of {', '.join(CONFIGURATIONS)}, not {configuration!r}")
