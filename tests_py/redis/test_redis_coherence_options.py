"""The options by which memory is kept true: what they may be, what is refused, and that none gets lost."""

import copy
import pickle
import re
from datetime import timedelta
from math import inf, nan

import pytest
from coherent_tiers import HOUR
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from redis_servers import waiting

from quickcache import (
    CacheWithPresets,
    MemoryCache,
    RedisCache,
    TieredCache,
    get_quickcache,
)
from quickcache.django import get_django_quickcache
from quickcache.django_quickcache import tiered_django_cache

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

URLS = ["redis://127.0.0.1:1", "redis://127.0.0.1:2"]  # where nobody listens, since nobody asks

MODES = (
    "coherence is 'tracking' (the server tells each process of keys that change), 'pubsub' (processes tell "
    "each other of their clears) or 'off', not "
)
LOSSES = (
    "on_link_loss is 'bypass' (memory is off until the server tells of changes again), or for how many "
    "seconds memory may serve nevertheless (int or float, or a timedelta), not "
)
LENGTHS = LOSSES.removesuffix(", not ") + ", finite and at least 0, not "
BEATS = "beat is seconds (int or float) or a timedelta, not "
BOUNDS_OF_A_BEAT = "beat must be more than 0 seconds and at most 3600, not "

# Each with its error, which says what is accepted and what was given.
WRONG = [
    ({"coherence": "on"}, ValueError, MODES + "'on'"),
    ({"coherence": "TRACKING"}, ValueError, MODES + "'TRACKING'"),
    ({"coherence": ""}, ValueError, MODES + "''"),
    ({"coherence": True}, ValueError, MODES + "True"),
    ({"coherence": b"pubsub"}, ValueError, MODES + "b'pubsub'"),
    ({"on_link_loss": "off"}, TypeError, LOSSES + "str: 'off'"),
    ({"on_link_loss": None}, TypeError, LOSSES + "NoneType: None"),
    ({"on_link_loss": [5]}, TypeError, LOSSES + "list: [5]"),
    ({"on_link_loss": True}, TypeError, LOSSES + "bool: True"),
    ({"on_link_loss": -1}, ValueError, LENGTHS + "-1"),
    ({"on_link_loss": timedelta(days=-1)}, ValueError, LENGTHS + "datetime.timedelta(days=-1)"),
    ({"on_link_loss": inf}, ValueError, LENGTHS + "inf"),
    ({"on_link_loss": 10**400}, ValueError, LENGTHS + "1000"),
    ({"on_link_loss": nan}, ValueError, "on_link_loss cannot be nan"),
    ({"beat": None}, TypeError, BEATS + "NoneType: None"),
    ({"beat": "1"}, TypeError, BEATS + "str: '1'"),
    ({"beat": 0}, ValueError, BOUNDS_OF_A_BEAT + "0"),
    ({"beat": -1.5}, ValueError, BOUNDS_OF_A_BEAT + "-1.5"),
    ({"beat": 3601}, ValueError, BOUNDS_OF_A_BEAT + "3601"),
    ({"beat": inf}, ValueError, BOUNDS_OF_A_BEAT + "inf"),
    ({"beat": nan}, ValueError, "beat cannot be nan"),
]
IDS = [f"{name}={value!r:.20}" for options, *_ in WRONG for name, value in options.items()]

# Each with the longest age that the server's last word may have.
BOUNDS = [
    ({}, 2),
    ({"beat": 20}, 40),
    ({"beat": timedelta(seconds=5)}, 10),
    ({"on_link_loss": 0}, 2),
    ({"on_link_loss": 30, "beat": 10}, 50),
    ({"on_link_loss": timedelta(minutes=1)}, 62),
    ({"beat": 3600}, 7200),
]


class DictCache(dict):
    """A cache that is none of this package's."""

    set = dict.__setitem__
    delete = dict.pop


def function(x):
    """What is cached."""
    return ["value", x]


def django_settings(url=URLS[0], **options):
    return override_settings(
        CACHES={
            "default": {"BACKEND": "quickcache.django.RedisCache", "LOCATION": url},
            "locmem": {"BACKEND": "quickcache.django.MemoryCache"},
            "tiers": {"BACKEND": "quickcache.django.TieredCache", "LOCATION": url, "OPTIONS": options},
        }
    )


@pytest.mark.parametrize(("options", "error", "says"), WRONG, ids=IDS)
class TestWhatIsNoSuchOption:
    def test_is_refused_by_a_tiered_cache(self, options, error, says):
        with pytest.raises(error, match=re.escape(says)):
            TieredCache([MemoryCache(), RedisCache(URLS[0])], **options)

    def test_is_refused_even_if_nothing_would_be_kept_true(self, options, error, says):
        with pytest.raises(error, match=re.escape(says)):
            TieredCache([], **options)

    def test_is_refused_for_aliases_of_django(self, options, error, says):
        with django_settings():
            with pytest.raises(error, match=re.escape(says)):
                tiered_django_cache([("locmem", 5, None), ("default", 5, None)], **options)
            with pytest.raises(error, match=re.escape(says)):
                get_django_quickcache(timeout=5, memoize_timeout=5, **options)(["x"])(function)

    def test_is_refused_by_the_backend_for_django(self, options, error, says):
        with (
            django_settings(**options),
            pytest.raises(ImproperlyConfigured, match=re.escape(f"OPTIONS of a TieredCache: {says}")),
        ):
            caches["tiers"]


class TestOtherTiers:
    @pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
    @pytest.mark.parametrize(
        "tiers",
        [
            list,
            lambda: [MemoryCache()],
            lambda: [RedisCache(URLS[0])],
            lambda: [RedisCache(URLS[0]), MemoryCache()],
            lambda: [MemoryCache(), DictCache()],
            lambda: [DictCache(), RedisCache(URLS[0])],
            lambda: [MemoryCache(), RedisCache(URLS[0]), RedisCache(URLS[0])],
            lambda: [MemoryCache(), RedisCache(URLS, leases=False)],
        ],
        ids=[
            "none",
            "memory",
            "redis",
            "the wrong way round",
            "foreign below",
            "foreign above",
            "two servers",
            "replicas",
        ],
    )
    def test_cannot_be_kept_true(self, tiers, coherence):
        with pytest.raises(
            ValueError, match=f"^coherence='{coherence}' keeps a MemoryCache true to the RedisC"
        ):
            TieredCache(tiers(), coherence=coherence)
        for without in (None, "off"):
            assert "off" == TieredCache(tiers(), coherence=without).stats()["coherence"]

    @pytest.mark.parametrize(
        "tiers",
        [
            lambda: (MemoryCache(), RedisCache(URLS[0])),
            lambda: iter([MemoryCache(), RedisCache(URLS[0])]),
            lambda: [MemoryCache(), MemoryCache(), RedisCache(URLS[0])],
            lambda: [CacheWithPresets(MemoryCache(), 5), CacheWithPresets(RedisCache(URLS[0]), 50)],
        ],
        ids=["a tuple", "an iterator", "two memories", "presets"],
    )
    def test_can_be(self, tiers):
        for coherence in ("tracking", "pubsub"):
            TieredCache(tiers(), coherence=coherence)

    def test_the_options_are_told_by_name(self):
        with pytest.raises(TypeError, match="positional argument"):
            TieredCache([MemoryCache(), RedisCache(URLS[0])], "tracking")


class TestTheOptions:
    @pytest.mark.parametrize(("options", "bound"), BOUNDS)
    def test_say_for_how_long_memory_is_trusted(self, shared, prefix, options, bound):
        tiers = self.tiers(shared, prefix, **options)
        check(tiers, "tracking", bound)

    def test_may_leave_coherence_to_the_tiers(self, shared, prefix):
        check(self.tiers(shared, prefix, coherence=None), "tracking", 2)
        check(self.tiers(shared, prefix, coherence="pubsub"), "pubsub", 2)
        assert "off" == self.tiers(shared, prefix, coherence="off").stats()["coherence"]

    @pytest.mark.parametrize(
        "lives",
        [{"timeout": 50}, {"memoize_timeout": 5}, {"timeout": 50, "memoize_timeout": 5}, {}],
        ids=["timeout", "memoize_timeout", "both", "neither"],
    )
    def test_stay_where_timeouts_are_given(self, shared, prefix, lives):
        tiers = self.tiers(shared, prefix, coherence="pubsub", beat=10, on_link_loss=5)
        cached = get_quickcache(cache=tiers, **lives)(["x"])(function)
        check(cached.clear.__self__.cache, "pubsub", 25, lambda: cached(1))

    def test_of_a_subclass_that_makes_itself_are_the_usual_ones(self, shared, prefix):
        class Own(TieredCache):
            def __init__(self, *tiers):
                self.caches = tiers

        memory, redis = self.tiers(shared, prefix).caches
        check(Own(memory, redis), "tracking", 2)

    def test_of_a_subclass_are_those_it_passes_on(self, shared, prefix):
        class Own(TieredCache):
            def __init__(self, *tiers):
                super().__init__(tiers, coherence="pubsub", beat=10)

        memory, redis = self.tiers(shared, prefix).caches
        check(Own(memory, redis), "pubsub", 20)

    @pytest.mark.parametrize("option", ["coherence", "on_link_loss", "beat"])
    def test_are_not_those_of_the_decorator_and_the_error_says_whose(self, option):
        decorate = get_quickcache(cache=MemoryCache())
        with pytest.raises((TypeError, ValueError), match="unexpected field names: ") as raised:
            decorate(["a"], **{option: "off"})
        assert ["TieredCache([...], coherence=...)" in note for note in raised.value.__notes__] == [True]

        with pytest.raises((TypeError, ValueError)) as raised:
            decorate(["a"], memo=1)
        assert not hasattr(raised.value, "__notes__")

    def test_are_those_of_a_copy(self, shared, prefix):
        tiers = self.tiers(shared, prefix, coherence="pubsub", beat=10)
        other = copy.copy(tiers)
        assert tiers.caches is other.caches
        check(other, "pubsub", 20)

    @pytest.mark.parametrize("way", [copy.deepcopy, lambda tiers: pickle.loads(pickle.dumps(tiers))])
    def test_go_with_tiers_that_can_be_copied(self, shared, prefix, way):
        """A MemoryCache cannot."""
        memory, redis = self.tiers(shared, prefix).caches
        tiers = way(TieredCache([redis], beat=10, on_link_loss=timedelta(seconds=5)))
        tiers.caches.insert(0, memory)
        check(tiers, "tracking", 25)
        with pytest.raises(TypeError, match="a MemoryCache is neither copied nor pickled"):
            way(tiers)

    def test_are_taken_for_aliases_of_django(self, shared):
        with django_settings(shared.server().url, coherence="pubsub", beat=10):
            options = {"coherence": "pubsub", "beat": 10, "on_link_loss": 5}
            tiers = tiered_django_cache([("locmem", 5, None), ("default", 50, None)], **options)
            check(tiers, "pubsub", 25)
            cached = get_django_quickcache(timeout=50, memoize_timeout=5, **options)(["x"])(function)
            check(cached.clear.__self__.cache, "pubsub", 25, lambda: cached(1))
            backend = caches["tiers"]
            waiting.until(
                "memory is trusted", lambda: [backend.get("x")] and backend.stats()["coherence"]["trusted"]
            )
            told = backend.stats()["coherence"]
            assert ("pubsub", 20) == (told["coherence"], told["bound"])

    def tiers(self, shared, prefix, **options):
        redis = RedisCache(shared.server().url, key_prefix=prefix, deadline=waiting.LIMIT)
        return TieredCache([MemoryCache(timeout=HOUR), redis], **options)


def check(tiers, coherence, bound, ask=None):
    """Whether memory is kept true in this way, and for how long it is trusted."""
    ask = ask or (lambda: tiers.get("x"))
    waiting.until("memory is trusted", lambda: [ask()] and tiers.stats()["trusted"])
    told = tiers.stats()
    assert (coherence, bound) == (told["coherence"], told["bound"])
