"""django-redis: its cache by itself, with a key made by hand, and under quickcache 0.5.4."""

from typing import Any

from django.conf import settings
from django_redis.cache import RedisCache

from benches.address import Address
from benches.contender import Cached, Client, Remote, Subject
from benches.contenders.remote_django import client_of

if not settings.configured:
    settings.configure()  # it asks for settings of its own, which all have defaults


def cache_at(address: Address) -> Any:
    return RedisCache(address.url, {"TIMEOUT": None})


def connect(address: Address) -> Client:
    return client_of(cache_at(address))


def by_hand(address: Address, subject: Subject) -> Cached:
    """A get before the function, and a set after it."""
    cache = cache_at(address)
    cache.has_key("connected now")
    function = subject.function

    def call(x: Any) -> Any:
        key = f"by_hand:{x}"
        value = cache.get(key)
        if value is None:
            value = function(x)
            cache.set(key, value)
        return value

    return Cached(call)


def under_the_original(address: Address, subject: Subject) -> Cached:
    from benches.contenders.original import ORIGINAL  # noqa: PLC0415  may be absent

    cache = cache_at(address)
    cache.has_key("connected now")
    quickcache = ORIGINAL.get_quickcache(cache=cache)
    return Cached(quickcache(list(subject.vary_on))(subject.function))


CONTENDERS = [
    Remote(
        "django-redis",
        connect,
        frozenset({"target", "threads"}),
        {"django-redis": by_hand, "quickcache 0.5.4 over django-redis": under_the_original},
    )
]
