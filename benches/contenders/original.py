"""quickcache 0.5.4, over a dict, which is the best it can get, and over Django's LocMemCache."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from benches.contender import Cached, Contender, Subject
from benches.contenders import AbsentError

VARIABLE = "QUICKCACHE_ORACLE"


def load() -> ModuleType:
    """The package of 0.5.4 under another name, as `quickcache` is ours.

    It imports its own modules relatively, so they are found under that name too.
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise AbsentError(f"{VARIABLE} does not name the folder that it is in")
    package = Path(folder) / "quickcache"
    spec = importlib.util.spec_from_file_location(
        "quickcache_original", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise AbsentError(f"{package} is no package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, folder)  # for six
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


ORIGINAL = load()


class Store(dict[str, Any]):
    """The cheapest object that 0.5.4 takes for a cache."""

    set = dict.__setitem__

    def get(self, key: str, default: Any = None) -> Any:
        # dict's own takes no keyword.
        return self[key] if key in self else default  # noqa: SIM401


def over_dict(subject: Subject, _capacity: int, _timeout: float | None) -> Cached:
    quickcache = ORIGINAL.get_quickcache(cache=Store())
    return Cached(quickcache(list(subject.vary_on))(subject.function))


def over_locmem(subject: Subject, capacity: int, timeout: float | None) -> Cached:
    from benches.contenders.django_locmem import local_memory  # noqa: PLC0415  may be absent

    cache: Any = local_memory(capacity)
    if timeout is not None:
        cache = ORIGINAL.cache_helpers.CacheWithPresets(cache, timeout)
    quickcache = ORIGINAL.get_quickcache(cache=cache)
    return Cached(quickcache(list(subject.vary_on))(subject.function))


CONTENDERS = [
    Contender("quickcache 0.5.4", over_dict, frozenset({"hot", "shared"}), expires=False),
    Contender("quickcache 0.5.4 over LocMemCache", over_locmem, frozenset({"hot", "apart"})),
]
