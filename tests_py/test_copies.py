"""What can be copied and pickled is, as it was in 0.5; and what cannot says what to do instead."""

import copy
import pickle
import types
import weakref

import pytest

from quickcache import (
    CacheWithPresets,
    ManualClock,
    MemoryCache,
    QuickCacheHelper,
    TieredCache,
    UncacheableValueError,
    _native,
    get_quickcache,
    stats,
)
from quickcache.native_utc import utc


class Store(dict):
    """A tier that can be pickled."""

    def get(self, key, default=None):
        return super().get(key, default)

    def set(self, key, value):
        self[key] = value


def double(x):
    return 2 * x


quickcache = get_quickcache(cache=MemoryCache())


@quickcache(["x"])
def triple(x):
    return 3 * x


class Account:
    number = 7

    @quickcache(["self.number"])
    def total(self):
        return self.number


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


class TestADecoratedFunction:
    def test_is_its_own_copy(self, copied):
        """As any function is: its pickle names it."""
        assert copied(triple) is triple

    def test_is_pickled_without_its_values(self):
        triple(1234567)
        assert len(pickle.dumps(triple)) < 200

    def test_in_a_function_cannot_be_pickled(self):
        """As any function of a function."""

        @quickcache(["x"])
        def local(x):
            return x

        with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
            pickle.dumps(local)

    def test_answers_as_a_method_of_a_copied_object(self, copied):
        account = Account()
        account.number = 8
        twin = copied(account.total)
        assert (8, Account.total) == (twin(), twin.__func__)

    def test_may_be_weakly_referred_to_with_what_it_has(self):
        for each in (triple, triple.clear, triple.clear.__self__, Account().total):
            reference = weakref.ref(each)
            assert reference() is each

    @pytest.mark.parametrize("name", ["clear", "get_cache_key", "get_cached_value", "set_cached_value"])
    def test_has_attributes_that_are_copied_but_not_pickled(self, name):
        """As in 0.5.4: they belong to the helper, and its function's name leads to the decorated one."""
        attribute = getattr(triple, name)
        assert attribute.__self__ is copy.copy(attribute).__self__
        with pytest.raises(pickle.PicklingError, match="not the same object"):
            pickle.dumps(attribute)

    def test_has_a_settable_whose_copies_set_the_same(self):
        settable = triple.set_cached_value(5)
        for make in (copy.copy, copy.deepcopy):
            make(settable).to(make.__name__)
            assert make.__name__ == triple(5)
        triple.clear(5)


class TestAConfiguration:
    def test_is_copied_with_its_options(self, copied):
        options = {"timeout": 5, "memoize_timeout": 6, "key_format": "qualified", "flight_wait": 7}
        configuration = get_quickcache(cache=Store(), vary_on=["x"], **options)
        twin = copied(configuration)
        assert (configuration, vars(configuration)) == (twin, vars(twin))
        assert {**options} == {name: getattr(twin, name) for name in options}

    def test_shares_its_memory_with_a_shallow_copy(self):
        configuration = get_quickcache(cache=MemoryCache())
        assert configuration.cache is copy.copy(configuration).cache

    def test_has_no_weak_references(self):
        """As every tuple."""
        with pytest.raises(TypeError, match="weak reference"):
            weakref.ref(get_quickcache(cache=MemoryCache()))


class TestAMemoryCache:
    @pytest.mark.parametrize("inside", ["alone", "in tiers", "in presets", "in a configuration"])
    def test_is_not_copied_and_says_what_to_do(self, inside):
        cache = MemoryCache()
        cache.set("key", "value")
        holder = {
            "alone": cache,
            "in tiers": TieredCache([cache]),
            "in presets": CacheWithPresets(cache, 5),
            "in a configuration": get_quickcache(cache=cache),
        }[inside]
        refused = "a MemoryCache is neither copied nor pickled: .* Share the one cache, or make another"
        copies = {copy.deepcopy, *([copy.copy] if inside == "alone" else [])}
        for make in (*copies, *(lambda it, n=n: pickle.dumps(it, n) for n in range(2, 6))):
            with pytest.raises(TypeError, match=refused):
                make(holder)
        assert "value" == cache.get("key")

    def test_may_be_copied_in_a_way_of_a_subclass(self, copied):
        assert 5 == copied(Named(5)).number


class Named(MemoryCache):
    """A cache that knows how to make another one like it."""

    def __new__(cls, number):
        self = super().__new__(cls, max_entries=number)
        self.number = number
        return self

    def __init__(self, number):
        pass

    def __getnewargs__(self):
        return (self.number,)

    def __getstate__(self):
        return {"number": self.number}


class TestAManualClock:
    def test_is_not_copied_and_says_what_to_do(self, copied):
        with pytest.raises(TypeError, match="Share the one clock, or make another"):
            copied(ManualClock())

    def test_may_be_weakly_referred_to(self):
        clock = ManualClock()
        reference = weakref.ref(clock)
        assert reference() is clock
        del clock
        assert reference() is None


class TestTheRest:
    def test_counts_are_plain_dicts(self, copied):
        for counts in (stats(triple), MemoryCache().stats()):
            assert counts == copied(counts)

    def test_an_error_is_copied_with_its_words(self, copied):
        twin = copied(UncacheableValueError("why"))
        assert (UncacheableValueError, ("why",)) == (type(twin), twin.args)

    def test_utc_is_copied(self, copied):
        assert utc.utcoffset(None) == copied(utc).utcoffset(None)

    def test_no_inner_part_is_copied(self, copied):
        shortcut = triple.__closure__[0].cell_contents
        with (
            _native._find(shortcut, (98_765,), {}) as gap,
            pytest.raises(TypeError, match=r"cannot pickle 'quickcache\._native\._"),
        ):
            copied(gap)

    def test_a_function_is_made_anew_of_its_parts_as_cloudpickle_does(self):
        kind, parts = triple.__closure__[0].cell_contents.__reduce__()
        closure = (types.CellType(kind(*parts)),)
        again = types.FunctionType(triple.__code__, triple.__globals__, closure=closure)
        assert triple(7) == again(7) == again(7)
        assert triple.get_cached_value(7) == again(7)
        assert stats(triple) == stats(again)
