"""Keys drawn at random."""

import random
from collections.abc import Sequence
from itertools import accumulate


def seeded(seed: int) -> random.Random:
    """The same chances in each run."""
    return random.Random(seed)  # noqa: S311  nothing is to be kept secret


def zipf(keys: Sequence[int], calls: int, chance: random.Random) -> list[int]:
    """Keys by Zipf's law with the exponent 1: the n-th is drawn 1/n times as often as the first.

    Which key is which is left to chance as well.
    """
    ranked = list(keys)
    chance.shuffle(ranked)
    weights = list(accumulate(1 / rank for rank in range(1, len(ranked) + 1)))
    return chance.choices(ranked, cum_weights=weights, k=calls)
