"""The decorated functions of this process are found, and none is kept alive by that."""

import gc
import weakref

from quickcache import MemoryCache, QuickCacheHelper, _registry, get_quickcache

quickcache = get_quickcache(cache=MemoryCache())


def decorated():
    @quickcache(["a"])
    def function(a):
        return a

    return function


class Class:
    @quickcache(["self.id"])
    def method(self):
        return self.id

    @classmethod
    @quickcache(["a"])
    def of_class(cls, a):
        return a


def test_a_decorated_function_is_found_with_its_helper():
    function = decorated()
    entry = _registry.entry_of(function)

    assert (function, function.clear.__self__) == entry
    assert entry in list(_registry.entries())
    assert f"{__name__}.decorated.<locals>.function" == entry.path


def test_a_method_is_found_however_it_is_bound():
    method = vars(Class)["method"]

    assert method == _registry.entry_of(Class().method).function == _registry.entry_of(Class.method).function
    assert vars(Class)["of_class"].__func__ == _registry.entry_of(Class.of_class).function


def test_what_is_not_decorated_is_not_found():
    assert [None] * 3 == [_registry.entry_of(one) for one in (decorated, decorated().__wrapped__, 5)]


def test_nobody_is_kept_alive():
    gc.collect()  # those of other tests
    before = len(list(_registry.entries()))
    assert before == len(_registry._entries)
    function = decorated()
    gone = weakref.ref(function), weakref.ref(function.clear.__self__)
    function(1)
    assert before + 1 == len(list(_registry.entries()))

    del function
    gc.collect()

    assert (None, None) == (gone[0](), gone[1]())
    assert before == len(list(_registry.entries())) == len(_registry._entries)


def test_a_helper_without_weak_references_does_not_hinder_decorating():
    class Slotted:
        __slots__ = ("clear", "fn", "get_cache_key", "get_cached_value", "prefix", "set_cached_value")

        def __init__(self, fn, **options):
            self.fn = fn
            self.clear = self.get_cache_key = self.get_cached_value = self.set_cached_value = self.prefix = (
                None
            )

        def __call__(self, *args, **kwargs):
            return self.fn(*args, **kwargs)

    @quickcache(["a"], helper_class=Slotted)
    def function(a):
        return a

    assert 5 == function(5)
    assert _registry.entry_of(function) is None


def test_those_decorated_from_now_on_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(_registry, "listener", told.append)
    function = decorated()

    assert [(function, function.clear.__self__)] == told
    assert isinstance(told[0].helper, QuickCacheHelper)
