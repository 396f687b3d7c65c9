"""Makes docs/benchmarks.md, and its charts, of results: `python -m benches.page RESULT.json ...`."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benches import charts, markdown

DOCS = Path(__file__).parent.parent / "docs"
CHARTS = "benchmarks"

INTRODUCTION = """# Benchmarks

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


def main(files: Iterable[str]) -> int:
    results = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    if not results:
        print("No result was given: run `make bench` first", file=sys.stderr)
        return 1
    folder = DOCS / CHARTS
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    drawn = [charts.draw(result, folder) for result in results]
    text = page(results, drawn)
    (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    print(f"docs/benchmarks.md: {len(results)} results, {sum(map(len, drawn))} charts")
    return 0


def page(results: Iterable[Mapping[str, Any]], charts_of: Iterable[Iterable[tuple[str, str]]]) -> str:
    """The whole page: for each result, its targets, its charts and its tables."""
    parts = [INTRODUCTION.strip()]
    for result, drawn in zip(results, charts_of, strict=True):
        parts += [f"## Python {result['facts']['python_tag']}", markdown.about(result)]
        parts += ["### Targets", markdown.targets(result["verdicts"])]
        parts += [f"![{title}]({CHARTS}/{file})" for file, title in drawn]
        for title, said, table in markdown.subjects(result):
            parts += [f"### {title}", said, table]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
