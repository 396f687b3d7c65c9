"""MemoryCache as an object: containers' methods, counts, its name, subclasses and references."""

import copy
import gc
import inspect
import pickle
import sys
import weakref

import pytest

from quickcache import MemoryCache, TieredCache, get_quickcache


@pytest.fixture
def cache():
    return MemoryCache()


class TestAsAContainer:
    def test_has_a_length(self, cache):
        assert 0 == len(cache)
        cache.set_many({"a": 1, "b": 2})
        cache.set("a", 3)
        assert 2 == len(cache)

        cache.delete("a")
        assert 1 == len(cache)

    def test_is_true_even_when_it_is_empty(self, cache):
        """Users write `if cache:` for whether there is one."""
        assert [True, True] == [bool(cache), bool(MemoryCache(isolate=False))]

    def test_contains_keys_that_are_held(self, cache):
        cache.set("a", None)

        assert ("a" in cache, "b" in cache) == (True, False)

    def test_a_look_is_not_a_use(self, cache):
        cache.set("a", 1)
        before = cache.stats()
        assert "a" in cache
        assert "b" not in cache

        assert before == cache.stats()

    def test_a_key_that_is_not_text_is_refused(self, cache):
        with pytest.raises(TypeError, match="str, not int: 5"):
            5 in cache  # noqa: B015

    def test_a_keys_own_subclass_of_text_is_its_text(self, cache):
        class Key(str):
            __slots__ = ()

            def __eq__(self, other):
                raise AssertionError

            __hash__ = str.__hash__

        cache.set(Key("k"), 1)

        assert [1, 1] == [cache.get("k"), cache.get(Key("k"))]


class TestStats:
    def test_are_all_there_and_begin_at_nothing(self, cache):
        names = "hits misses stores deletes evictions expirations refusals undecodable entries bytes"

        assert dict.fromkeys(names.split(), 0) == cache.stats()

    def test_count_each_operation(self, cache):
        cache.set("a", 1)
        cache.set("a", 2)
        cache.set_many({"b": 1, "c": 1})
        cache.set("never", 1, timeout=0)
        cache.get("a")
        cache.get_many(["a", "b", "nothing"])
        cache.get("nothing")
        cache.delete("a")
        cache.delete("nothing")
        cache.delete_many(["b", "nothing"])

        told = cache.stats()
        counts = ("hits", "misses", "stores", "deletes", "evictions", "expirations", "refusals", "entries")
        assert (3, 2, 4, 2, 0, 0, 0, 1) == tuple(told[name] for name in counts)

    def test_go_on_counting_through_clear(self, cache):
        cache.set("a", 1)
        cache.get("a")
        cache.clear()

        told = cache.stats()
        assert (1, 1, 0, 0, 0) == tuple(
            told[name] for name in ("hits", "stores", "evictions", "entries", "bytes")
        )

    def test_are_the_callers_own(self, cache):
        cache.stats()["hits"] = 100

        assert 0 == cache.stats()["hits"]

    def test_bytes_grow_with_what_is_held(self, cache):
        cache.set("k", [1])
        small = cache.stats()["bytes"]
        cache.set("k", [bytes(10_000)])

        assert 10_000 <= cache.stats()["bytes"] - small <= 10_100


class TestSetMany:
    @pytest.mark.parametrize("values", [[("a", 1)], "ab", 5, None], ids=repr)
    def test_takes_a_mapping_and_says_so(self, cache, values):
        with pytest.raises(TypeError):
            cache.set_many(values)

    def test_takes_whatever_has_items(self, cache):
        class Own:
            def items(self):
                yield "a", 1
                yield "b", 2

        cache.set_many(Own())

        assert {"a": 1, "b": 2} == cache.get_many("ab")

    def test_keeps_what_came_before_an_error(self, cache):
        with pytest.raises(TypeError):
            cache.set_many({"a": 1, 5: 2, "c": 3})

        assert {"a": 1} == cache.get_many("abc")

    def test_may_be_called_with_the_cache_in_use_by_its_iterator(self, cache):
        class Own:
            def items(self):
                for key in ("a", "b"):
                    cache.clear()
                    yield key, len(cache)

        cache.set_many(Own())
        assert {"b": 0} == cache.get_many("ab")


class TestGetMany:
    def test_an_error_of_the_iterator_comes_through(self, cache):
        def keys():
            yield "a"
            raise ZeroDivisionError

        for operation in (cache.get_many, cache.delete_many):
            with pytest.raises(ZeroDivisionError):
                operation(keys())

    @pytest.mark.parametrize("keys", [5, None])
    def test_takes_an_iterable(self, cache, keys):
        for operation in (cache.get_many, cache.delete_many):
            with pytest.raises(TypeError):
                operation(keys)

    def test_a_key_given_twice_is_there_once(self, cache):
        cache.set("a", 1)

        assert ({"a": 1}, 1) == (cache.get_many(["a", "a"]), cache.delete_many(["a", "a"]))


class TestName:
    def test_tells_the_options(self):
        cache = MemoryCache(max_entries=5, max_bytes=10, timeout=2, isolate=False, policy="lru")

        assert "<MemoryCache max_entries=5 max_bytes=10 timeout=2.0 isolate=False policy='lru'>" == repr(
            cache
        )
        assert "max_entries=None max_bytes=None timeout=None" in repr(MemoryCache(max_entries=None))

    def test_is_that_of_the_subclass(self):
        class Own(MemoryCache):
            pass

        assert repr(Own()).startswith("<Own max_entries=10000 ")

    def test_the_class_says_where_it_lives(self):
        assert ("quickcache", "MemoryCache") == (MemoryCache.__module__, MemoryCache.__qualname__)

    def test_the_class_has_the_signature_that_is_documented(self):
        assert (
            "(*, max_entries=10000, max_bytes=None, timeout=None, isolate=True, policy='tinylfu', clock=None)"
            == str(inspect.signature(MemoryCache))
        )


class TestReferences:
    def test_may_be_weak(self, cache):
        assert weakref.ref(cache)() is cache

    def test_last_no_longer_than_the_cache(self):
        cache = MemoryCache(isolate=False)

        class Value:
            pass

        value = Value()
        reference = weakref.ref(value)
        cache.set("k", value)
        del value
        gc.collect()
        assert reference() is cache.get("k")

        del cache
        assert reference() is None

    @pytest.mark.parametrize(
        "forget",
        [
            lambda cache: cache.delete("k"),
            lambda cache: cache.set("k", 1),
            lambda cache: cache.clear(),
            lambda cache: cache.set("k", 1, timeout=0),
            lambda cache: cache.delete_many(["k"]),
            lambda cache: cache.touch("k", 0),
        ],
        ids=["delete", "overwrite", "clear", "no life", "delete_many", "touch"],
    )
    def test_last_no_longer_than_the_entry(self, forget):
        cache = MemoryCache(isolate=False)

        class Value:
            pass

        value = Value()
        reference = weakref.ref(value)
        cache.set("k", value)
        del value
        forget(cache)

        assert reference() is None

    def test_are_each_counted_once(self):
        """A thousand gets of one object leave its count of references as it was."""
        cache = MemoryCache(isolate=False)
        value = object()
        before = sys.getrefcount(value)
        for _ in range(1_000):
            cache.set("k", value)
            cache.get("k")
            cache.get_many(["k"])
        assert before + 1 == sys.getrefcount(value)

        cache.clear()
        assert before == sys.getrefcount(value)


class TestGarbageCollection:
    @pytest.mark.parametrize(
        "wrap", [lambda v: v, lambda v: [v], lambda v: {"a": (v,)}], ids=["bare", "list", "dict"]
    )
    def test_a_cycle_through_the_cache_dies(self, wrap):
        cache = MemoryCache(isolate=False)

        class Value:
            pass

        value = Value()
        value.cache = cache
        cache.set("k", wrap(value))
        references = [weakref.ref(value), weakref.ref(cache)]
        del cache, value
        gc.collect()

        assert [None, None] == [reference() for reference in references]

    def test_a_cycle_through_a_decorated_function_dies(self):
        def make():
            cache = TieredCache([MemoryCache(isolate=False), MemoryCache(isolate=False)])

            @get_quickcache(cache=cache)(["x"])
            def cached(x):
                return [cached, x]

            cached(1)
            return [weakref.ref(cached), *map(weakref.ref, cache.caches)]

        references = make()
        gc.collect()

        assert [None, None, None] == [reference() for reference in references]

    def test_a_cache_within_itself_dies(self):
        cache = MemoryCache(isolate=False)
        cache.set("k", cache)
        reference = weakref.ref(cache)
        del cache
        gc.collect()

        assert reference() is None

    def test_what_is_held_is_not_collected(self):
        cache = MemoryCache(isolate=False)

        class Value:
            pass

        for i in range(100):
            value = Value()
            value.me = value
            cache.set(f"k{i}", value)
        del value
        gc.collect()

        assert [True] * 100 == [cache.get(f"k{i}").me is cache.get(f"k{i}") for i in range(100)]


class TestSubclass:
    def test_may_add_and_override(self):
        class Loud(MemoryCache):
            def __init__(self, **options):
                self.asked = []

            def get(self, key, default=None):
                self.asked.append(key)
                return super().get(key, default)

        cache = Loud(max_entries=5)
        cache.set("k", 1)

        assert (1, ["k"], 5) == (cache.get("k"), cache.asked, cache.max_entries)


def test_is_not_pickled_or_copied_in_silence():
    """A copy would be another cache: none is better than one that looks shared."""
    for operation in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            operation(MemoryCache())
