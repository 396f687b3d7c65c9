"""What a scenario measured."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class Race:
    """Contenders under one load: a figure per round for each."""

    name: str
    title: str
    unit: str
    samples: dict[str, list[float]]
    left_out: dict[str, str] = field(default_factory=dict)  # why a contender does not take part
    notes: dict[str, str] = field(default_factory=dict)  # more about a contender

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)


Races = Mapping[str, Race]


def by_name(races: list[Race]) -> dict[str, Race]:
    return {race.name: race for race in races}
