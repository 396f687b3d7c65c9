"""The settings of a package's tests, with its caches on the backend that is on trial.

Django imports this within the tests of a package. ECOSYSTEM_PACKAGE is the package's name in packages.toml,
ECOSYSTEM_BACKEND the path of a backend, and ECOSYSTEM_SERVER, where the backend has one, its URL without a
database.
"""

import importlib
import os
import tomllib
from pathlib import Path
from typing import Any

from django.conf import global_settings

# Nothing listens on this port.
NOWHERE = "redis://127.0.0.1:1"
# What stays as it is: it is there to cache nothing.
DUMMY = "django.core.cache.backends.dummy.DummyCache"


def on_trial(cache: dict[str, Any], database: int) -> dict[str, Any]:
    """An entry of CACHES with its backend replaced: all but what is one backend's own stays."""
    kept = {name: cache[name] for name in cache if name not in {"BACKEND", "LOCATION", "OPTIONS"}}
    backend, server = os.environ["ECOSYSTEM_BACKEND"], os.environ.get("ECOSYSTEM_SERVER")
    if server:
        url = NOWHERE if cache.get("LOCATION") == "nowhere" else server
        return {**kept, "BACKEND": backend, "LOCATION": f"{url}/{database}"}
    most = cache.get("OPTIONS", {}).get("MAX_ENTRIES")
    options = {} if most is None else {"OPTIONS": {"MAX_ENTRIES": most}}
    return {**kept, "BACKEND": backend, "LOCATION": f"place {database}", **options}


def all_on_trial(theirs: dict[str, Any]) -> dict[str, Any]:
    """CACHES, in which those that shared a place still do."""
    places = [(cache["BACKEND"], cache.get("LOCATION")) for cache in theirs.values()]
    return {
        alias: cache if cache["BACKEND"] == DUMMY else on_trial(cache, places.index(place))
        for (alias, cache), place in zip(theirs.items(), places, strict=True)
    }


def settings() -> dict[str, Any]:
    """All that the package's tests have set, and what packages.toml sets."""
    table = tomllib.loads(Path(__file__).parents[1].joinpath("packages.toml").read_text(encoding="utf-8"))
    [package] = [one for one in table["package"] if one["name"] == os.environ["ECOSYSTEM_PACKAGE"]]
    theirs = vars(importlib.import_module(package["settings"])) if "settings" in package else {}
    found = {**{name: theirs[name] for name in theirs if name.isupper()}, **package.get("set", {})}
    return {**found, "CACHES": all_on_trial(found.get("CACHES", global_settings.CACHES))}


globals().update(settings())

# What tests that set CACHES themselves are given where they name LocMemCache.
LOCAL = on_trial({}, 0)
