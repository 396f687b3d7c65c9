"""Where a clear during a call wins, and where not yet: the two lists of docs/clearing.md."""

from collections.abc import Callable

import pytest

from quickcache import CacheWithPresets, MemoryCache, QuickCacheHelper, TieredCache, get_quickcache


class Store:
    """A tier of another kind."""

    def __init__(self):
        self.held = {}

    def get(self, key, default=None):
        return self.held.get(key, default)

    def set(self, key, value):
        self.held[key] = value

    def delete(self, key):
        self.held.pop(key, None)


class Own(QuickCacheHelper):
    def call(self, *args, **kwargs):
        return super().call(*args, **kwargs)


class StoringItself(QuickCacheHelper):
    def call(self, *args, **kwargs):
        key = self.get_cache_key(*args, **kwargs)
        value = self.cache.get(key, default=...)
        if value is ...:
            value = self.fn(*args, **kwargs)
            self.cache.set(key, value)
        return value


class OwnMemory(MemoryCache):
    pass


class OwnTiers(TieredCache):
    pass


def wins(cache, *, fresh=False, helper_class=QuickCacheHelper):
    """Whether a clear during the first call has the second one compute."""
    calls = []

    @get_quickcache(cache=cache)([], skip_arg="fresh", helper_class=helper_class)
    def compute(fresh=False):
        calls.append(fresh)
        if len(calls) == 1:
            compute.clear()

    compute(fresh=fresh)
    compute()
    return len(calls) == 2


WON: dict[str, Callable[[], bool]] = {
    "alone": lambda: wins(MemoryCache()),
    "in presets": lambda: wins(CacheWithPresets(MemoryCache(), 60)),
    "as tiers": lambda: wins(TieredCache([MemoryCache(), MemoryCache()])),
    "in calls that skip": lambda: wins(TieredCache([MemoryCache()]), fresh=True),
    "in helpers that call super": lambda: wins(MemoryCache(), helper_class=Own),
    "in both": lambda: wins(MemoryCache(), fresh=True, helper_class=Own),
    "in a tuple of tiers": lambda: wins(TieredCache((MemoryCache(),))),
    "in a tuple of tiers, skipped": lambda: wins(TieredCache((MemoryCache(),)), fresh=True),
    "in a tuple of tiers, own helper": lambda: wins(TieredCache((MemoryCache(),)), helper_class=Own),
    "another tier": lambda: wins(Store()),
    "another tier below memory": lambda: wins(TieredCache([MemoryCache(), Store()])),
    "a subclass of MemoryCache": lambda: wins(OwnMemory()),
    "a subclass of TieredCache": lambda: wins(OwnTiers([MemoryCache()])),
    "tiers inside tiers": lambda: wins(TieredCache([TieredCache([MemoryCache()])])),
}
NOT_YET: dict[str, Callable[[], bool]] = {
    "helpers that store": lambda: wins(MemoryCache(), helper_class=StoringItself),
}


@pytest.mark.parametrize("case", WON)
def test_a_clear_wins(case):
    assert WON[case]()


@pytest.mark.parametrize("case", NOT_YET)
def test_a_clear_does_not_win_yet(case):
    """Once one of these wins, it is to go from the page's list."""
    assert not NOT_YET[case]()
