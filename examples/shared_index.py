"""One of several processes that answer questions about Python's standard library over one cache on a server.

redis_demo.py starts two of them, and asks and is answered in lines of JSON. The functions are those of any
program that has a RedisCache.
"""

import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stdlib_index import Package, calls, parse, standard_library

from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache, stats

MEMORY_LIFE = 3_600.0  # seconds: what is cleared or changed anywhere is not in memory any more

# Nothing is connected before it is used.
SERVER = RedisCache(os.environ.get("REDIS_URL", "redis://localhost:6379"), key_prefix="demo:")
MEMORY = MemoryCache()

# Memory first, then the server, which tells each process of what changes.
in_both = get_quickcache(cache=TieredCache([MEMORY, SERVER]), memoize_timeout=MEMORY_LIFE, timeout=5 * 60)
# On the server alone: a clear in one process is a clear in all. Of all that miss, one computes.
on_server = get_quickcache(cache=SERVER, timeout=5 * 60, single_flight="fleet", flight_wait=60)


@in_both(["package.name"])
def outline(package: Package) -> int:
    """How many modules a package has."""
    return sum(1 for _ in parse(package))


@on_server(["package.name", "name"])
def callers(package: Package, name: str) -> list[str]:
    """The places under a package where something called `name` is called."""
    return [place for module, tree in parse(package) for place in calls(name, tree, module)]


@on_server(["file"])
def edition(file: Path) -> str:
    """What a file says. Working on it takes until we are told to go on."""
    text = file.read_text(encoding="utf-8")
    tell({"has read": text})
    hear()
    return text


PACKAGES = {package.name: package for package in standard_library()}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (outline, callers, edition)
}


def answer(what: str, name: str = "", *words: str) -> dict[str, Any]:
    """What comes of a request: to `call`, to call `uncached`, to `clear`, to tell the `key`, to `count`."""
    if what == "count":
        computed = sum(stats(function)["computations"] for function in FUNCTIONS.values())
        counts = {"computed": computed, "memory": MEMORY.stats()["hits"], **SERVER.stats()}
        return {"counts": counts}
    function: Any = FUNCTIONS[name]
    first = Path(words[0]) if function is edition else PACKAGES[words[0]]
    arguments = (first, *words[1:])
    if what == "clear":
        function.clear(*arguments)
        return {}
    if what == "uncached":
        return {"value": inspect.unwrap(function)(*arguments)}
    hits = MEMORY.stats()["hits"], SERVER.stats()["hits"]
    computed = stats(function)["computations"]
    begin = time.perf_counter()
    value = function(*arguments)
    seconds = time.perf_counter() - begin
    source = "server"
    if stats(function)["computations"] > computed:
        source = "computed"
    elif MEMORY.stats()["hits"] > hits[0]:
        source = "memory"
    return {"value": value, "source": source, "seconds": seconds}


def tell(what: dict[str, Any]) -> None:
    """Say something to who asks."""
    print(json.dumps(what), flush=True)


def hear() -> list[str] | None:
    """What is asked next; None if nothing is."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def main() -> None:
    """Answer until nothing more is asked."""
    while request := hear():
        tell(answer(*request))


if __name__ == "__main__":
    main()
