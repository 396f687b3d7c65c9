"""Backends for Django's CACHES, as settings name them."""

import importlib
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from benches.preparing import WrongAnswerError
from benches.server import serving

LIFE = 1  # second


@dataclass(frozen=True)
class Backend:
    """One backend, under the name of what it is of."""

    name: str
    alias: str
    path: str
    distribution: str = "django"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_remote(self) -> bool:
        return not self.path.endswith(("MemoryCache", "LocMemCache"))

    def settings(self, url: str) -> dict[str, Any]:
        location = url if self.is_remote else self.alias
        found: dict[str, Any] = {"BACKEND": self.path, "LOCATION": location, "TIMEOUT": None}
        return {**found, "OPTIONS": dict(self.options)}


STOCK = "django.core.cache.backends"
# Without its compression, which no other backend has by default.
AS_OTHERS_DO = {"SERIALIZER": "pickle", "COMPRESS_MIN_LEN": sys.maxsize}

# `locmem` and `default` are those that quickcache 0.5.4 takes, and cannot take others.
BACKENDS = [
    Backend("quickcache", "memory", "quickcache.django.MemoryCache", "quickcache"),
    Backend("Django LocMemCache", "locmem", f"{STOCK}.locmem.LocMemCache"),
    Backend("quickcache", "server", "quickcache.django.RedisCache", "quickcache"),
    Backend("Django RedisCache", "default", f"{STOCK}.redis.RedisCache"),
    Backend("django-redis", "django_redis", "django_redis.cache.RedisCache", "django-redis"),
    Backend("django-vcache", "vcache", "django_vcache.backend.ValkeyCache", "django-vcache", AS_OTHERS_DO),
]


def load() -> tuple[list[Backend], dict[str, str], dict[str, str]]:
    """The backends that are here, the versions of what they are of, and why others are absent."""
    found: list[Backend] = []
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for backend in BACKENDS:
        module, _, _ = backend.path.rpartition(".")
        try:
            importlib.import_module(module)
            versions[backend.distribution] = metadata.version(backend.distribution)
        except ImportError as error:
            absent[backend.name] = str(error)
            continue
        found.append(backend)
    return found, versions, absent


@contextmanager
def configured(backends: list[Backend], url: str) -> Iterator[Any]:
    """Django's `caches`, with these in its settings."""
    from django.conf import settings  # noqa: PLC0415  Django may be absent
    from django.core.cache import caches  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    if not settings.configured:
        settings.configure()
    with override_settings(CACHES={one.alias: one.settings(url) for one in backends}):
        yield caches


def check_lives(backends: list[Backend]) -> None:
    """WrongAnswerError if a value with a life is not held during it, or is held after it."""
    with serving() as server, configured(backends, server.addresses["TCP"].url) as caches:
        for expected in (1, None):
            for backend in backends:
                if expected:
                    caches[backend.alias].set(backend.alias, 1, LIFE)
                if (found := caches[backend.alias].get(backend.alias)) != expected:
                    raise WrongAnswerError(f"{backend.name}: {found}, not {expected}, of a value's life")
            time.sleep(LIFE * 1.5)
