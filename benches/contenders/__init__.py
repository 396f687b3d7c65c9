"""The contenders, a file for each library. What is not installed is left out, and said so."""

import importlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from benches.contender import Contender, Remote

# The file, and the distributions whose versions are told, unless the contenders' names tell it already.
# To add a peer, write its file and a line here.
LIBRARIES = {
    "ours": "quickcache",
    "lru_cache": "",
    "cachebox_lru": "cachebox",
    "moka_tinylfu": "moka-py",
    "cachetools_locked": "cachetools",
    "theine_memoize": "theine",
    "cashews_memory": "cashews",
    "django_locmem": "django",
    "original": "",
}
REMOTE_LIBRARIES = {
    "remote_ours": "quickcache",
    "remote_redis_py": "redis hiredis",
    "remote_django_redis": "django-redis",
    "remote_django": "django",
    "remote_vcache": "django-vcache",
    "remote_glide": "valkey-glide-sync",
    "remote_cashews": "cashews",
}


class AbsentError(Exception):
    """A library is not here, and why."""


def load() -> tuple[list[Contender], dict[str, str], dict[str, str]]:
    """All contenders that are here, the versions of their libraries, and why others are absent."""
    return loaded(LIBRARIES)


def load_remote() -> tuple[list[Remote], dict[str, str], dict[str, str]]:
    """The same for caches at a server."""
    return loaded(REMOTE_LIBRARIES)


def loaded(libraries: Mapping[str, str]) -> tuple[list[Any], dict[str, str], dict[str, str]]:
    contenders: list[Any] = []
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for file, distributions in libraries.items():
        try:
            module = importlib.import_module(f"{__name__}.{file}")
        except (ImportError, AbsentError) as error:
            absent[distributions or file] = str(error)
            continue
        contenders += module.CONTENDERS
        versions |= {name: metadata.version(name) for name in distributions.split()}
    return contenders, versions, absent
