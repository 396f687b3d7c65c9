"""Results as Markdown: the targets, and a table for each subject."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benches.figures import ratios, spread
from benches.result import Race
from benches.targets import OURS, OURS_SHARED

# What a scenario's tables are headed by, and said before them.
SUBJECTS = {
    "hot": ("Hot hits", "One call again and again."),
    "arguments": ("More types of arguments", "One call again and again."),
    "sets": (
        "Working sets",
        "Calls for many keys that are all held, each once in random order, or by Zipf's law.",
    ),
    "values": (
        "Values",
        "One call again and again. Apart: what a caller does to a value, no other sees; else they share it.",
    ),
    "threads": ("Threads", "One hot call, made by several threads: the time of all, divided by the calls."),
    "latency": (
        "Latency",
        "Percentiles of single hits among 10,000 keys in random order, with the clock's own time.",
    ),
    "zipf": ("A cache that is too small", "From an empty cache on."),
    "memory": (
        "Memory",
        "By how much a process grows per entry, keys included; values are ints that Python has anyway.",
    ),
    "get": ("Hits of one thread", "One value asked for again and again."),
    "threaded": (
        "Hits of eight threads",
        "Eight threads, each with a key of its own: the time of all, divided by the hits.",
    ),
    "reads": (
        "Commands per read",
        "While eight threads ask for dicts: how many commands the server found in one read of a socket.",
    ),
    "many": ("A hundred values at once", "get_many with 100 keys of dicts."),
    "alias": (
        "A get through Django",
        "`cache.get(key)` of a backend, with `cache = caches[alias]` held; and `get_many` of a hundred keys.",
    ),
    "decorated": (
        "Hits of decorated functions",
        "One call again and again of a function decorated by `get_django_quickcache`, with a memory above.",
    ),
    "story": (
        "16,159 calls",
        "The calls of one function, and all values in Redis already but none in memory.",
    ),
}

MARKS = {
    "stretch": "met, stretch",
    "commit": "met",
    "missed": "**not met**",
    "not measured": "not measured",
}


def report(result: Mapping[str, Any]) -> str:
    """A whole page about one result."""
    parts = [f"# Benchmarks on Python {result['facts']['python_tag']}", about(result)]
    parts += ["## Targets", targets(result["verdicts"])]
    for title, said, table in subjects(result):
        parts += [f"## {title}", said, table]
    return "\n\n".join(parts) + "\n"


def about(result: Mapping[str, Any]) -> str:
    """Where the figures are from, as a list."""
    facts = result["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    machine = f"{facts.get('cpu_model_name', '?')}, {facts.get('cpu_count', '?')} processors, "
    machine += facts.get("platform", "")
    lines = [
        f"- {facts['python']}, optimised: {facts['optimised']}",
        f"- {machine}",
        f"- {versions}",
        *(f"- left out: {name}, {first_line(why)}" for name, why in result["absent"].items()),
        f"- {result['date']}{', quick: little was measured' if result['quick'] else ''}",
    ]
    return "\n".join(lines)


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; all columns but the first are figures, and stand to the right."""
    columns = list(head)
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def targets(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """What was to be reached, what was, and the middle half of its rounds."""
    rows = []
    for row in verdicts:
        sign = "≥" if row["at_least"] else "≤"
        given = (row["commit"], row["stretch"])
        limits = ["-" if limit is None else f"{sign} {number(limit)}x" for limit in given]
        measured = row["ratio"] is not None
        figure = f"{number(row['ratio'])}x" if measured else "-"
        half = f"{number(row['low'])} to {number(row['high'])}" if measured else "-"
        rows.append([row["what"], *limits, figure, half, MARKS[row["met"]]])
    return table(["what", "commit", "stretch", "measured", "middle half", "verdict"], rows)


def subjects(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """For each subject that was measured: its title, what is said before its table, and the table."""
    races = [Race.of_json(race) for race in result["races"]]
    for name, (title, said) in SUBJECTS.items():
        chosen = [race for race in races if race.name.split("/")[0] == name]
        if chosen:
            yield (
                title,
                f"{said} In {chosen[0].unit}; in brackets, the peer's figure over ours.",
                matrix(chosen),
            )


def matrix(races: list[Race]) -> str:
    """A row for each contender, a column for each race."""
    contenders = list(dict.fromkeys(name for race in races for name in race.samples))
    rows = [[name, *(cell(race, name) for race in races)] for name in contenders]
    return table(["", *(race.title for race in races)], rows)


def cell(race: Race, name: str) -> str:
    """A contender's median, how its rounds compare with ours, and its notes."""
    if name not in race.samples:
        return "-"
    text = number(spread(race.samples[name]).middle)
    ours = next((other for other in (OURS, OURS_SHARED) if other in race.samples), name)
    if name != ours:
        text += f" ({number(spread(ratios(race.samples[name], race.samples[ours])).middle)}x)"
    return text + (f", {race.notes[name]}" if name in race.notes else "")


def number(value: float) -> str:
    """Three digits that count."""
    size = abs(value)
    if size >= 100:  # noqa: PLR2004  three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"  # noqa: PLR2004
