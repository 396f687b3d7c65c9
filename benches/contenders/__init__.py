"""The contenders, a file for each library. What is not installed is left out, and said so."""

import importlib
from importlib import metadata

from benches.contender import Contender

# The file, and the distribution whose version is told, unless the contenders' names tell it already.
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


class AbsentError(Exception):
    """A library is not here, and why."""


def load() -> tuple[list[Contender], dict[str, str], dict[str, str]]:
    """All contenders that are here, the versions of their libraries, and why others are absent."""
    contenders: list[Contender] = []
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for file, distribution in LIBRARIES.items():
        try:
            module = importlib.import_module(f"{__name__}.{file}")
        except (ImportError, AbsentError) as error:
            absent[distribution or file] = str(error)
            continue
        contenders += module.CONTENDERS
        if distribution:
            versions[distribution] = metadata.version(distribution)
    return contenders, versions, absent
