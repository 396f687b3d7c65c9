"""The stages of configuration, and what a decorated function is."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.
# ruff: noqa: N801, PLR0124, PLW0108

import copy
import functools
import inspect
import pickle
import subprocess
import sys
from collections import namedtuple
from unittest import mock

from compat_probe import decorating, scenario

import quickcache as package
from quickcache import QuickCacheHelper, get_quickcache
from quickcache.cache_helpers import CacheWithPresets, ForceSkipCache, TieredCache
from quickcache.logger import assert_function, logger
from quickcache.native_utc import UTC, ZERO, utc
from quickcache.quickcache import ConfigMixin, QuickCache


@scenario
def stages_in_every_order(probe):
    cache = probe.cache()

    def f(x, y, skip=False):
        probe.note("called", x, y, skip)
        return x

    for label, stages in (
        ("all at once", lambda: get_quickcache(vary_on=["x"], cache=cache, skip_arg="skip")()),
        ("cache first", lambda: get_quickcache(cache=cache)(["x"])),
        ("both positional", lambda: get_quickcache(cache=cache)(["x"], "skip")),
        ("by keyword", lambda: get_quickcache(cache=cache)(vary_on=["x"], skip_arg="skip")),
        ("vary_on first", lambda: get_quickcache(vary_on=["x"])(cache=cache)),
        ("skip first", lambda: get_quickcache(skip_arg="skip")(["x"], cache=cache)),
        ("but_with first", lambda: get_quickcache().but_with(cache=cache)(["x"])),
        ("but_with twice", lambda: get_quickcache().but_with(cache=cache).but_with(vary_on=["x"])()),
        ("the last word counts", lambda: get_quickcache(cache=None, vary_on=["y"])(["x"], cache=cache)),
        (
            "vary_on taken back",
            lambda: get_quickcache(cache=cache, vary_on=["y"]).but_with(vary_on=...)(["x"]),
        ),
        ("skip_arg taken back", lambda: get_quickcache(cache=cache, skip_arg="skip")(["x"], None)),
        ("Ellipsis is not given", lambda: get_quickcache(cache=cache, skip_arg="skip")(["x"], ...)),
        ("a decorator's arguments all", lambda: get_quickcache()(["x"], "skip", cache=cache)),
        ("own assert_function", lambda: get_quickcache(cache=cache, assert_function=len)(["x"])),
        ("a tuple", lambda: get_quickcache(cache=cache)(("x", "y"))),
        ("a generator", lambda: get_quickcache(cache=cache)(name for name in ("x", "y"))),
        ("a dict", lambda: get_quickcache(cache=cache)({"x": 1})),
        ("a text of one", lambda: get_quickcache(cache=cache)("x")),
        ("a text of two", lambda: get_quickcache(cache=cache)("xy")),
        ("the same twice", lambda: get_quickcache(cache=cache)(["x", "x"])),
        ("nothing", lambda: get_quickcache(cache=cache)([])),
    ):
        cache.kept.clear()
        decorator = stages()
        probe.is_(f"{label}: a function", inspect.isfunction(decorator))
        g = probe.step(label, decorator, f)
        probe.is_("names", g.clear.__self__.vary_on)
        probe.is_("skip_arg", g.clear.__self__.skip_arg)
        probe.step("call", g, 1, 2)
        probe.step("again", g, 1, y=2)
        probe.step("skipping", g, 1, 2, skip=True)
        probe.step("other y", g, 1, 3)


@scenario
def stages_do_not_share(probe):
    first = get_quickcache(cache=probe.cache("one"))
    second = first.but_with(cache=probe.cache("two"))
    f = first(["x"])(lambda x: x)
    g = second(["x"])(lambda x: x)
    probe.step("first", f, 1)
    probe.step("second", g, 1)
    decorator = first(["x"])
    probe.step("one decorator, two functions", lambda: [decorator(lambda x: 1)(5), decorator(lambda x: 2)(5)])
    probe.is_("a decorator's name", decorator.__name__ in ("decorator", "decorate"))


@scenario
def configuration_errors(probe):
    cache = probe.cache()
    probe.step("nothing given", get_quickcache())
    probe.step("no vary_on", get_quickcache(cache=cache))
    probe.step("no cache", get_quickcache(vary_on=["x"]))
    probe.step("no cache, called", lambda: get_quickcache()(["x"]))
    probe.step(
        "Ellipsis given", lambda: get_quickcache(cache=cache, helper_class=...)(["x"], assert_function=...)
    )
    probe.step("an unknown name", lambda: get_quickcache(cash=cache))
    probe.step("two unknown names", lambda: get_quickcache(cash=cache, very_on=1, cache=cache))
    probe.step("an unknown name later", lambda: get_quickcache(cache=cache)(["x"], cash=1))
    probe.step("an unknown name in but_with", lambda: get_quickcache().but_with(cash=1))
    probe.step("but_with by position", lambda: get_quickcache().but_with(["x"]))
    probe.step("get_quickcache by position", lambda: get_quickcache(["x"]))
    probe.step("three by position", lambda: get_quickcache(cache=cache)(["x"], None, 5))
    probe.step("vary_on twice", lambda: get_quickcache(cache=cache)(["x"], vary_on=["y"]))
    probe.step("used as a bare decorator", lambda: get_quickcache(cache=cache)(lambda x: [x])(lambda y: y)(5))
    # The decorator's own name, which is private, would show in the text.
    probe.kind("no function", lambda: get_quickcache(cache=cache)(["x"])())
    probe.kind("two functions", lambda: get_quickcache(cache=cache)(["x"])(len, len))
    probe.step(
        "a helper class that is none", lambda: get_quickcache(cache=cache, helper_class=5)(["x"])(lambda x: x)
    )


@scenario
def validation_errors(probe):
    quickcache = get_quickcache(cache=probe.cache())

    def f(x, y=1, *rest, key=None, **extra):
        return x

    class Callable_:
        def __call__(self, *args, **kwargs):
            return ["x"]

        def method(self, *args):
            return ["x"]

    for label, vary_on in (
        ("an unknown name", ["z"]),
        ("a known and an unknown", ["x", "z", "q"]),
        ("a dotted unknown name", ["z.a"]),
        ("empty text", [""]),
        ("empty first part", [".x"]),
        ("a text", "z"),
        ("a text of several", "x, y"),
        ("the name of *rest", ["rest"]),
        ("the name of **extra", ["extra"]),
        ("a space", ["x "]),
        ("a number", [5]),
        ("None within", [None]),
        ("bytes", [b"x"]),
        ("a list within", [["x"]]),
        ("None", None),
        ("a number alone", 5),
        ("a class", list),
        ("a builtin", len),
        ("a bound method", Callable_().method),
        ("an object", Callable_()),
        ("a partial", functools.partial(lambda a, x: x, 1)),
        ("a non-ASCII name", ["naïve"]),
        ("a lone surrogate", ["\udc80"]),
    ):
        probe.step(f"vary_on: {label}", lambda vary_on=vary_on: quickcache(vary_on)(f)(1))
        probe.step(f"and a bad skip_arg: {label}", lambda vary_on=vary_on: quickcache(vary_on, 5)(f))
    for label, skip_arg in (
        ("an unknown name", "z"),
        ("a dotted name", "y.a"),
        ("empty text", ""),
        ("one varied on", "x"),
        ("the name of *rest", "rest"),
        ("the name of **extra", "extra"),
        ("a number", 5),
        ("a list", ["y"]),
        ("bytes", b"y"),
        ("False", False),
        ("True", True),
        ("a class", bool),
        ("a builtin", len),
        ("a bound method", Callable_().method),
        ("an object", Callable_()),
        ("a partial", functools.partial(lambda a, x: x, 1)),
        ("None", None),
    ):
        probe.step(f"skip_arg: {label}", lambda skip_arg=skip_arg: quickcache(["x"], skip_arg)(f)(1))
        probe.step(f"vary_on a function: {label}", lambda s=skip_arg: quickcache(lambda *a, **k: a, s)(f)(1))
        probe.step(f"vary_on nothing: {label}", lambda s=skip_arg: quickcache([], s)(f)(1))
        probe.step(f"vary_on unknown: {label}", lambda s=skip_arg: quickcache(["z"], s)(f)(1))
    probe.step("varied on by attribute only", lambda: quickcache(["x.real"], "x")(f)(1))
    probe.step("odd attribute paths", lambda: quickcache(["x.."])(f)(1))
    probe.step("a trailing dot", lambda: quickcache(["x."])(f)(1))
    probe.step("attributes with spaces", lambda: quickcache(["x. real"])(f)(1))

    class Name(str):
        def split(self, *args):
            probe.note("split", args)
            return ["x", "real"]

    probe.step("a name that splits its own way", lambda: quickcache([Name("anything")])(f)(5))


@scenario
def what_a_decorated_function_is(probe):
    cache = probe.cache()

    def outer(x: int, *, flag: bool = False) -> str:
        """The docstring."""
        return str(x)

    outer.extra = "attribute"
    f = decorating(["x"], cache=cache)(outer)
    probe.is_("a function", inspect.isfunction(f))
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "extra", "prefix"):
        probe.is_(name, getattr(f, name))
    probe.is_("wrapped", f.__wrapped__ is outer)
    probe.is_("signature", str(inspect.signature(f)))
    probe.is_("getfullargspec", inspect.getfullargspec(f))
    probe.is_("getsource", inspect.getsource(f))
    probe.is_("unwrap", inspect.unwrap(f) is outer)
    probe.is_("attributes", sorted(vars(f)))
    probe.is_("defaults", (f.__defaults__, f.__kwdefaults__))
    probe.is_("repr", f)
    helper = f.clear.__self__
    probe.is_("helper", type(helper).__name__)
    probe.is_(
        "one helper",
        {f.get_cache_key.__self__, f.get_cached_value.__self__, f.set_cached_value.__self__} == {helper},
    )
    for name in ("clear", "get_cache_key", "get_cached_value", "set_cached_value"):
        method = getattr(f, name)
        probe.is_(
            name,
            (inspect.ismethod(method), method.__name__, method.__func__ is getattr(QuickCacheHelper, name)),
        )
    for name in ("fn", "cache", "prefix", "vary_on", "skip_arg", "encoding_assert"):
        probe.is_(f"helper.{name}", name in ("cache", "encoding_assert") or getattr(helper, name))
    probe.is_("helper.fn", helper.fn is outer)
    probe.is_("helper.cache", helper.cache is cache)
    probe.is_("helper.encoding_assert", helper.encoding_assert is assert_function)
    probe.is_("helper.vary_on types", [type(part).__name__ for part in (helper.vary_on, *helper.vary_on)])
    f.own = 5
    f.prefix = "changed"
    probe.is_("own attribute", f.own)
    probe.step("prefix of the function changes no key", f.get_cache_key, 1)
    probe.step("wrapped bypasses", f.__wrapped__, 1)
    f.__doc__ = "other"
    probe.is_("docstring", (f.__doc__, outer.__doc__))
    probe.is_("descriptor", f.__get__(5).__self__)
    probe.is_("hashable", len({f, f}))
    probe.is_("copy", (copy.copy(f) is f, copy.deepcopy(f) is f, copy.deepcopy([f])[0] is f))


def at_module_level(x, flag=False):
    """Decorated below."""
    return x


at_module_level = decorating(["x"], cache={})(at_module_level)  # type: ignore[assignment,arg-type]


@scenario
def pickled_by_name(probe):
    probe.is_("pickled", pickle.loads(pickle.dumps(at_module_level)) is at_module_level)
    probe.is_("text", pickle.dumps(at_module_level, 0))
    probe.step("a closure is not", lambda: type(pickle.dumps(decorating([], cache={})(lambda: 1))))
    probe.step("a dict is no cache", at_module_level, 5)


@scenario
def tuples_all_the_way(probe):
    cache = probe.cache()
    config = get_quickcache(cache=None)
    probe.is_("a tuple", isinstance(config, tuple))
    probe.is_("bases", [base.__name__ for base in (ConfigMixin, tuple) if isinstance(config, base)])
    probe.is_("the original fields", config._fields[:5])
    probe.is_(
        "the original values",
        [value if value is ... or value is None else type(value).__name__ for value in config[:5]],
    )
    probe.is_("attributes", (config.vary_on, config.cache, config.skip_arg, config.helper_class))
    probe.is_("immutable", config.but_with(vary_on=["x"]) is config)
    probe.step("assigning", setattr, config, "vary_on", ["x"])
    probe.step("replace", lambda: config._replace(vary_on=["x"]).vary_on)
    by_position = QuickCache(["x"], cache, None, QuickCacheHelper, assert_function)
    probe.step("by position", lambda: by_position()(lambda x: x)(5))
    by_name = QuickCache(
        vary_on=["x"],
        cache=cache,
        skip_arg=None,
        helper_class=QuickCacheHelper,
        assert_function=assert_function,
    )
    probe.is_("equal", by_name == by_position)
    probe.step("make", lambda: QuickCache._make(by_name)()(lambda x: x)(6))
    probe.is_("asdict", [*by_name._asdict()][:5])
    probe.is_("get_quickcache is but_with", get_quickcache.__name__)
    probe.is_("of", type(get_quickcache.__self__).__name__)
    probe.step("call() directly", lambda: by_name.call()(lambda x: x)(7))
    probe.step("call() with values missing", lambda: type(config.call()).__name__)


@scenario
def own_configurations(probe):
    cache = probe.cache()

    class OwnHelper(QuickCacheHelper):
        def __init__(self, fn, vary_on, cache, skip_arg=None, assert_function=None, audience=None, **more):
            probe.note("helper", audience, **more)
            super().__init__(fn, vary_on, cache, skip_arg=skip_arg, assert_function=assert_function)
            self.audience = audience

        def get_cache_key(self, *args, **kwargs):
            return f"{self.audience}:{super().get_cache_key(*args, **kwargs)}"

    class Own(
        namedtuple("Own", ["vary_on", "cache", "skip_arg", "helper_class", "assert_function", "audience"]),
        ConfigMixin,
    ):
        pass

    own = Own(..., cache, None, OwnHelper, assert_function, "all").but_with
    probe.step("missing", own())
    f = own()(["x"], audience="some")(lambda x: x)
    probe.step("call", f, 1)
    probe.step("again", f, 1)
    probe.step("clear", f.clear, 1)
    probe.step("key", f.get_cache_key, 1)
    probe.step("unknown field", lambda: own(color=1))

    class Small(namedtuple("Small", ["vary_on", "helper_class"]), ConfigMixin):
        """No skip_arg and no cache."""

    def make(fn, vary_on):
        probe.note("make", vary_on)
        return OwnHelper(fn, vary_on, cache, audience="made")

    probe.step("a function for a helper class", lambda: Small(["x"], make)()(lambda x: x)(2))
    probe.step("skip_arg is no field", lambda: Small(["x"], make)(skip_arg="y"))

    class Calling(namedtuple("Calling", ["vary_on", "skip_arg", "timeout"]), ConfigMixin):
        def call(self):
            probe.note("call", self.timeout)
            return get_quickcache(cache=cache, vary_on=self.vary_on, skip_arg=self.skip_arg).call()

    staged = Calling(..., None, ...)
    probe.step("own call, missing", staged)
    probe.step("own call", lambda: staged(["x"], timeout=5)(lambda x: x)(3))

    class Overriding(namedtuple("Overriding", ["vary_on", "cache", "skip_arg", "helper_class"]), ConfigMixin):
        def but_with(self, **defaults):
            probe.note("but_with", **{name: str(type(value)) for name, value in defaults.items()})
            return super().but_with(**defaults)

        def __call__(self, *args, **kwargs):
            probe.note("__call__")
            return super().__call__(*args, **kwargs)

    probe.step("overriding", lambda: Overriding(..., cache, None, OwnHelper)(["x"])(lambda x: x)(4))

    class Subclassed(QuickCache):
        def call(self):
            probe.note("subclassed")
            return super().call()

    probe.step(
        "a subclass of QuickCache",
        lambda: Subclassed(["x"], cache, None, QuickCacheHelper, assert_function)()(lambda x: x)(5),
    )


@scenario
def any_class_for_a_helper(probe):
    cache = probe.cache()

    class Plain:
        """Not a QuickCacheHelper at all."""

        made = 0

        def __init__(self, fn, **given):
            Plain.made += 1
            self.prefix = f"plain {Plain.made}"
            self.fn = fn
            probe.note("plain", **{name: str(type(value).__name__) for name, value in given.items()})

        def __call__(self, *args, **kwargs):
            return ("plain", self.fn(*args, **kwargs))

        clear = get_cache_key = get_cached_value = set_cached_value = __call__

    quickcache = get_quickcache(cache=cache, helper_class=Plain)
    plain = probe.step("any class for a helper", lambda: quickcache(["x"])(lambda x: x))
    probe.step("call", plain, 6)
    probe.step("clear", plain.clear, 6)
    probe.step("of a partial", lambda: quickcache([])(functools.partial(max, 3))(6))
    probe.step("of an object", lambda: quickcache([])(mock.Mock(return_value=3, spec=[]))(6))
    probe.step("of a builtin", lambda: quickcache([])(len)("abc"))

    class Lacking(Plain):
        set_cached_value = property()

    probe.step("a helper that lacks a method", lambda: quickcache(["x"], helper_class=Lacking)(lambda x: x))


@scenario
def the_helper_alone(probe):
    cache = probe.cache()

    def f(x, skip=False):
        return x

    helper = QuickCacheHelper(f, ["x"], cache)
    probe.step("call it", helper, 1)
    probe.step("call()", helper.call, 1)
    probe.step("skip()", helper.skip, 1)
    probe.step("clear()", helper.clear, 1)
    probe.is_("no assert_function", helper.encoding_assert)
    helper = QuickCacheHelper(f, ["x"], cache, "skip", assert_function)
    probe.step("skip() by name", helper.skip, 1, skip="yes")
    probe.step("skip() by default", helper.skip, 1)
    probe.step("call() does not skip", helper.call, 1, skip=True)
    helper = QuickCacheHelper(
        fn=f, vary_on=("x",), cache=cache, skip_arg=lambda x, skip: x, assert_function=len
    )
    probe.step("skip() by function", helper.skip, 5, False)
    probe.step("call it", helper, 5, False)
    for args, kwargs in (
        ((), {}),
        ((f,), {}),
        ((f, ["x"]), {}),
        ((f, ["x"], cache, None, None, None), {}),
        ((f, ["x"], cache), {"fn": f}),
        ((f, ["x"], cache), {"timeout": 5}),
    ):
        probe.step("wrong arguments", lambda args=args, kwargs=kwargs: QuickCacheHelper(*args, **kwargs))
    probe.is_("weak references", __import__("weakref").ref(helper)() is helper)
    probe.is_("its own attributes", sorted(name for name in vars(helper) if not name.startswith("_")))
    probe.is_(
        "equality",
        (helper == helper, helper == QuickCacheHelper(f, ["x"], cache), hash(helper) == hash(helper)),
    )
    probe.is_("truth", bool(helper))


AFTER_IMPORTING = """
import quickcache
for path in ('quickcache.get_quickcache', 'quickcache_helper.QuickCacheHelper', 'cache_helpers.TieredCache',
             'logger.logger', 'native_utc.utc', 'django_quickcache', 'nothing'):
    at = quickcache
    try:
        for name in path.split('.'):
            at = getattr(at, name)
        print(path, 'is there')
    except AttributeError as error:
        print(path, error)
"""


@scenario
def import_paths(probe):
    for module, names in (
        ("quickcache", "get_quickcache QuickCacheHelper ForceSkipCache"),
        ("quickcache.quickcache", "ConfigMixin QuickCache get_quickcache assert_function QuickCacheHelper"),
        ("quickcache.quickcache_helper", "QuickCacheHelper logger utc"),
        ("quickcache.cache_helpers", "CacheWithPresets CacheWithTimeout TieredCache ForceSkipCache logger"),
        ("quickcache.logger", "logger assert_function"),
        ("quickcache.native_utc", "UTC utc ZERO"),
    ):
        for name in names.split():
            probe.step(
                f"{module}.{name}",
                lambda m=module, n=name: type(getattr(__import__(m, fromlist=[n]), n)).__name__,
            )
    listed = set(package.__all__)
    probe.is_("listed", sorted(listed & {"get_quickcache", "QuickCacheHelper", "ForceSkipCache"}))
    # In an interpreter that has imported nothing else.
    done = subprocess.run(
        [sys.executable, "-c", AFTER_IMPORTING], capture_output=True, text=True, check=False, input=""
    )
    probe.is_("after `import quickcache`", (done.returncode, done.stdout.splitlines(), done.stderr))
    probe.is_(
        "one class on all paths", package.QuickCacheHelper is package.quickcache_helper.QuickCacheHelper
    )
    probe.is_("the logger", (logger.name, type(logger).__name__))


@scenario
def utc_of_its_own(probe):
    probe.is_("offset", (utc.utcoffset(None), utc.dst(None), utc.tzname(None), ZERO))
    probe.step("by name", lambda: (utc.utcoffset(dt=None), utc.dst(dt=None), utc.tzname(dt=None)))
    probe.is_("documented", (UTC.__doc__, str(utc)[:30].split(" ")[0].split(".")[0], isinstance(utc, UTC)))
    probe.is_("copied", (copy.copy(utc).utcoffset(None), pickle.loads(pickle.dumps(utc)).tzname(None)))


@scenario
def the_class_of_helpers(probe):
    own = {"call", "clear", "get_cache_key", "get_cached_value", "set_cached_value", "skip", "__init__"}
    for name in sorted(own | {"_serialize_for_key"}):
        probe.is_(name, inspect.isfunction(getattr(QuickCacheHelper, name)))
    for name in sorted(own - {"__init__"}):
        probe.step(f"{name} of no instance", getattr(QuickCacheHelper, name))
        probe.step(
            f"{name} bare", lambda name=name: getattr(QuickCacheHelper.__new__(QuickCacheHelper), name)()
        )
    probe.step("__call__ bare", lambda: QuickCacheHelper.__new__(QuickCacheHelper)())
    probe.is_("name", (QuickCacheHelper.__name__, QuickCacheHelper.__qualname__))


@scenario
def fields_in_all_their_uses(probe):
    """Options of ours are no fields: what is made of the fields is as it was."""
    from quickcache.django_quickcache import DjangoQuickCache

    class Own(QuickCache):
        def call(self):
            values = self._asdict()
            helper_class = values.pop("helper_class")
            return lambda fn: helper_class(fn, **values)

    class More(namedtuple("More", (*QuickCache._fields, "extra")), ConfigMixin):
        pass

    given = (["x"], probe.cache(), None, QuickCacheHelper, assert_function)
    probe.is_("fields", QuickCache._fields)
    probe.is_("fields for Django", DjangoQuickCache._fields)
    probe.step("made of a list", lambda: len(QuickCache._make(list(given))))
    probe.step("unpacked", lambda: [*get_quickcache(cache="cache")])
    probe.step("repr", lambda: repr(get_quickcache(cache="cache").but_with(vary_on=["x"])._fields))
    probe.step("equal", lambda: get_quickcache(cache="cache") == get_quickcache(cache="cache"))
    probe.step("a call of its own", lambda: Own(*given)()(lambda x: x)(1))
    probe.step("more fields", lambda: More(*given, extra=1)._asdict()["extra"])
    probe.step("too few", lambda: QuickCache(["x"]))
    probe.step("too few for Django", lambda: DjangoQuickCache(["x"]))


@scenario
def pickles_name_the_paths_of_old(probe):
    import pickletools

    for label, value in (
        ("UTC", utc),
        ("tiers", TieredCache([])),
        ("presets", CacheWithPresets(None, 1)),
        ("configuration", QuickCache(1, 2, 3, 4, 5)),
        ("the exception", ForceSkipCache),
        ("the helper", QuickCacheHelper),
    ):
        names = [str(arg) for op, arg, _ in pickletools.genops(pickle.dumps(value, 2)) if op.name == "GLOBAL"]
        probe.is_(label, [name for name in names if name.startswith("quickcache")])
