"""Wrong types and values for the parameters of what is public: told in few words, and nothing is changed."""

import datetime as dt
import math

import pytest

from quickcache import (
    CacheWithPresets,
    ManualClock,
    MemoryCache,
    QuickCacheHelper,
    TieredCache,
    get_quickcache,
    stats,
)

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


class Unprintable:
    def __repr__(self):
        raise ZeroDivisionError("in __repr__")


class Wordy:
    def __repr__(self):
        return "wordy " * 1_000_000


class UnprintableText(str):
    __slots__ = ()
    __repr__ = Unprintable.__repr__
    __str__ = Unprintable.__repr__
    __format__ = Unprintable.__repr__


class UnprintableInt(int):
    __repr__ = Unprintable.__repr__


class Attributeless:
    def __getattr__(self, name):
        raise AttributeError(name)


HUGE = 10**5_000  # more digits than CPython makes a text of

NO_NUMBERS = {
    "text": "5",
    "lone surrogate": "\ud800",
    "bytes": b"5",
    "list": [5],
    "dict": {},
    "complex": 5j,
    "class": int,
    "function": len,
    "object": object(),
    "unprintable": Unprintable(),
    "unprintable text": UnprintableText("5"),
    "wordy": Wordy(),
    "attributeless": Attributeless(),
    "date": dt.date(2024, 1, 1),
}
# What each parameter refuses, beside what is no number at all.
CALLS = {
    "max_entries": (
        lambda it: MemoryCache(max_entries=it),
        [0, -1, -HUGE, 1.5, math.nan, dt.timedelta(1)],
    ),
    "max_bytes": (lambda it: MemoryCache(max_bytes=it), [0, -1, -HUGE, 1.5, math.nan, UnprintableInt(0)]),
    "timeout of a cache": (lambda it: MemoryCache(timeout=it), [math.nan]),
    "timeout of set": (lambda it: held().set("k", "new", it), [math.nan]),
    "timeout of set_many": (lambda it: held().set_many({"k": "new"}, it), [math.nan]),
    "timeout of touch": (lambda it: held().touch("k", it), [math.nan]),
    "advance": (lambda it: ManualClock().advance(it), [-1, -HUGE, math.nan, math.inf, HUGE, None]),
    "isolate": (lambda it: MemoryCache(isolate=it), [0, 1, None, HUGE]),
    "policy": (lambda it: MemoryCache(policy=it), [0, None, "LRU", "lfu", ""]),
    "clock": (lambda it: MemoryCache(clock=it), [0, ManualClock]),
    "timeout": (lambda it: decorated(timeout=it), [math.nan]),
    "memoize_timeout": (lambda it: decorated(memoize_timeout=it), [math.nan]),
    "flight_wait": (lambda it: decorated(flight_wait=it), [math.nan, math.inf, None]),
    "single_flight": (lambda it: decorated(single_flight=it), [0, 1, None, HUGE]),
    "key_format": (lambda it: decorated(key_format=it), [None, 0, "Compatible", HUGE]),
    "timeout of presets": (lambda it: set_with(CacheWithPresets(held(), it)), [math.nan]),
}


def held():
    CACHE.set("k", "old")
    return CACHE


CACHE = MemoryCache()


def plain(x, y=None):
    return x


def decorated(**options):
    return get_quickcache(cache=held(), **options)(["x"])(plain)


def set_with(presets):
    held()
    presets.set("k", "new")


def is_clear(error):
    """It names a type or what was given, at no great length, and is one of the usual errors."""
    assert isinstance(error, TypeError | ValueError | AttributeError)
    text = str(error)
    assert 10 < len(text) < 500
    assert "in __repr__" not in text
    return text


@pytest.mark.parametrize(
    ("name", "given"),
    [(name, given) for name, (_, more) in CALLS.items() for given in [*NO_NUMBERS.values(), *more]],
    ids=[
        f"{name}-{label}"
        for name, (_, more) in CALLS.items()
        for label in [*NO_NUMBERS, *(f"wrong {n}" for n in range(len(more)))]
    ],
)
def test_a_wrong_argument_is_told_and_changes_nothing(name, given):
    before = len(held())
    with pytest.raises((TypeError, ValueError)) as caught:
        CALLS[name][0](given)
    told = is_clear(caught.value) + " ".join(getattr(caught.value, "__notes__", []))
    word = name.removesuffix(" of a cache").split(" of ")[0]
    words = {"advance": "clock", "timeout": "timeout", "memoize_timeout": "timeout"}
    assert words.get(word, word) in told
    assert (before, "old") == (len(CACHE), CACHE.get("k"))
    assert 5 == decorated()(5)
    CACHE.clear()


NO_KEYS = [
    None, 5, 5.5, b"k", ["k"], ("k",), {"k"}, {"k": 1}, object(), str, ..., HUGE, Unprintable(), Wordy(),
    UnprintableInt(5),
]  # fmt: skip


class TestAKeyThatIsNoText:
    @pytest.mark.parametrize("key", NO_KEYS, ids=range(len(NO_KEYS)))
    @pytest.mark.parametrize(
        "use",
        [
            lambda cache, key: cache.get(key),
            lambda cache, key: cache.get(key, "default"),
            lambda cache, key: cache.set(key, 1),
            lambda cache, key: cache.delete(key),
            lambda cache, key: cache.touch(key, 5),
            lambda cache, key: key in cache,
            lambda cache, key: cache.get_many([key]),
            lambda cache, key: cache.delete_many([key]),
            lambda cache, key: cache.set_many(Items([(key, 1)])),
        ],
        ids=["get", "get or", "set", "delete", "touch", "in", "get_many", "delete_many", "set_many"],
    )
    def test_is_told_and_changes_nothing(self, use, key):
        cache = MemoryCache()
        cache.set("k", "value")
        with pytest.raises(TypeError, match="a cache key is a str, not") as caught:
            use(cache, key)
        assert type(key).__name__ in is_clear(caught.value)
        assert (1, "value") == (len(cache), cache.get("k"))

    @pytest.mark.parametrize("key", NO_KEYS, ids=range(len(NO_KEYS)))
    def test_is_told_by_tiers_too(self, key):
        memory = MemoryCache()
        for cache in (TieredCache([memory]), CacheWithPresets(memory, 5)):
            for use, more in ((cache.get, ()), (cache.set, (1,)), (cache.delete, ())):
                with pytest.raises(TypeError, match="a cache key is a str, not"):
                    use(key, *more)
        assert 0 == len(memory)


class Items:
    """A mapping, as far as `set_many` asks."""

    def __init__(self, items):
        self.given = items

    def items(self):
        return self.given


class TestOtherArguments:
    @pytest.mark.parametrize(
        "given",
        [None, 5, "k", [("k", 1)], Unprintable(), Items(5), Items([5]), Items([(1, 2, 3)])],
        ids=range(8),
    )
    def test_of_set_many_are_told(self, given):
        cache = MemoryCache()
        with pytest.raises((TypeError, ValueError)) as caught:
            cache.set_many(given)
        is_clear(caught.value)
        assert 0 == len(cache)

    @pytest.mark.parametrize("given", [None, 5, Unprintable(), object(), HUGE], ids=range(5))
    def test_of_get_many_and_delete_many_are_told(self, given):
        cache = MemoryCache()
        cache.set("k", 1)
        for use in (cache.get_many, cache.delete_many):
            with pytest.raises(TypeError, match="not iterable"):
                use(given)
        assert 1 == len(cache)

    @pytest.mark.parametrize(
        "given", [None, 5, "f", plain, len, int, Unprintable(), Wordy(), HUGE, Attributeless()], ids=range(10)
    )
    def test_of_stats_are_told(self, given):
        with pytest.raises(TypeError, match="takes a decorated function") as caught:
            stats(given)
        is_clear(caught.value)

    @pytest.mark.parametrize("given", [None, 5, "f", Unprintable(), HUGE, len, int], ids=range(7))
    def test_of_a_decorator_are_told(self, given):
        with pytest.raises((TypeError, AttributeError, OSError)) as caught:
            get_quickcache(cache=MemoryCache())(["x"])(given)
        assert len(str(caught.value)) > 10

    @pytest.mark.parametrize(
        "options",
        [
            {"vary_on": ["nothing"]},
            {"vary_on": [""]},
            {"vary_on": 5},
            {"vary_on": [5]},
            {"vary_on": b"x"},
            {"skip_arg": "nothing"},
            {"skip_arg": 5},
            {"skip_arg": "x"},
            {"helper_class": None},
            {"helper_class": 5},
            {"timeout": 5, "cache": 5},
            {"unknown": 5},
        ],
        ids=str,
    )
    def test_of_a_configuration_are_told_before_anything_is_decorated(self, options):
        given = {"cache": MemoryCache(), "vary_on": ["x"], **options}
        with pytest.raises((TypeError, ValueError, AttributeError)):
            get_quickcache(**given)()(plain)

    @pytest.mark.parametrize("given", [None, 5, "text", [], object(), len, Unprintable()], ids=range(7))
    def test_a_cache_that_is_none_is_told_at_the_first_call(self, given):
        """As in 0.5.4: whatever has the methods will do."""
        second = TieredCache([MemoryCache(), given])
        for cache in (given, TieredCache([given]), CacheWithPresets(given, 5), second):
            f = get_quickcache(cache=cache)(["x"])(plain)
            for use in (f, f.clear, f.get_cached_value, lambda x, f=f: f.set_cached_value(x).to(5)):
                with pytest.raises((AttributeError, TypeError)) as caught:
                    use(1)
                is_clear(caught.value)

    def test_of_the_functions_attributes_are_told_as_its_own(self):
        """Too many, too few, unknown and double ones: as Python tells them for the function itself."""
        cache = MemoryCache()
        f = get_quickcache(cache=cache)(["x"])(plain)
        for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1}), ((), {"y": 1})]:
            with pytest.raises(TypeError) as own:
                plain(*args, **kwargs)
            for use in (f, f.clear, f.get_cache_key, f.get_cached_value, f.set_cached_value):
                with pytest.raises(TypeError) as caught:
                    use(*args, **kwargs)
                assert str(own.value) == str(caught.value)
        assert 0 == len(cache)

    def test_of_a_helper_are_told(self):
        for wrong in (None, 5, "f", Unprintable()):
            with pytest.raises((TypeError, AttributeError)):
                QuickCacheHelper(wrong, ["x"], MemoryCache())
