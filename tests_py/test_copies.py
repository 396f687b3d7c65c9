"""Helpers and tiers can be copied and pickled, as they could in 0.5."""

import copy
import pickle

import pytest

from quickcache import CacheWithPresets, QuickCacheHelper, TieredCache


class Store(dict):
    """A tier that can be pickled."""

    def get(self, key, default=None):
        return super().get(key, default)

    def set(self, key, value):
        self[key] = value


def double(x):
    return 2 * x


COPIES = {
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": lambda value: pickle.loads(pickle.dumps(value)),
}


@pytest.fixture(params=COPIES)
def copied(request):
    return COPIES[request.param]


def test_a_copied_helper_answers_as_its_original(copied):
    helper = QuickCacheHelper(double, ["x"], Store())
    helper(3)
    twin = copied(helper)
    assert (6, helper.get_cache_key(3), helper.cache) == (twin(3), twin.get_cache_key(3), twin.cache)


def test_copied_tiers_hold_what_their_originals_did(copied):
    tiers = TieredCache([Store(), Store()])
    tiers.set("key", "value")
    assert "value" == copied(tiers).get("key")


def test_copied_presets_are_equal(copied):
    presets = CacheWithPresets(Store(), 5)
    assert presets == copied(presets)
