"""Which keys are cleared when: few at a time, by all processes at once, and then none of them for a while.

So computations, stores and clears of a key meet, and then it shows whether what was left is right: a value
that nobody clears soon stays wrong, if it is, for longer than any rule allows.
"""

import math
from dataclasses import dataclass

SLOT = 20_000_000  # ns for which keys are cleared
AT_ONCE = 3  # keys of the first kind in a slot; there is one of the second


@dataclass(frozen=True)
class Keys:
    """Numbers of keys: the first `often` come back after some bounds, the others after an outage as well."""

    often: int
    seldom: int

    @classmethod
    def make(cls, bound: float, resend: float) -> "Keys":
        return cls(AT_ONCE * _slots(2 * bound), _slots(4 * bound + 2 * resend))

    def __len__(self) -> int:
        return self.often + self.seldom

    def hot(self, time: int) -> list[int]:
        """Those that are cleared at that time, which is one of time.monotonic_ns."""
        slot = time // SLOT
        first = [(AT_ONCE * slot + place) % self.often for place in range(AT_ONCE)]
        return [*first, self.often + slot % self.seldom]


def _slots(seconds: float) -> int:
    return math.ceil(seconds * 1e9 / SLOT)
