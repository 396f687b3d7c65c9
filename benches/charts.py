"""Results as SVG charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

from benches.figures import spread
from benches.result import Race, by_name

# The same figures give the same file, and texts stay texts.
mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "quickcache", "svg.fonttype": "none", "font.size": 9})
OURS_COLOUR, PEERS_COLOUR = "#c2410c", "#94a3b8"

# Those that tell no peer's speed.
ASIDES = ("the loop alone", "the clock alone")


@dataclass(frozen=True)
class Chart:
    """One race as bars, or several of them, by their labels, as lines across something."""

    name: str
    title: str
    races: str | Mapping[str, str]
    across: str = ""
    logarithmic: bool = True


SIZES = {"50 B": "50", "1 KB": "1k", "100 KB": "100k"}

CHARTS = [
    Chart("hot", "Hot hit of an int", "hot/int"),
    Chart(
        "sets",
        "Hits of many keys in random order",
        {"1": "sets/1", "1k": "sets/1k", "10k": "sets/10k", "100k": "sets/100k"},
        "keys",
    ),
    Chart(
        "latency",
        "Latency of single hits",
        {f"p{percent}": f"latency/p{percent}" for percent in (50, 90, 99, 99.9, 99.99)},
        "percentile",
    ),
    Chart(
        "threads",
        "A call's time with several threads",
        {str(count): f"threads/{count}" for count in (1, 2, 4)},
        "threads",
    ),
    Chart(
        "memory",
        "Memory per entry",
        {f"{size}k": f"memory/{size}000" for size in (10, 20, 40, 80, 160, 320)},
        "entries",
        logarithmic=False,
    ),
    Chart("zipf", "A cache that is too small, under Zipf's law", "zipf", logarithmic=False),
    Chart("get", "A hit of one thread, a dict, TCP", "get/dict TCP", logarithmic=False),
    Chart(
        "threaded", "Eight threads, a hit's share of the time, TCP", "threaded/dict TCP", logarithmic=False
    ),
    Chart(
        "get-sizes",
        "Hits of one thread by the size of the value, TCP",
        {label: f"get/{size} TCP" for label, size in SIZES.items()},
        "value",
    ),
    Chart(
        "threaded-sizes",
        "Hits of eight threads by the size of the value, TCP",
        {label: f"threaded/{size} TCP" for label, size in SIZES.items()},
        "value",
    ),
    Chart("many", "get_many of a hundred dicts, TCP", "many/TCP", logarithmic=False),
    Chart("reads", "Commands per read of the server, eight threads, TCP", "reads/TCP", logarithmic=False),
    Chart("story", "16,159 calls", "story"),
    Chart("alias-memory", "A get of a dict through Django, memory", "alias/memory dict", logarithmic=False),
    Chart("alias-server", "A get of a dict through Django, a server", "alias/server", logarithmic=False),
    Chart("decorated", "A hit of a decorated function, an int", "decorated/int"),
]


def draw(result: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Draw what was measured; the names of the files with what each shows."""
    races = by_name([Race.of_json(race) for race in result["races"]])
    tag = result["facts"]["python_tag"]
    drawn: list[tuple[str, str]] = []
    for chart in CHARTS:
        if not plotted(chart, races):
            continue
        file = f"{tag}-{chart.name}.svg"
        plt.tight_layout()
        plt.savefig(folder / file, metadata={"Date": None})
        plt.close()
        drawn.append((file, f"{chart.title}, Python {tag}"))
    return drawn


def plotted(chart: Chart, races: Mapping[str, Race]) -> bool:
    """Whether there is enough for a chart; if so, it has been plotted."""
    if isinstance(chart.races, str):
        if chart.races not in races:
            return False
        bars(races[chart.races], logarithmic=chart.logarithmic)
        return True
    chosen = {label: races[race] for label, race in chart.races.items() if race in races}
    if len(chosen) > 1:
        lines(chosen, chart.across, logarithmic=chart.logarithmic)
    return len(chosen) > 1


def bars(race: Race, *, logarithmic: bool) -> None:
    """A bar for each contender, the quickest on top, with the middle half of its rounds."""
    spreads = {name: spread(samples) for name, samples in race.samples.items() if name not in ASIDES}
    names = sorted(spreads, key=lambda name: -spreads[name].middle)
    middles = [spreads[name].middle for name in names]
    lows = [spreads[name].middle - spreads[name].low for name in names]
    highs = [spreads[name].high - spreads[name].middle for name in names]
    _, axes = plt.subplots(figsize=(7, 0.6 + 0.3 * len(names)))
    found = axes.barh(names, middles, xerr=[lows, highs], color=[colour(name) for name in names])
    axes.bar_label(found, labels=list(map(rounded, middles)), padding=4)
    axes.set_xlabel(race.unit)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlabel(f"{race.unit}, logarithmic")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"  # noqa: PLR2004  two digits


def lines(races: Mapping[str, Race], across: str, *, logarithmic: bool) -> None:
    """A line for each contender, from race to race."""
    _, axes = plt.subplots(figsize=(7, 4))
    names = dict.fromkeys(name for race in races.values() for name in race.samples)
    for name in names:
        chosen = {label: race for label, race in races.items() if name in race.samples}
        middles = [spread(race.samples[name]).middle for race in chosen.values()]
        own = {"color": OURS_COLOUR, "linewidth": 2.5} if name == "quickcache" else {}
        dashes = ":" if name in ASIDES else "-"
        axes.plot(list(chosen), middles, dashes, marker="o", markersize=3, label=name, **own)
    unit = next(iter(races.values())).unit
    axes.set_xlabel(across)
    axes.set_ylabel(unit)
    if logarithmic:
        axes.set_yscale("log")
        axes.set_ylabel(f"{unit}, logarithmic")
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def colour(name: str) -> str:
    ours = name == "quickcache" or name.startswith("quickcache,")
    return OURS_COLOUR if ours else PEERS_COLOUR
