"""The configuration for Django, over Django's own memory cache."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.
# ruff: noqa: PLW0108, PT008

import time
from unittest import mock

import django
from compat_probe import scenario
from django.conf import settings
from django.core.cache import caches

LOCMEM = "django.core.cache.backends.locmem.LocMemCache"

settings.configure(
    CACHES={
        "default": {"BACKEND": LOCMEM, "LOCATION": "default"},
        "locmem": {"BACKEND": LOCMEM, "LOCATION": "locmem", "KEY_PREFIX": "here", "VERSION": 3},
        "other": {"BACKEND": LOCMEM, "LOCATION": "other", "TIMEOUT": None},
        "dummy": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    },
    USE_TZ=True,
)
django.setup()

# Reads the settings when imported, as users' modules do.
from quickcache import ForceSkipCache, QuickCacheHelper  # noqa: E402
from quickcache.cache_helpers import CacheWithPresets, TieredCache  # noqa: E402
from quickcache.django_quickcache import (  # noqa: E402
    ConfigMixin,
    DjangoQuickCache,
    assert_function,
    get_django_quickcache,
    get_quickcache,
    tiered_django_cache,
)


def stores():
    """What the two caches hold, with the seconds left to live."""
    now = time.time()
    return {
        name: {
            key: (value, caches[name]._expire_info[key] and round(caches[name]._expire_info[key] - now))
            for key, value in caches[name]._cache.items()
        }
        for name in ("locmem", "default", "other")
    }


def fresh():
    for name in ("locmem", "default", "other"):
        caches[name].clear()


def use(probe, f, *args, **kwargs):
    fresh()
    probe.step("call", f, *args, **kwargs)
    probe.step("again", f, *args, **kwargs)
    probe.is_("kept", stores())
    caches["locmem"].clear()
    probe.step("from the second", f, *args, **kwargs)
    probe.is_("kept", stores())
    probe.step("peek", f.get_cached_value, *args, **kwargs)
    probe.step("clear", f.clear, *args, **kwargs)
    probe.is_("kept", stores())
    probe.step("put", lambda: f.set_cached_value(*args, **kwargs).to({"put": [1]}))
    probe.step("call", f, *args, **kwargs)
    probe.is_("kept", stores())


def noting(probe):
    def body(x, skip=False):
        probe.note("called", x)
        return {"x": x}

    return body


@scenario
def django_stages(probe):
    for decorator in (
        lambda: get_django_quickcache(timeout=60, memoize_timeout=10)(["x"]),
        lambda: get_django_quickcache(timeout=60)(["x"], memoize_timeout=10),
        lambda: get_django_quickcache(memoize_timeout=10).but_with(timeout=60)(["x"], "skip"),
        lambda: get_django_quickcache(vary_on=["x"], timeout=60, memoize_timeout=10, skip_arg="skip")(),
        lambda: get_django_quickcache(timeout=60, memoize_timeout=10)(["x"], timeout=7, memoize_timeout=3),
        lambda: get_django_quickcache(timeout=60, memoize_timeout=0)(["x"]),
        lambda: get_django_quickcache(timeout=60, memoize_timeout=None)(["x"]),
        lambda: get_django_quickcache(timeout=0, memoize_timeout=10)(["x"]),
        lambda: get_django_quickcache(timeout=1.5, memoize_timeout=0.4)(["x"]),
        lambda: get_django_quickcache(timeout=60, memoize_timeout=-5)(["x"]),
        lambda: get_django_quickcache(timeout=60, memoize_timeout=10)(lambda x: ["v", x]),
    ):
        f = probe.kind("no function", decorator())
        f = decorator()(noting(probe))
        use(probe, f, 1)
        use(probe, f, ["a", {"b": None}])
        probe.is_("tiers", [type(tier).__name__ for tier in f.clear.__self__.cache.caches])
        probe.is_("timeouts", [tier.timeout for tier in f.clear.__self__.cache.caches])
    with_skip = get_django_quickcache(timeout=60, memoize_timeout=10)(["x"], skip_arg="skip")(noting(probe))
    fresh()
    probe.step("skipping", with_skip, 1, skip=True)
    probe.step("not skipping", with_skip, 1)
    probe.step("wrong arguments", with_skip)
    probe.step("a bad value", with_skip, 1j)


@scenario
def django_errors(probe):
    probe.step("nothing given", get_django_quickcache())
    probe.step("no timeouts", get_django_quickcache(vary_on=["x"]))
    probe.step("no memoize_timeout", lambda: get_django_quickcache(timeout=5)(["x"]))
    probe.step("an unknown name", lambda: get_django_quickcache(cache=5))
    probe.step("by position", lambda: get_django_quickcache(["x"]))
    probe.step(
        "a bad vary_on", lambda: get_django_quickcache(timeout=5, memoize_timeout=5)(["y"])(noting(probe))
    )
    probe.step(
        "a bad skip_arg", lambda: get_django_quickcache(timeout=5, memoize_timeout=5)(["x"], 5)(noting(probe))
    )
    probe.step("no such cache", lambda: tiered_django_cache([("nowhere", 5, None)]))
    probe.step(
        "no such cache, no timeout",
        lambda: tiered_django_cache([("nowhere", 0, None), ("default", 5, None)]) and 1,
    )
    probe.step("too few in a row", lambda: tiered_django_cache([("default", 5)]))
    probe.step(
        "text for a timeout",
        lambda: get_django_quickcache(timeout="a", memoize_timeout=5)(["x"])(noting(probe))(1),
    )


@scenario
def django_sessions(probe):
    session = "one:"

    def session_function():
        probe.note("session_function")
        if session is None:
            raise ForceSkipCache
        if isinstance(session, Exception):
            raise session
        return session

    f = get_django_quickcache(timeout=60, memoize_timeout=10, session_function=session_function)(["x"])(
        noting(probe)
    )
    for session in ("one:", "two:", None, "", LookupError("no session"), 5):  # noqa: B007, read above
        use(probe, f, 1)


@scenario
def django_timeouts_pass(probe):
    f = get_django_quickcache(timeout=60, memoize_timeout=10)(["x"])(noting(probe))
    fresh()
    now = time.time()
    with mock.patch("time.time", lambda: now):
        probe.step("call", f, 1)
        for later in (5, 11, 12, 30, 61, 62, 72, 200):
            with mock.patch("time.time", lambda later=later: now + later):
                probe.step(f"after {later} s", f, 1)
                probe.step("peek", f.get_cached_value, 1)
    fresh()


@scenario
def django_tiers(probe):
    fresh()
    tiered = tiered_django_cache([("locmem", 5, None), ("other", 60, lambda: "p:"), ("default", 0, None)])
    probe.is_("type", (type(tiered).__name__, isinstance(tiered, TieredCache)))
    probe.is_("tiers", [(type(tier).__name__, tier.timeout, len(tier)) for tier in tiered.caches])
    probe.step("set", tiered.set, "key", [1])
    probe.is_("kept", stores())
    probe.step("get", tiered.get, "key")
    caches["locmem"].clear()
    probe.step("get", tiered.get, "key", default=...)
    probe.step("delete", tiered.delete, "key")
    probe.is_("kept", stores())
    from_generator = tiered_django_cache(row for row in [("dummy", 5, None), ("default", 7, None)])
    probe.step("set", from_generator.set, "key", "value")
    probe.step("get", from_generator.get, "key")
    probe.step("get what is not there", from_generator.get, "none", "default")
    probe.step("in get_quickcache", lambda: get_quickcache(cache=from_generator)(["x"])(lambda x: x)(5))
    straight = get_quickcache(cache=CacheWithPresets(caches["default"], 9))(["x"])(noting(probe))
    use(probe, straight, 1)
    bare = get_quickcache(cache=caches["other"])(["x"])(noting(probe))
    use(probe, bare, 1)


@scenario
def django_configurations(probe):
    config = get_django_quickcache(timeout=5)
    probe.is_("the original fields", config._fields[:7])
    probe.is_(
        "values",
        [
            value if isinstance(value, (int, type(...), type(None))) else value.__name__
            for value in config[:7]
        ],
    )
    probe.is_("types", (type(config).__name__, isinstance(config, tuple), isinstance(config, ConfigMixin)))
    by_position = DjangoQuickCache(["x"], None, 60, 10, QuickCacheHelper, assert_function, None)
    use(probe, by_position()(noting(probe)), 1)

    class Own(DjangoQuickCache):
        def call(self):
            probe.note("own call", self.timeout, self.memoize_timeout)
            return super().call()

    use(
        probe, Own(["x"], None, 60, 10, QuickCacheHelper, assert_function, None)(timeout=30)(noting(probe)), 1
    )

    class Helper(QuickCacheHelper):
        def get_cache_key(self, *args, **kwargs):
            return "own." + super().get_cache_key(*args, **kwargs)

    own = get_django_quickcache(timeout=60, memoize_timeout=10, helper_class=Helper)
    use(probe, own(["x"])(noting(probe)), 1)


@scenario
def django_values_are_apart(probe):
    """Django's caches pickle: what a caller does to a value is not seen by the next."""
    f = get_django_quickcache(timeout=60, memoize_timeout=10)(["x"])(lambda x: [x])
    fresh()
    first = f(1)
    first.append("changed")
    probe.step("call", f, 1)
    probe.step(
        "what cannot be pickled", get_django_quickcache(timeout=60, memoize_timeout=10)([])(lambda: iter)
    )
    probe.kind("nor this", get_django_quickcache(timeout=60, memoize_timeout=10)([])(lambda: lambda: 1))
    fresh()


@scenario
def django_proxies_as_arguments(probe):
    from django.utils.functional import SimpleLazyObject
    from django.utils.safestring import mark_safe

    f = get_django_quickcache(timeout=60, memoize_timeout=10)(["x"])(lambda x: 1)
    for value in ("text", b"bytes", 5, 1.5, True, None, [1, "a"], (1,), {"a": 1}, {1}, 1j):
        probe.step("lazy object", f.get_cache_key, SimpleLazyObject(lambda value=value: value))
        probe.step("nested", f.get_cache_key, [SimpleLazyObject(lambda value=value: value)])
    probe.step("safe text", f.get_cache_key, mark_safe("a<b"))
    varied = get_django_quickcache(timeout=60, memoize_timeout=10)(["user.id"])(lambda user: 1)
    probe.step("of a lazy object", varied.get_cache_key, SimpleLazyObject(lambda: mock.Mock(id=5)))
