"""One compared case."""

from typing import NamedTuple


class Case(NamedTuple):
    """What was tried, what happened on the way, and how it ended."""

    label: str
    events: tuple[str, ...]
    outcome: str

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.label}:", *(f"    {event}" for event in self.events), f"  -> {self.outcome}"]
        )
