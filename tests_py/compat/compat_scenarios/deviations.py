"""Where this quickcache leaves 0.5.4 on purpose. What each side does is stated in test_compat_deviations."""

import copy
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import pickle

import compat_values
from compat_probe import decorating, scenario

from quickcache import QuickCacheHelper, get_quickcache
from quickcache.cache_helpers import CacheWithTimeout, TieredCache
from quickcache.logger import assert_function


def code(probe, value):
    """The part of the key after the prefix."""
    return (
        decorating(["value"], cache=probe.cache())(lambda value: value).get_cache_key(value).split("/", 1)[1]
    )


@scenario
def generators_and_coroutines(probe):
    quickcache = get_quickcache(vary_on=[], cache=probe.memory())

    def generator():
        yield 1

    async def coroutine():
        return 1

    async def asynchronous_generator():
        yield 1

    decorated = probe.step("a generator", lambda: quickcache()(generator))
    if decorated:
        probe.is_("consumed once", list(decorated()))
        probe.is_("consumed twice", list(decorated()))
    for fn in (coroutine, asynchronous_generator):
        probe.step(fn.__name__, lambda fn=fn: quickcache()(fn).__name__)


@scenario
def a_keyword_named_self(probe):
    f = decorating(["self"], cache=probe.memory())(lambda self, x=1: (self, x))
    probe.step("call", f, self=5)
    probe.step("key", lambda: f.get_cache_key(self=5).split("/")[1])
    probe.step("clear", f.clear, self=5)


@scenario
def a_keyword_named_as_a_positional_only_argument(probe):
    f = decorating(["a"], cache=probe.memory())(lambda a=5, /, **kw: (a, sorted(kw.items())))
    probe.step("by keyword", f, a=7)
    probe.step("by place", f, 7)


@scenario
def a_clear_during_a_call(probe):
    def compute(x):
        f.clear(x)
        return x

    f = decorating(["x"], cache=probe.memory())(compute)
    probe.step("call", f, 5)
    probe.step("peek", f.get_cached_value, 5)


@scenario
def keyword_only_arguments(probe):
    quickcache = get_quickcache(cache=probe.memory())

    def keyword_only(a, *, k=1):
        probe.note("called", a, k)
        return (a, k)

    f = probe.step("vary_on", lambda: quickcache(["k"])(keyword_only))
    if f:
        probe.step("call", f, 1, k=2)
        probe.step("hit", f, 3, k=2)
        probe.step("default", f, 3)
    f = probe.step("skip_arg", lambda: quickcache(["a"], "k")(keyword_only))
    if f:
        probe.step("skipping", f, 1, k=2)
        probe.step("not skipping", f, 1, k=0)


@scenario
def the_default_assert_function(probe):
    probe.step("true", assert_function, True, "a message")
    probe.step("false", assert_function, False, "a message")
    probe.is_("bytes that are not utf-8", code(probe, b"\xff"))


@scenario
def a_helper_without_assert_function(probe):
    helper = QuickCacheHelper(lambda x: x, ["x"], probe.memory())
    probe.step("not utf-8", helper._serialize_for_key, b"\xff")


@scenario
def overridden_django_caches(probe):
    from django.core.cache import caches
    from django.test import override_settings

    from quickcache.django_quickcache import get_django_quickcache

    backend = "django.core.cache.backends.locmem.LocMemCache"
    f = get_django_quickcache(timeout=60, memoize_timeout=0)([])(lambda: "value")
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": "overriding"}}):
        probe.step("call", f)
        probe.is_("kept in the overriding cache", len(caches["default"]._cache))


@scenario
def no_timeouts_at_all(probe):
    from quickcache.django_quickcache import get_django_quickcache

    decorated = []
    probe.step(
        "decorate",
        lambda: decorated.append(
            get_django_quickcache(timeout=0, memoize_timeout=0)([])(lambda: probe.note("called"))
        ),
    )
    probe.step("call", decorated[0])
    probe.step("call again", decorated[0])


@scenario
def deprecated_presets_copied(probe):
    presets = CacheWithTimeout("cache", 60)
    probe.step("copied", copy.copy, presets)
    probe.step("pickled", lambda: pickle.loads(pickle.dumps(presets)))


@scenario
def an_iterator_of_tiers(probe):
    tiered = TieredCache(iter([probe.cache("one"), probe.cache("two")]))
    probe.step("set", tiered.set, "key", "value")
    probe.step("get", tiered.get, "key")


@scenario
def more_types_of_values(probe):
    class Colour(enum.Enum):
        RED = 1

    class Path(pathlib.PurePosixPath):
        """A class of ours: the text of the error would name a private module of pathlib's."""

    class Own:
        def __quickcache_key__(self):
            return ["own", 5]

        def __repr__(self):
            return "Own()"

    for value in (
        frozenset([1]),
        dt.date(2020, 2, 29),
        dt.time(1, 2, 3),
        dt.timedelta(days=1, microseconds=5),
        decimal.Decimal("1.50"),
        Colour.RED,
        Path("a/b"),
        Own(),
    ):
        probe.step(type(value).__name__, code, probe, value)
    probe.step("still refused", code, probe, fractions.Fraction(1, 2))


@scenario
def lazy_text(probe):
    from django.utils.translation import gettext_lazy

    lazy = gettext_lazy("text")
    try:
        probe.is_("lazy text", code(probe, lazy) == code(probe, "text"))
    except ValueError:
        probe.is_("lazy text", "refused")


@scenario
def the_edge_of_the_calendar(probe):
    east = dt.timezone(dt.timedelta(hours=5))
    west = dt.timezone(dt.timedelta(hours=-5))
    probe.step("the first hour, east", code, probe, dt.datetime(1, 1, 1, tzinfo=east))
    probe.step("the last hour, west", code, probe, dt.datetime(9999, 12, 31, 23, tzinfo=west))
    probe.step(
        "away from the edge", code, probe, dt.datetime(9999, 12, 31, 23, tzinfo=compat_values.Summer())
    )


@scenario
def two_functions_of_one_text(probe):
    def make(name):
        def same(x):
            return x

        same.__qualname__ = name
        return decorating(["x"], cache=probe.memory())(same)

    one = probe.step("decorate one", make, "one")
    two = probe.step("decorate two", make, "two")
    probe.is_("one prefix", one.prefix == two.prefix)


@scenario
def an_element_that_raises_stop_iteration(probe):
    class Odd(int):
        def __str__(self):
            raise StopIteration("odd")

        __format__ = __str__

    probe.step("alone", code, probe, Odd(5))
    probe.step("in a list", code, probe, [1, Odd(5), 2])
    probe.step("the elements before it", code, probe, [1])
