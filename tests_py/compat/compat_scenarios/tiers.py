"""Presets, deprecated presets, and caches in tiers."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.

import copy
import inspect
import pickle
import threading
from collections import deque
from unittest import mock

from compat_probe import decorating, scenario

from quickcache import ForceSkipCache
from quickcache.cache_helpers import CacheWithPresets, CacheWithTimeout, TieredCache


def use(probe, cache, key="key"):
    probe.step("get", cache.get, key)
    probe.step("get by position", cache.get, key, "default")
    probe.step("get by name", cache.get, key, default=...)
    probe.step("all by name", lambda: cache.get(key=key, default=5))
    probe.step("set", cache.set, key, "value")
    probe.step("get", cache.get, key, default=...)
    probe.step("set by name", lambda: cache.set(key=key, value=None))
    probe.step("get", cache.get, key, default=...)
    probe.step("delete", cache.delete, key)
    probe.step("delete by name", lambda: cache.delete(key=key))
    probe.step("get", cache.get, key)


def misuse(probe, cache):
    """TypeErrors, whose texts count `self` or not as Python or Rust does."""
    probe.kind("get nothing", cache.get)
    probe.kind("get three", cache.get, "k", 1, 2)
    probe.kind("get an unknown name", lambda: cache.get("k", version=1))
    probe.kind("set one", cache.set, "k")
    probe.kind("set three", cache.set, "k", 1, 2)
    probe.kind("set with a timeout", lambda: cache.set("k", 1, timeout=5))
    probe.kind("delete nothing", cache.delete)
    probe.kind("delete two", cache.delete, "k", 1)


@scenario
def presets(probe):
    prefix = None

    def prefix_function():
        probe.note("prefix_function")
        if isinstance(prefix, BaseException):
            raise prefix
        return prefix

    class Falsy:
        def __bool__(self):
            return False

        def __call__(self):
            return "falsy"

    class Text(str):
        __slots__ = ()

        def __add__(self, other):
            return f"{other} after {self!s}"

    for timeout in (60, 0, -1, None, 1.5, "text", ...):
        use(probe, CacheWithPresets(probe.cache(), timeout))
    for prefix in (  # noqa: B007, read by prefix_function
        "session:", "", "\udc80", 5, None, b"bytes", Text("own"), ForceSkipCache(), ForceSkipCache("why"),
        LookupError("no session"), KeyboardInterrupt(),
    ):  # fmt: skip
        use(probe, CacheWithPresets(probe.cache(), 60, prefix_function))
        for key in (5, None, b"key", ("tuple",)):
            use(probe, CacheWithPresets(probe.cache(), 60, prefix_function), key)
    for function in (Falsy(), "", 0, "text", 5, lambda key: key):
        use(probe, CacheWithPresets(probe.cache(), 60, function))
    for key in (5, None, ("tuple",)):
        use(probe, CacheWithPresets(probe.cache(), 60), key)
        probe.step("prefixed_key", CacheWithPresets(None, 60).prefixed_key, key)
    prefix = "p:"
    probe.step("prefixed_key", CacheWithPresets(None, 60, prefix_function).prefixed_key, "key")
    probe.step(
        "prefixed_key by name", lambda: CacheWithPresets(None, 60, lambda: "p").prefixed_key(key="key")
    )
    misuse(probe, CacheWithPresets(probe.cache(), 60))
    misuse(probe, CacheWithPresets(None, 60))


@scenario
def caches_behind_presets(probe):
    class NoTimeout:
        def get(self, key, default=None):
            return default

        def set(self, key, value):
            probe.note("set", key, value)

        def delete(self, key):
            return "deleted"

    class Skipping:
        def get(self, key, default=None):
            raise ForceSkipCache

        set = delete = get

    class Failing:
        def get(self, key, default=None, timeout=None):
            raise LookupError("down")

        set = delete = get

    for cache in (NoTimeout(), Skipping(), Failing(), {}, None):
        use(probe, CacheWithPresets(cache, 60))
        use(probe, CacheWithPresets(CacheWithPresets(cache, 60), 30))
        use(probe, TieredCache([CacheWithPresets(cache, 60), probe.cache()]))
    use(probe, CacheWithPresets(CacheWithPresets(probe.cache(), 60, lambda: "inner:"), 30, lambda: "outer:"))
    use(probe, CacheWithPresets(TieredCache([probe.cache()]), 30))


@scenario
def presets_are_tuples(probe):
    presets_ = CacheWithPresets("cache", 60)
    probe.is_("itself", presets_)
    probe.is_(
        "fields", (CacheWithPresets._fields, presets_.cache, presets_.timeout, presets_.prefix_function)
    )
    probe.is_("unpacked", [*presets_])
    probe.is_("length", len(presets_))
    probe.is_(
        "equal", (presets_ == ("cache", 60, None), presets_ == CacheWithPresets("cache", 60), presets_ == 5)
    )
    probe.is_("hash", hash(presets_) == hash(("cache", 60, None)))
    probe.is_("replaced", presets_._replace(timeout=5))
    probe.is_("asdict", presets_._asdict())
    probe.is_("made", CacheWithPresets._make(["a", "b", "c"]))
    probe.step("made of two", lambda: CacheWithPresets._make(["a", "b"]))
    probe.is_("by name", CacheWithPresets(prefix_function=5, timeout=1, cache=2))
    probe.is_("copies", (copy.copy(presets_), copy.deepcopy(presets_), pickle.loads(pickle.dumps(presets_))))
    probe.is_("order", presets_ < ("d",))
    probe.step("assigning", setattr, presets_, "timeout", 5)
    probe.step("no arguments", CacheWithPresets)
    probe.step("one argument", CacheWithPresets, "cache")
    probe.step("four arguments", CacheWithPresets, 1, 2, 3, 4)
    probe.step("an unknown name", lambda: CacheWithPresets(1, 2, prefix=3))
    probe.step("an unknown field", lambda: presets_._replace(prefix=3))

    class Sub(CacheWithPresets):
        def prefixed_key(self, key):
            return f"sub:{super().prefixed_key(key)}"

        def get(self, key, default=None):
            probe.note("sub get", key, default)
            return super().get(key, default)

    use(probe, Sub(probe.cache(), 60, lambda: "p:"))
    use(probe, TieredCache([Sub(probe.cache(), 60, lambda: "p:"), probe.cache("below")]))
    probe.is_("of a subclass", Sub("cache", 60))


@scenario
def deprecated_presets(probe):
    cached = probe.step("made", CacheWithTimeout, probe.memory() and "cache", 60)
    probe.is_("itself", cached)
    probe.is_("bases", isinstance(cached, CacheWithPresets))
    probe.step("a prefix function", CacheWithTimeout, "cache", 60, len)
    probe.step("by name", lambda: CacheWithTimeout(cache="cache", timeout=60))
    probe.step("too few", CacheWithTimeout, "cache")
    use(probe, CacheWithTimeout(probe.cache(), 60))
    use(probe, TieredCache([CacheWithTimeout(probe.cache(), 60), probe.cache("below")]))


@scenario
def tiers_in_order(probe):
    for count in range(4):
        caches = [probe.cache(f"cache {number}") for number in range(count)]
        tiered = TieredCache(caches)
        use(probe, tiered)
        for number, cache in enumerate(caches):
            for value in (f"from {number}", None, False, ...):
                for each in caches:
                    each.kept.clear()
                cache.kept["key"] = value
                probe.step("promoted", tiered.get, "key", default="default")
                probe.step("again", tiered.get, "key", default="default")
        misuse(probe, tiered)
        probe.is_("caches", tiered.caches is caches)


@scenario
def tiers_of_every_sort(probe):
    class Failing:
        def get(self, key, default=None):
            raise LookupError("get")

        def set(self, key, value):
            raise LookupError("set")

        def delete(self, key):
            raise LookupError("delete")

    class GivesNone:
        def get(self, key, default=None):
            return None

        def set(self, key, value):
            return None

        def delete(self, key):
            return None

    class Named:
        """Shows another class to debug lines."""

        def __init__(self, cache):
            self._cache = cache

        @property
        def __class__(self):
            return dict

        def __getattr__(self, name):
            return getattr(self._cache, name)

    class Sub(TieredCache):
        def get(self, key, default=None):
            probe.note("sub", key, default)
            return super().get(key, default=default)

        def set(self, key, value):
            probe.note("sub", key, value)
            super().set(key, value)

    class OwnInit(TieredCache):
        def __init__(self, *caches, name="own"):
            super().__init__(caches)
            self.name = name

    class NoSuper(TieredCache):
        def __init__(self, caches):
            self.caches = caches

    one, two, three = (probe.cache(name) for name in ("one", "two", "three"))

    def fresh():
        for cache in (one, two, three):
            cache.kept.clear()

    for tiers in (
        TieredCache([Failing(), one]),
        TieredCache([one, Failing(), two]),
        TieredCache([GivesNone(), one]),
        TieredCache([one, GivesNone()]),
        TieredCache([Named(one), Named(two)]),
        TieredCache((one, two)),
        TieredCache([one, TieredCache([two, three])]),
        TieredCache([TieredCache([one, two]), three]),
        TieredCache([TieredCache([]), TieredCache([one])]),
        TieredCache([CacheWithPresets(TieredCache([one]), 5), two]),
        TieredCache([one, one]),
        Sub([one, two]),
        OwnInit(one, two),
        NoSuper([one, two]),
        TieredCache([Sub([one]), two]),
        TieredCache([{}, one]),
        TieredCache([None]),
        TieredCache([one, 5]),
    ):
        for key in ("key", 5, None, ("a", 1)):
            fresh()
            use(probe, tiers, key)
            if key == "key":
                two.kept["key"] = "in two"
                probe.step("promoted", tiers.get, "key", default=...)
    with_function = decorating(["x"], cache=TieredCache([one, TieredCache([two, three])]))(lambda x: x)
    fresh()
    probe.step("miss", with_function, 1)
    one.kept.clear()
    probe.step("second tier", with_function, 1)
    one.kept.clear()
    two.kept.clear()
    probe.step("third tier", with_function, 1)
    probe.step("clear", with_function.clear, 1)


@scenario
def tiers_that_change(probe):
    one, two = probe.cache("one"), probe.cache("two")
    caches = [one]
    tiered = TieredCache(caches)
    use(probe, tiered)
    caches.append(two)
    use(probe, tiered)
    caches[:] = [two]
    use(probe, tiered)
    tiered.caches = (one, two)
    use(probe, tiered)
    tiered.caches = deque([two, one])
    use(probe, tiered)
    tiered.caches = None
    use(probe, tiered)
    del tiered.caches
    use(probe, tiered)
    tiered.caches = [one]
    tiered.own = "attribute"
    probe.is_("own attribute", tiered.own)
    probe.step("by name", lambda: TieredCache(caches=[one]).get("key"))
    probe.step("none given", TieredCache)
    probe.step("two given", TieredCache, [], [])


@scenario
def tiers_that_change_while_asked(probe):
    two = probe.cache("two")

    class Growing:
        """Adds a tier while it is asked."""

        def get(self, key, default=None):
            if len(growing.caches) < 3:
                growing.caches.append(two)
            return default

        def set(self, key, value):
            probe.note("growing set")

        def delete(self, key):
            if len(growing.caches) > 1:
                growing.caches.pop()

    growing = TieredCache([Growing()])
    use(probe, growing)


@scenario
def tiers_of_live_collections(probe):
    one, two = probe.cache("one"), probe.cache("two")
    live = deque([one])
    tiered = TieredCache(live)
    use(probe, tiered)
    live.append(two)
    use(probe, tiered)
    table = {"one": one}
    tiered = TieredCache(table.values())
    table["two"] = two
    use(probe, tiered)

    class Own:
        def __iter__(self):
            probe.note("__iter__")
            return iter([one, two])

    tiered = probe.step("made", lambda: TieredCache(Own()).get("none"))


@scenario
def tiers_of_nothing_usable(probe):
    for caches in (None, 5):
        probe.step("made", lambda caches=caches: type(TieredCache(caches)).__name__)


@scenario
def memory_over_another(probe):
    below = probe.cache("below")
    memory = probe.memory()
    for tiered in (TieredCache([memory, below]), TieredCache([below, memory]), TieredCache([memory, memory])):
        memory.delete("key")
        below.kept.clear()
        use(probe, tiered)
        memory.set("key", "in memory")
        probe.step("get", tiered.get, "key", default=...)
        memory.delete("key")
        below.kept["key"] = "below"
        probe.step("get", tiered.get, "key", default=...)
        probe.step("promoted", memory.get, "key")
        below.kept["key"] = ...
        memory.delete("key")
        probe.step("Ellipsis below", tiered.get, "key", default="default")
    f = decorating(["x"], cache=TieredCache([memory, below]), skip_arg="skip")(lambda x, skip=False: [x])
    for kwargs in ({}, {}, {"skip": True}, {}):
        probe.step("call", f, 1, **kwargs)
    probe.step("clear", f.clear, 1)
    probe.step("peek", f.get_cached_value, 1)
    # Only the memory tier takes no other keys than text, and no other has asked for any.
    probe.is_("truth", bool(TieredCache([])))


@scenario
def tiers_under_a_mock_with_their_signature(probe):
    tiers = TieredCache([probe.cache()])
    f = decorating(["x"], cache=tiers)(lambda x: x)
    probe.step("call", f, 1)
    original = TieredCache.get

    def spy(self, key, default=None):
        probe.note("spied on", self is tiers, key, default)
        return original(self, key, default)

    with mock.patch.object(TieredCache, "get", autospec=True, side_effect=spy):
        probe.step("spied on", f, 1)
        probe.step("too many", lambda: tiers.get(1, 2, 3, 4))
    probe.is_(
        "a function", [inspect.isfunction(getattr(TieredCache, name)) for name in ("get", "set", "delete")]
    )
    for label, action in (
        ("get nothing", tiers.get),
        ("set too much", lambda: tiers.set("k", 1, 2)),
        ("delete too much", lambda: tiers.delete("k", 2)),
        ("delete by timeout", lambda: tiers.delete("k", 2, timeout=3)),
    ):
        probe.step(label, action)

    class Duck:
        caches = (probe.cache("duck"),)

    class Both(TieredCache, threading.local):
        pass

    probe.step("of a duck", lambda: TieredCache.get(Duck(), "k", 5))
    probe.step("with thread-local tiers", lambda: Both([probe.cache("local")]).get("k"))
    probe.step("by object.__new__", lambda: vars(object.__new__(TieredCache)))
