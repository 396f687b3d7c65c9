"""Subclasses of the helper, patches on its class, and attributes assigned to it."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.
# ruff: noqa: PT008

import logging
import threading
from unittest import mock

from compat_probe import decorating, scenario

from quickcache import QuickCacheHelper, get_quickcache
from quickcache.cache_helpers import CacheWithPresets, TieredCache
from quickcache.logger import assert_function, logger
from quickcache.quickcache import ConfigMixin

NESTED = ["text", b"bytes", {"k": (1, None), "j": [True]}, {1.5}]


def use(probe, f, *args, **kwargs):
    """Calls, a skip, and every method that is reached through the function."""
    probe.step("call", f, *args, **kwargs)
    probe.step("call again", f, *args, **kwargs)
    probe.step("call, skipping", f, *args, **kwargs, skip=True)
    probe.step("key", f.get_cache_key, *args, **kwargs)
    probe.step("peek", f.get_cached_value, *args, **kwargs)
    probe.step("put", lambda: f.set_cached_value(*args, **kwargs).to("put"))
    probe.step("call what was put", f, *args, **kwargs)
    probe.step("clear", f.clear, *args, **kwargs)
    probe.step("wrong arguments", f, *args, **kwargs, wrong=1)


def decorated_by(probe, helper_class, memory=False):
    @decorating(
        ["x"],
        cache=probe.memory() if memory else probe.cache(),
        skip_arg="skip",
        helper_class=helper_class,
        assert_function=lambda ok, message: probe.note("assert", ok, message),
    )
    def f(x, skip=False):
        probe.note("called", x, skip)
        return [x, "value"]

    probe.is_("prefix", f.prefix)
    return f


def noting(probe, name):
    """A method that notes its call and goes on to the class above."""

    def method(self, *args, **kwargs):
        probe.note(name, *args, **kwargs)
        result = getattr(super(self.own_class, self), name)(*args, **kwargs)
        probe.note(f"{name} gave", result)
        return result

    return method


@scenario
def every_method_overridden(probe):
    """Alone and all together, over both kinds of cache."""
    names = ["__call__", "call", "skip", "get_cache_key", "_serialize_for_key", "clear", "get_cached_value"]
    names.append("set_cached_value")
    for memory in (False, True):
        for overridden in ([], *([name] for name in names), names, names[1:3], names[3:5]):
            helper_class = type(
                "Own", (QuickCacheHelper,), {name: noting(probe, name) for name in overridden}
            )
            helper_class.own_class = helper_class
            f = decorated_by(probe, helper_class, memory)
            use(probe, f, 5)
            use(probe, f, NESTED)


@scenario
def a_hash_of_its_own(probe):
    class Static(QuickCacheHelper):
        @staticmethod
        def _hash(value, length=32):
            probe.note("_hash", value[:20], length)
            return QuickCacheHelper._hash("salt" + value, length)

    class Method(QuickCacheHelper):
        def _hash(self, value, length=32):
            probe.note("_hash", length)
            return super()._hash(value + "pepper", length)

    class OfClass(QuickCacheHelper):
        @classmethod
        def _hash(cls, value, length=32):
            return f"{cls.__name__}{len(value)}"[:length]

    class Collecting(QuickCacheHelper):
        def _hash(self, *args, **kwargs):
            probe.note("_hash", len(args), **kwargs)
            return "h"

    class Long(QuickCacheHelper):
        @staticmethod
        def _hash(value, length=32):
            return "h" * 160

    for helper_class in (Static, Method, OfClass, Collecting, Long):
        f = decorated_by(probe, helper_class)
        use(probe, f, "text")
        use(probe, f, b"text")
        use(probe, f, b"\xff")
        use(probe, f, NESTED)
        use(probe, f, "x" * 200)
        use(probe, f, [["x"] * 10] * 10)

    class Number(QuickCacheHelper):
        @staticmethod
        def _hash(value, length=32):
            return "prefix" if length == 8 else 5

    class Failing(QuickCacheHelper):
        @staticmethod
        def _hash(value, length=32):
            if length == 32:
                raise LookupError("no hash")
            return "prefix"

    class OneArgument(QuickCacheHelper):
        @staticmethod
        def _hash(value):
            return "h"

    for helper_class in (Number, Failing):
        f = decorated_by(probe, helper_class)
        for value in ("text", [1], {}, set(), 5, 10**200):
            probe.step("call", f, value)
    probe.step("of one argument", lambda: decorated_by(probe, OneArgument))


@scenario
def a_serializer_of_its_own(probe):
    class Point:
        def __init__(self, x):
            self.x = x

        def __repr__(self):
            return f"Point({self.x})"

    class Extended(QuickCacheHelper):
        def _serialize_for_key(self, value):
            probe.note("serialize", value)
            if isinstance(value, Point):
                return f"P{self._serialize_for_key(value.x)}"
            if isinstance(value, range):
                return super()._serialize_for_key(set(value))
            return super()._serialize_for_key(value)

    class Replacing(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return repr(value)

    class Static(QuickCacheHelper):
        @staticmethod
        def _serialize_for_key(value):
            return "static"

    class Wrong(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return value if isinstance(value, (list, dict, set)) else super()._serialize_for_key(value)

    class WrongWithin(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return super()._serialize_for_key(value) if isinstance(value, (list, dict, set, tuple)) else 5

    class Sub(str):
        __slots__ = ()

    class GivesSub(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return Sub(super()._serialize_for_key(value))

    class Both(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return "b" + super()._serialize_for_key(value)

        def _hash(self, value, length=32):
            probe.note("_hash", value[:30], length)
            return super()._hash(value, length)

    class Surrogate(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return "\udc80" * (200 if value == 1 else 1)

    for helper_class in (Extended, Replacing, Static, Wrong, WrongWithin, GivesSub, Both, Surrogate):
        f = decorated_by(probe, helper_class)
        for value in (
            1,
            "text",
            NESTED,
            {"b": 1, "a": [2]},
            {1},
            Point(5),
            [Point([1])],
            range(2),
            [],
            (),
            {},
        ):
            use(probe, f, value)


@scenario
def keys_of_its_own(probe):
    class Prefixed(QuickCacheHelper):
        def get_cache_key(self, *args, **kwargs):
            return "v2:" + super().get_cache_key(*args, **kwargs)

    class Odd(QuickCacheHelper):
        def get_cache_key(self, x, skip=False):
            return (x, "no text")

    class Changing(QuickCacheHelper):
        calls = 0

        def get_cache_key(self, *args, **kwargs):
            self.calls += 1
            return f"key {self.calls}"

    class Failing(QuickCacheHelper):
        def get_cache_key(self, *args, **kwargs):
            raise LookupError("no key")

    for helper_class in (Prefixed, Odd, Changing, Failing):
        for memory in (False, True) if helper_class is Prefixed else (False,):
            use(probe, decorated_by(probe, helper_class, memory), 5)


@scenario
def skips_and_calls_of_its_own(probe):
    class AlwaysSkip(QuickCacheHelper):
        def skip(self, *args, **kwargs):
            return "always"

    class NeverSkip(QuickCacheHelper):
        def skip(self, *args, **kwargs):
            return None

    class Inverted(QuickCacheHelper):
        def skip(self, *args, **kwargs):
            return not super().skip(*args, **kwargs)

    class Bypass(QuickCacheHelper):
        def __call__(self, *args, **kwargs):
            return self.fn(*args, **kwargs)

    class Counting(QuickCacheHelper):
        count = 0

        def __call__(self, *args, **kwargs):
            type(self).count += 1
            return (self.count, super().__call__(*args, **kwargs))

    class CallTwice(QuickCacheHelper):
        def call(self, *args, **kwargs):
            return [super(CallTwice, self).call(*args, **kwargs) for _ in range(2)]

    class Mixin:
        def call(self, *args, **kwargs):
            probe.note("mixin")
            return super().call(*args, **kwargs)

    class Mixed(Mixin, QuickCacheHelper):
        pass

    class Slotted(QuickCacheHelper):
        __slots__ = ()

    class OwnInit(QuickCacheHelper):
        def __init__(self, fn, vary_on, cache, skip_arg=None, assert_function=None):
            super().__init__(fn, [*vary_on, "skip"], CacheWithPresets(cache, 60), None, assert_function)
            self.prefix = "own." + self.prefix

    class NoSuper(QuickCacheHelper):
        def __init__(self, fn, vary_on, cache, skip_arg=None, assert_function=None):
            self.fn, self.cache, self.prefix = fn, cache, "mine"
            self.vary_on, self.skip_arg, self.encoding_assert = [("x", ("real",))], None, assert_function

    class Property(QuickCacheHelper):
        @property
        def vary_on(self):
            return [("x", ("__class__", "__name__"))]

        @vary_on.setter
        def vary_on(self, value):
            probe.note("vary_on set", value)

    overriding_calls = [AlwaysSkip, NeverSkip, Inverted, Bypass, Counting, CallTwice, Mixed]
    for helper_class in (*overriding_calls, Slotted, OwnInit, NoSuper, Property):
        probe.is_("helper", helper_class.__name__)
        use(probe, decorated_by(probe, helper_class), 5)
        use(probe, decorated_by(probe, helper_class), "text")


@scenario
def patches_on_the_class(probe):
    """They take effect at once on functions decorated before, and end at once."""
    for memory in (False, True):
        f = decorated_by(probe, QuickCacheHelper, memory)
        use(probe, f, 5)
        for name, replacement in (
            ("__call__", lambda self, *args, **kwargs: self.fn(*args, **kwargs)),
            ("call", lambda self, *args, **kwargs: "patched"),
            ("skip", lambda self, *args, **kwargs: True),
            ("get_cache_key", lambda self, *args, **kwargs: "patched key"),
            ("_serialize_for_key", lambda self, value: "patched"),
            ("_hash", staticmethod(lambda value, length=32: "patched")),
            ("clear", lambda self, *args, **kwargs: "patched"),
            ("get_cached_value", lambda self, *args, **kwargs: "patched"),
        ):
            with mock.patch.object(QuickCacheHelper, name, replacement):
                use(probe, f, 5)
                use(probe, f, NESTED)
                probe.is_("decorated while patched", decorated_by(probe, QuickCacheHelper).prefix)
            use(probe, f, 5)
            use(probe, f, NESTED)
        for name in ("__call__", "call", "skip", "get_cache_key"):
            with mock.patch.object(QuickCacheHelper, name, return_value="") as patched:
                probe.step(f"mocked {name}", f, 5)
                probe.step("by keyword", f, x=5)
                probe.is_("calls", patched.mock_calls)
            with mock.patch.object(QuickCacheHelper, name, side_effect=LookupError("mocked")):
                probe.step(f"raising {name}", f, 5)
            use(probe, f, 5)
        with mock.patch("quickcache.quickcache_helper.QuickCacheHelper.call", return_value="by name"):
            probe.step("patched by name", f, 5)
        with mock.patch("quickcache.QuickCacheHelper.skip", return_value=True):
            probe.step("patched by name", f, 5)
        use(probe, f, 5)


@scenario
def patches_with_autospec(probe):
    """The mock is called with the helper first, as a function of the class would be."""
    for name in ("__call__", "call", "skip", "get_cache_key"):
        f = decorated_by(probe, QuickCacheHelper)
        with mock.patch.object(QuickCacheHelper, name, autospec=True, return_value="") as patched:
            probe.step(f"autospecced {name}", f, 5)
            probe.is_("calls", [call.args[1:] for call in patched.mock_calls])
            probe.is_("helper first", [call.args[0] is f.clear.__self__ for call in patched.mock_calls])


@scenario
def patches_under_way(probe):
    """A patch made by what a call reaches counts for the rest of that call."""
    patches = []

    class Cache:
        def get(self, key, default):
            patch = mock.patch.object(
                QuickCacheHelper, "get_cache_key", lambda self, *a, **k: "patched under way"
            )
            patch.start()
            patches.append(patch)
            return default

        def set(self, key, value):
            probe.note("set", key, value)

        def delete(self, key):
            probe.note("delete", key)

    @decorating(["x"], cache=Cache(), skip_arg="skip")
    def f(x, skip=False):
        if skip:
            patches.append(
                mock.patch.object(QuickCacheHelper, "_serialize_for_key", lambda self, v: "under way")
            )
            patches[-1].start()
        return x

    for kwargs in ({}, {"skip": True}):
        probe.step("call", f, 5, **kwargs)
        probe.step("key", f.get_cache_key, 5)
        while patches:
            patches.pop().stop()
        probe.step("key after", f.get_cache_key, 5)


@scenario
def patches_on_subclasses(probe):
    class Sub(QuickCacheHelper):
        pass

    f = decorated_by(probe, Sub)
    use(probe, f, 5)
    with mock.patch.object(QuickCacheHelper, "skip", lambda self, *a, **k: True):
        use(probe, f, 5)
    with mock.patch.object(Sub, "call", lambda self, *a, **k: "patched on the subclass"):
        use(probe, f, 5)
    Sub._serialize_for_key = lambda self, value: "assigned"
    use(probe, f, 5)
    del Sub._serialize_for_key
    use(probe, f, 5)
    f.clear.__self__.__class__ = QuickCacheHelper
    use(probe, f, 5)


@scenario
def attributes_assigned(probe):
    for memory in (False, True):
        f = decorated_by(probe, QuickCacheHelper, memory)
        helper = f.clear.__self__
        use(probe, f, 5)
        helper.cache = probe.cache("assigned")
        use(probe, f, 5)
        helper.cache = TieredCache([probe.memory(), probe.cache("below")])
        use(probe, f, 5)
        helper.cache.caches[0] = probe.cache("within")
        use(probe, f, 5)
        helper.cache.caches = (probe.cache("whole"),)
        use(probe, f, 5)
        helper.prefix = "assigned.prefix"
        use(probe, f, 5)
        helper.prefix = 5
        use(probe, f, 5)
        helper.prefix = "p"
        helper.skip_arg = None
        use(probe, f, 5)
        helper.skip_arg = ""
        use(probe, f, 5)
        helper.skip_arg = "x"
        use(probe, f, 5)
        helper.skip_arg = "nothing"
        use(probe, f, 5)
        helper.skip_arg = lambda x, skip=False: skip
        use(probe, f, 5)
        helper.skip_arg = "skip"
        helper.vary_on = [("skip", ())]
        use(probe, f, 5)
        helper.vary_on = (("x", ("real", "imag")), ("x", ()))
        use(probe, f, 5)
        helper.vary_on = []
        use(probe, f, 5)
        helper.vary_on = [("nothing", ())]
        use(probe, f, 5)
        helper.vary_on = lambda x, skip=False: ["assigned", x]
        use(probe, f, 5)
        helper.vary_on = [("x", ())]
        helper.fn = lambda x, skip=1, more=2: ("assigned", x, more)
        use(probe, f, 5)
        probe.step("arguments of the new function", f, 5, more=6)
        helper.get_cache_key = lambda *args, **kwargs: "instance key"
        use(probe, f, 5)
        helper.call = lambda *args, **kwargs: "instance call"
        helper.skip = lambda *args, **kwargs: args == (6,)
        use(probe, f, 5)
        use(probe, f, 6)
        del helper.get_cache_key, helper.call, helper.skip
        helper._serialize_for_key = lambda value: "instance code"
        use(probe, f, 5)
        helper._hash = lambda value, length=32: "instance hash"
        use(probe, f, 5)
        del helper._serialize_for_key
        use(probe, f, "text")
        helper.anything = "own"
        probe.is_("own attribute", helper.anything)


@scenario
def vary_on_assigned_in_other_shapes(probe):
    for memory in (False, True):
        f = decorated_by(probe, QuickCacheHelper, memory)
        for vary_on in (
            (("x", ["imag"]),),
            [["x", ()]],
            [("x", "imag")],
            [("x", iter(["imag"]))],
            iter([("x", ())]),
            {"x": 1}.items(),
            [("x",)],
            [("x", (), 1)],
            [("x", None)],
            ["x"],
            ["x5"],
            None,
            [(1, ())],
            [("x", (1,))],
        ):
            f.clear.__self__.vary_on = vary_on
            use(probe, f, 5)


@scenario
def a_lone_surrogate_in_the_prefix(probe):
    for prefix in ("\udc80", "a\ud800b"):
        f = decorated_by(probe, QuickCacheHelper)
        f.clear.__self__.prefix = prefix
        use(probe, f, 5)


@scenario
def attributes_deleted(probe):
    for name in ("fn", "cache", "prefix", "vary_on", "skip_arg"):
        f = decorated_by(probe, QuickCacheHelper)
        delattr(f.clear.__self__, name)
        probe.step(f"without {name}", f, 5)
        probe.step("clear", f.clear, 5)
        probe.step("key", f.get_cache_key, b"\xff")


@scenario
def skip_arg_assigned_that_is_none(probe):
    f = decorated_by(probe, QuickCacheHelper)
    for bad in (5, [1], len, object):
        f.clear.__self__.skip_arg = bad
        probe.step("a bad skip_arg", f, 5)


@scenario
def patches_on_tiers(probe):
    for cache in (probe.cache(), probe.memory()):
        tiered = TieredCache([CacheWithPresets(cache, 10)] if hasattr(cache, "name") else [cache])
        f = decorating(["x"], cache=tiered)(lambda x: x)
        probe.step("call", f, 1)
        for cls, name in (
            (TieredCache, "get"),
            (TieredCache, "set"),
            (TieredCache, "delete"),
            (CacheWithPresets, "get"),
            (CacheWithPresets, "set"),
            (CacheWithPresets, "prefixed_key"),
        ):
            with mock.patch.object(cls, name, return_value=...) as patched:
                probe.step(f"patched {name}", f, 1)
                probe.step("clear", f.clear, 1)
                probe.is_("calls", patched.mock_calls)
            probe.step("call", f, 1)


@scenario
def patches_on_one_tiered_cache(probe):
    for cache in (probe.cache(), probe.memory()):
        tiered = TieredCache([cache])
        f = decorating(["x"], cache=tiered)(lambda x: x * 1)
        for name in ("get", "set", "delete"):
            f.clear(1)
            with mock.patch.object(tiered, name, return_value=...) as patched:
                probe.step(f"{name} patched", f, 1)
                probe.step("clear", f.clear, 1)
                probe.is_("calls", patched.mock_calls)
            probe.step("call", f, 1)


@scenario
def levels_of_logging(probe):
    def body(x):
        return x

    def once():
        f = decorating(["x"], cache=TieredCache([probe.cache("one"), probe.memory()]))(body)
        probe.step("miss", f, 1)
        probe.step("hit", f, 1)
        probe.step("peek", f.get_cached_value, 1)
        probe.step("put", lambda: f.set_cached_value(1).to(2))
        probe.step("clear", f.clear, 1)

    root = logging.getLogger()
    for level in (logging.DEBUG, logging.DEBUG + 1, logging.INFO, 1, logging.CRITICAL):
        logger.setLevel(level)
        once()
    logger.setLevel(logging.NOTSET)
    for level in (logging.DEBUG, logging.WARNING):
        root.setLevel(level)
        once()
    logger.setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO, logging.DEBUG - 1, logging.NOTSET):
        logging.disable(level)
        once()
    logging.disable(logging.NOTSET)
    logger.disabled = True
    once()
    logger.disabled = False

    def refuse(record):
        probe.note("filter", record.levelname, record.getMessage())
        return False

    logger.addFilter(refuse)
    once()
    logger.removeFilter(refuse)
    logger.setLevel(logging.DEBUG)
    body.__name__ = "{} %s %d"
    once()


@scenario
def a_level_that_changes_within_a_call(probe):
    levels = iter([logging.DEBUG, logging.INFO] * 20)
    f = decorating(["x.real"], cache=probe.cache(), skip_arg=lambda x: logger.setLevel(next(levels)))(
        lambda x: x
    )
    for _ in range(4):
        probe.step("a level for each call", f, 1)


@scenario
def handlers_that_call_back(probe):
    f = decorating(["x"], cache=probe.cache())(lambda x: x)

    class Calling(logging.Handler):
        busy = threading.local()

        def emit(self, record):
            if not getattr(self.busy, "now", False):
                self.busy.now = True
                try:
                    probe.note("from the handler", f(2))
                    f.clear(3)  # not 1, over whose call under way it would win
                finally:
                    self.busy.now = False

    class Failing(logging.Handler):
        def emit(self, record):
            raise LookupError("handler")

    for handler in (Calling(), Failing()):
        logger.addHandler(handler)
        try:
            probe.step("call", f, 1)
            probe.step("again", f, 1)
            probe.step("peek", f.get_cached_value, 1)
        finally:
            logger.removeHandler(handler)


@scenario
def one_helper_class_for_all(probe):
    """A configuration with a helper class of its own, as projects have in one place."""

    class Versioned(QuickCacheHelper):
        version = 1

        def get_cache_key(self, *args, **kwargs):
            return f"{super().get_cache_key(*args, **kwargs)}@{self.version}"

    quickcache = get_quickcache(cache=probe.cache(), helper_class=Versioned, skip_arg="skip")
    f = quickcache(["x"])(lambda x, skip=False: x)
    use(probe, f, 1)
    Versioned.version = 2
    use(probe, f, 1)
    use(probe, quickcache(["x"], helper_class=QuickCacheHelper)(lambda x, skip=False: x), 1)


@scenario
def attributes_changed_behind_the_back(probe):
    """Straight in the `__dict__` or in a list: not by setting an attribute."""
    first, second = probe.cache("first"), probe.cache("second")
    f = decorating(["x"], cache=first)(lambda x, y=2: (x, y))
    helper = f.clear.__self__
    use(probe, f, 1)
    with mock.patch.dict(helper.__dict__, cache=second):
        use(probe, f, 1)
    use(probe, f, 1)
    helper.__dict__["cache"] = second
    use(probe, f, 1)
    helper.__dict__["prefix"] = "P"
    use(probe, f, 1)
    helper.vary_on.append(("y", ()))
    use(probe, f, 1)
    helper.vary_on[:] = []
    use(probe, f, 1)
    helper.__dict__ = {**helper.__dict__, "cache": first}
    use(probe, f, 1)
    helper.__dict__["call"] = lambda *args, **kwargs: "its own"
    use(probe, f, 1)


@scenario
def a_prefix_that_changes(probe):
    class Changing:
        count = 0

        def __format__(self, spec):
            self.count += 1
            return f"v{self.count}"

    f = decorating(["x"], cache=probe.cache())(lambda x: (x, "a prefix that changes"))
    f.clear.__self__.prefix = Changing()
    for _ in range(3):
        probe.step("call", f, 1)


@scenario
def attributes_that_are_made_up(probe):
    """One cache for each tenant, by `__getattr__`, `__getattribute__` or a property."""
    caches = {name: probe.cache(name) for name in ("one", "two")}
    tenant = ["one"]

    class Lacking(QuickCacheHelper):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            del self.cache

        def __getattr__(self, name):
            if name == "cache":
                return caches[tenant[0]]
            raise AttributeError(name)

    class Asking(QuickCacheHelper):
        def __getattribute__(self, name):
            return caches[tenant[0]] if name == "cache" else super().__getattribute__(name)

    class Own(QuickCacheHelper):
        @property
        def cache(self):
            probe.note("asked for the cache")
            return caches[tenant[0]]

        @cache.setter
        def cache(self, value):
            pass

    class Setting(QuickCacheHelper):
        def __setattr__(self, name, value):
            self.__dict__[name] = value

    for helper_class in (Lacking, Asking, Own, Setting):
        f = decorating(["x"], cache=caches["one"], helper_class=helper_class, skip_arg="skip")(
            lambda x, skip=False: x
        )
        for name in ("one", "two", "one"):
            tenant[0] = name
            f.clear.__self__.cache = caches[name]
            probe.step(f"{helper_class.__name__} for {name}", f, 1)
            probe.step("again", f, 1)
            probe.step("skipped", f, 1, skip=True)


@scenario
def made_without_init(probe):
    """Ways around `__init__` and `__setattr__` that a class in Python allows."""

    class Frozen(QuickCacheHelper):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            object.__setattr__(self, "prefix", "frozen")

    class Single(QuickCacheHelper):
        one = None

        def __new__(cls, *args, **kwargs):
            if cls.one is None:
                cls.one = object.__new__(cls)
            return cls.one

    class Local(QuickCacheHelper, threading.local):
        pass

    class Borrowing:
        get_cache_key = QuickCacheHelper.get_cache_key
        _serialize_for_key = QuickCacheHelper._serialize_for_key
        _hash = staticmethod(QuickCacheHelper._hash)
        prefix, vary_on, encoding_assert = "borrowed", [("x", ())], None

        def fn(self, x):
            return x

    for helper_class in (Frozen, Single, Local):
        f = decorating(["x"], cache=probe.cache(), helper_class=helper_class)(lambda x: x)
        use(probe, f, 1)
    borrowing = Borrowing()
    borrowing.fn = lambda x: x
    probe.step("borrowed", borrowing.get_cache_key, 1)


@scenario
def records_and_a_logger_that_is_patched(probe):
    class Plain(QuickCacheHelper):
        def get_cache_key(self, *args, **kwargs):
            return super().get_cache_key(*args, **kwargs)

    for helper_class in (QuickCacheHelper, Plain):
        f = decorating(["x"], cache=probe.cache(), helper_class=helper_class)(lambda x: (x, "recorded"))
        probe.step("call", f, 1)
        with mock.patch.object(logger, "debug") as debug:
            probe.step("hit", f, 1)
            probe.step("miss", f, 2)
            probe.is_("told", [list(call.args) for call in debug.call_args_list])
        probe.step("after", f, 1)


@scenario
def keys_made_in_a_way_of_its_own_give_no_warning(probe):
    class Constant(QuickCacheHelper):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.prefix = "app.v1"

        def get_cache_key(self, *args, **kwargs):
            return f"{self.prefix}:{self.fn.__qualname__}:{args}"

    def one(x):
        return x

    def two(x):
        return -x

    for body in (one, two):
        f = decorating(["x"], cache=probe.cache(), helper_class=Constant)(body)
        use(probe, f, 1)


@scenario
def names_of_a_subclass_are_its_own(probe):
    class Forgetting(QuickCacheHelper):
        def forget(self, domain):
            probe.note("forgetting all of", domain)

    class Clearing(QuickCacheHelper):
        def forget(self, *args, **kwargs):
            return self.clear(*args, **kwargs)

    class Attributes(QuickCacheHelper):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._plan, self._desk = "gold", "front"

        def call(self, *args, **kwargs):
            probe.note(self._plan, self._desk)
            return super().call(*args, **kwargs)

    for helper_class in (Forgetting, Clearing, Attributes):
        use(probe, decorated_by(probe, helper_class), 1)


@scenario
def a_helper_by_hand_can_be_cleared(probe):
    class Duck:
        def get_cache_key(self, *args):
            return f"duck:{args}"

    duck = Duck()
    duck.cache = probe.cache()
    probe.step("clear", QuickCacheHelper.clear, duck, 1)


@scenario
def configurations_are_patched_where_they_are_defined(probe):
    with mock.patch.object(ConfigMixin, "call", lambda self: lambda fn: fn):

        @get_quickcache(cache=probe.cache())(["x"])
        def f(x):
            return x

    probe.is_("plain", hasattr(f, "clear"))


@scenario
def what_stands_for_a_function_is_one(probe):
    class StandIn:
        """As wrapt's proxies do."""

        def __init__(self, wrapped):
            self.wrapped = wrapped

        @property
        def __class__(self):
            return type(self.wrapped)

        def __call__(self, *args, **kwargs):
            probe.note("the stand-in", *args, **kwargs)
            return self.wrapped(*args, **kwargs)

    vary_on, skip = StandIn(lambda x, skip=False: [x]), StandIn(lambda x, skip=False: skip)
    f = decorating(vary_on, cache=probe.cache(), skip_arg=skip)(lambda x, skip=False: (x, skip))
    probe.step("call", f, 1)
    probe.step("call again", f, 1)
    probe.step("call, skipping", f, 1, skip=True)
    probe.step("key", f.get_cache_key, 1)


@scenario
def a_key_that_raises_stop_iteration_ends_no_loop(probe):
    class Odd(int):
        def __str__(self):
            return next(iter([]))

    f = decorating(["x"], cache=probe.cache())(lambda x: (x, "not odd"))
    probe.step("map", lambda: list(map(f, [Odd(1), 2, 3])))

    class Own(QuickCacheHelper):
        def _serialize_for_key(self, value):
            return next(iter([]))

    f = decorated_by(probe, Own)
    probe.step("own codes", lambda: list(map(f, [1, 2, 3])))


@scenario
def the_default_assertion_is_where_it_was(probe):
    probe.is_("home", (assert_function.__module__, assert_function.__qualname__))
