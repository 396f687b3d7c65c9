"""Benchmarks that are run, judged and shown together: of caches in memory, at a server, and behind Django."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benches import connecting, contenders, preparing
from benches.contenders import aliases
from benches.django_targets import DJANGO_TARGETS
from benches.remote_targets import REMOTE_TARGETS
from benches.result import Race
from benches.scenarios import DJANGO_SCENARIOS, REMOTE_SCENARIOS, SCENARIOS
from benches.targets import TARGETS, Target
from benches.timing import Plan


@dataclass(frozen=True)
class Suite:
    """What is run, by whom, and what is to be reached."""

    load: Callable[[], tuple[list[Any], dict[str, str], dict[str, str]]]
    check_lives: Callable[[list[Any]], None]
    scenarios: Mapping[str, Callable[[Plan, list[Any]], Iterator[Race]]]
    targets: list[Target]


SUITES = {
    "memory": Suite(contenders.load, preparing.check_lives, SCENARIOS, TARGETS),
    "django": Suite(aliases.load, aliases.check_lives, DJANGO_SCENARIOS, DJANGO_TARGETS),
    "redis": Suite(contenders.load_remote, connecting.check_lives, REMOTE_SCENARIOS, REMOTE_TARGETS),
}
