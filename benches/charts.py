"""Results as SVG charts."""

from collections.abc import Mapping
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


def draw(result: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Draw what was measured; the names of the files with what each shows."""
    races = by_name([Race.of_json(race) for race in result["races"]])
    tag = result["facts"]["python_tag"]
    drawn: list[tuple[str, str]] = []

    def save(name: str, title: str) -> None:
        file = f"{tag}-{name}.svg"
        plt.tight_layout()
        plt.savefig(folder / file, metadata={"Date": None})
        plt.close()
        drawn.append((file, f"{title}, Python {tag}"))

    if "hot/int" in races:
        bars(races["hot/int"], logarithmic=True)
        save("hot", "Hot hit of an int")
    sizes = {"1": "sets/1", "1k": "sets/1k", "10k": "sets/10k", "100k": "sets/100k"}
    percents = {f"p{percent}": f"latency/p{percent}" for percent in (50, 90, 99, 99.9, 99.99)}
    counts = {str(count): f"threads/{count}" for count in (1, 2, 4)}
    entries = {
        f"{size // 1000}k": f"memory/{size}" for size in (10_000, 20_000, 40_000, 80_000, 160_000, 320_000)
    }
    for name, title, by_label, across, logarithmic in (
        ("sets", "Hits of many keys in random order", sizes, "keys", True),
        ("latency", "Latency of single hits", percents, "percentile", True),
        ("threads", "A call's time with several threads", counts, "threads", True),
        ("memory", "Memory per entry", entries, "entries", False),
    ):
        chosen = {label: races[race] for label, race in by_label.items() if race in races}
        if len(chosen) > 1:
            lines(chosen, across, logarithmic=logarithmic)
            save(name, title)
    if "zipf" in races:
        bars(races["zipf"], logarithmic=False)
        save("zipf", "A cache that is too small, under Zipf's law")
    return drawn


def bars(race: Race, *, logarithmic: bool) -> None:
    """A bar for each contender, the quickest on top, with the middle half of its rounds."""
    spreads = {name: spread(samples) for name, samples in race.samples.items() if name not in ASIDES}
    names = sorted(spreads, key=lambda name: -spreads[name].middle)
    middles = [spreads[name].middle for name in names]
    lows = [spreads[name].middle - spreads[name].low for name in names]
    highs = [spreads[name].high - spreads[name].middle for name in names]
    _, axes = plt.subplots(figsize=(7, 0.6 + 0.3 * len(names)))
    found = axes.barh(names, middles, xerr=[lows, highs], color=[colour(name) for name in names])
    axes.bar_label(found, labels=[f"{middle:,.0f}" for middle in middles], padding=4)
    axes.set_xlabel(race.unit)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlabel(f"{race.unit}, logarithmic")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


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
