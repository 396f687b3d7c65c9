"""The scenarios, a file for each subject; each runs in a process of its own, with all its contenders."""

from collections.abc import Callable, Iterator

from benches.contender import Contender, Remote
from benches.contenders.aliases import Backend
from benches.result import Race
from benches.scenarios import (
    arguments,
    django_aliases,
    hot,
    latency,
    memory,
    remote_hits,
    remote_many,
    remote_story,
    threads,
    values,
    working_sets,
    zipf,
)
from benches.timing import Plan

Scenario = Callable[[Plan, list[Contender]], Iterator[Race]]

SCENARIOS: dict[str, Scenario] = {
    "hot": hot.races,
    "arguments": arguments.races,
    "working_sets": working_sets.races,
    "values": values.races,
    "threads": threads.races,
    "latency": latency.races,
    "zipf": zipf.races,
    "memory": memory.races,
}

RemoteScenario = Callable[[Plan, list[Remote]], Iterator[Race]]

REMOTE_SCENARIOS: dict[str, RemoteScenario] = {
    "remote_hits": remote_hits.races,
    "remote_many": remote_many.races,
    "remote_story": remote_story.races,
}

DJANGO_SCENARIOS: dict[str, Callable[[Plan, list[Backend]], Iterator[Race]]] = {
    "django_aliases": django_aliases.races,
}

# Those that would measure something else on a single processor.
NEED_PROCESSORS = {"threads", *REMOTE_SCENARIOS, *DJANGO_SCENARIOS}
