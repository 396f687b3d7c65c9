"""The scenarios, a file for each subject; each runs in a process of its own, with all its contenders."""

from collections.abc import Callable, Iterator

from benches.contender import Contender
from benches.result import Race
from benches.scenarios import (
    arguments,
    hot,
    latency,
    memory,
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

# Those that would measure something else on a single processor.
NEED_PROCESSORS = {"threads"}
