"""A decorated function over tiers against a plain model: what each call returns, and whether it computes."""

import copy

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quickcache import (
    CacheWithPresets,
    ForceSkipCache,
    ManualClock,
    MemoryCache,
    QuickCacheHelper,
    TieredCache,
    get_quickcache,
    stats,
)

from .lengths import length

KEYS = st.sampled_from([0, 0, 0, 1])
TIMES = st.sampled_from([None, 1, 5, 5, 9, 0])
VALUES = st.one_of(
    st.sampled_from([None, False, 0, "", "text", 1.5]),
    st.lists(st.integers(0, 9), max_size=2),
    st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.lists(st.integers(0, 9), max_size=2), max_size=2),
)


class RefusedError(Exception):
    """What the function raises."""


class DictTier:
    """A tier in Python, with lives."""

    def __init__(self, times):
        self.times = times
        self.held = {}

    def get(self, key, default=None):
        value, end = self.held.get(key, (default, None))
        return value if end is None or self.times.now < end else default

    def set(self, key, value, timeout=None):
        if timeout is not None and timeout <= 0:
            self.held.pop(key, None)
        else:
            self.held[key] = value, None if timeout is None else self.times.now + timeout

    def delete(self, key):
        self.held.pop(key, None)


class OpenHelper(QuickCacheHelper):
    """Has the calls of its function answered by the methods in Python."""

    def get_cache_key(self, *args, **kwargs):
        return super().get_cache_key(*args, **kwargs)


class Times:
    """Both sides' time, and what the prefix function says; None: to skip the tier."""

    def __init__(self):
        self.clock = ManualClock()
        self.now = 0
        self.prefix = ""

    def say_prefix(self):
        if self.prefix is None:
            raise ForceSkipCache
        return self.prefix


class ModelTier:
    """A tier in the plainest way: a dict of (value, end of life)."""

    def __init__(self, times, timeout, *, isolates, tells_lives, has_prefix):
        self.times = times
        self.timeout = timeout
        self.isolates = isolates
        self.tells_lives = tells_lives
        self.has_prefix = has_prefix
        self.held = {}

    def key(self, key):
        return (self.times.prefix, key) if self.has_prefix else key

    def is_skipped(self):
        return self.has_prefix and self.times.prefix is None

    def get(self, key):
        """The value and its remaining life, or None."""
        if self.is_skipped() or self.key(key) not in self.held:
            return None
        value, end = self.held[self.key(key)]
        if end is not None and self.times.now >= end:
            return None
        remaining = None if end is None or not self.tells_lives else end - self.times.now
        return (copy.deepcopy(value) if self.isolates else value), remaining

    def set(self, key, value, at_most=None):
        if self.is_skipped():
            return
        # A tier that tells no lives is not told of any either.
        lives = [self.timeout, at_most if self.tells_lives else None]
        life = min((life for life in lives if life is not None), default=None)
        self.held.pop(self.key(key), None)
        if life is None or life > 0:
            end = None if life is None else self.times.now + life
            self.held[self.key(key)] = (copy.deepcopy(value) if self.isolates else value, end)

    def delete(self, key):
        if not self.is_skipped():
            self.held.pop(self.key(key), None)


class ModelCache:
    """Tiers in order."""

    def __init__(self, tiers):
        self.tiers = tiers

    def get(self, key):
        """The value in a tuple, or None."""
        for place, tier in enumerate(self.tiers):
            if found := tier.get(key):
                value, remaining = found
                for above in self.tiers[:place]:
                    above.set(key, value, remaining)
                return (value,)
        return None

    def set(self, key, value):
        for tier in self.tiers:
            tier.set(key, value)

    def delete(self, key):
        for tier in self.tiers:
            tier.delete(key)


@st.composite
def shapes(draw):
    """Kinds of tiers: (kind, timeout, isolate, whether in presets, whether with a prefix function)."""
    number = draw(st.sampled_from([1, 2, 2, 2, 3]))
    return [
        (
            draw(st.sampled_from(["memory", "memory", "dict"])),
            draw(TIMES),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.sampled_from([False, True])),
        )
        for _ in range(number)
    ]


class Function(RuleBasedStateMachine):
    """The two sides have values of their own; what one object is on one side is one on the other."""

    @initialize(shape=shapes(), is_open=st.booleans(), is_alone=st.sampled_from([False, False, False, True]))
    def decorate(self, shape, is_open, is_alone):
        self.times = times = Times()
        self.twins = {}  # by the id of a model's object: both objects
        self.next_value = None
        self.computed = self.expected_computed = 0
        made = [self.make_tier(*one) for one in shape]
        self.tiers = [tier for tier, _, _ in made]  # as they are without presets
        cache = made[0][1] if is_alone else TieredCache([tier for _, tier, _ in made])
        self.model = ModelCache([model for _, _, model in (made[:1] if is_alone else made)])

        def compute(x, fresh=False):
            self.computed += 1
            if self.next_value is RefusedError:
                raise RefusedError
            return self.next_value

        helper = OpenHelper if is_open else QuickCacheHelper
        decorator = get_quickcache(cache=cache, helper_class=helper)
        self.function = decorator(["x"], skip_arg="fresh")(compute)
        assert times.now == 0

    def make_tier(self, kind, timeout, isolate, has_presets, has_prefix):
        """A tier, the same as it is used, and its model."""
        has_presets = has_presets or has_prefix or kind == "dict"
        if kind == "memory":
            tier = MemoryCache(timeout=9 if has_presets else timeout, isolate=isolate, clock=self.times.clock)
        else:
            tier = DictTier(self.times)
        used = tier
        if has_presets:
            used = CacheWithPresets(tier, timeout, self.times.say_prefix if has_prefix else None)
        model = ModelTier(
            self.times,
            timeout,
            isolates=kind == "memory" and isolate,
            tells_lives=kind == "memory",
            has_prefix=has_prefix,
        )
        return tier, used, model

    def pair(self, actual, model):
        """Both are equal, and what can change in them is known on both sides, or new on both."""
        assert (type(model), model) == (type(actual), actual)
        if isinstance(model, (list, dict)):
            known = self.twins.get(id(model))
            if known is not None:
                assert known[1] is actual
            else:
                assert all(actual is not other for _, other in self.twins.values())
                self.twins[id(model)] = (model, actual)
            parts = model.values() if isinstance(model, dict) else model
            others = actual.values() if isinstance(actual, dict) else actual
            for part, other in zip(parts, others, strict=True):
                self.pair(other, part)

    def change(self, actual, model):
        """What a caller may do to what it was given."""
        for value in (actual, model):
            if isinstance(value, list):
                if value and isinstance(value[0], list):
                    value[0].append("changed")
                value.append("changed")
            elif isinstance(value, dict):
                value["changed"] = True

    @rule(key=KEYS, value=VALUES, times=st.integers(1, 3), changes=st.booleans(), by_name=st.booleans())
    def call(self, key, value, times, changes, by_name):
        for _ in range(times):
            found = self.model.get(key)
            self.next_value = value
            if found is None:
                self.expected_computed += 1
                mine = copy.deepcopy(value)
                self.model.set(key, mine)
                found = (mine,)
            actual = self.function(x=key) if by_name else self.function(key)
            self.pair(actual, found[0])
            if changes:
                self.change(actual, found[0])
            value = copy.deepcopy(value)

    @rule(key=KEYS, value=VALUES)
    def refresh(self, key, value):
        self.next_value = value
        mine = copy.deepcopy(value)
        self.expected_computed += 1
        self.model.set(key, mine)
        self.pair(self.function(key, fresh=True), mine)

    @rule(seconds=st.integers(1, 4), value=VALUES)
    def lose_the_first_tier_and_promote(self, seconds, value):
        """What comes up lives no longer than it would have below."""
        self.call(0, copy.deepcopy(value), 1, changes=False, by_name=False)
        self.let_time_go_by(seconds)
        self.clear_a_whole_tier(0)
        for _ in range(3):
            self.call(0, copy.deepcopy(value), 1, changes=False, by_name=False)
            self.let_time_go_by(2)

    @rule(prefixes=st.lists(st.sampled_from(["", "a:", None]), min_size=2, max_size=4), value=VALUES)
    def call_under_several_prefixes(self, prefixes, value):
        for prefix in prefixes:
            self.have_another_prefix(prefix)
            self.call(0, copy.deepcopy(value), 2, changes=False, by_name=False)

    @rule(key=KEYS, fresh=st.booleans())
    def call_with_an_error(self, key, fresh):
        self.next_value = RefusedError
        found = None if fresh else self.model.get(key)
        if found is not None:
            self.pair(self.function(key), found[0])
            return
        self.expected_computed += 1
        with pytest.raises(RefusedError):
            self.function(key, fresh=fresh)

    @rule(key=KEYS)
    def look(self, key):
        found = self.model.get(key)
        actual = self.function.get_cached_value(key)
        if found is None:
            assert actual is ...
        else:
            self.pair(actual, found[0])

    @rule(key=KEYS, value=VALUES)
    def set(self, key, value):
        mine = copy.deepcopy(value)
        self.model.set(key, mine)
        self.function.set_cached_value(key).to(value)
        self.pair(value, mine)

    @rule(key=KEYS)
    def clear(self, key):
        self.model.delete(key)
        self.function.clear(key)

    @rule(place=st.sampled_from([0, 0, 1, 2]))
    def clear_a_whole_tier(self, place):
        place %= len(self.model.tiers)
        self.model.tiers[place].held.clear()
        tier = self.tiers[place]
        tier.clear() if isinstance(tier, MemoryCache) else tier.held.clear()

    @rule(seconds=st.sampled_from([1, 1, 4, 5, 30]))
    def let_time_go_by(self, seconds):
        self.times.now += seconds
        self.times.clock.advance(seconds)

    @rule(prefix=st.sampled_from(["", "", "a:", None]))
    def have_another_prefix(self, prefix):
        self.times.prefix = prefix

    @invariant()
    def computes_when_it_should(self):
        if hasattr(self, "function"):
            assert self.expected_computed == self.computed == stats(self.function)["computations"]


is_full = length(False, True)
Function.TestCase.settings = settings(
    max_examples=length(80, 2_000),
    stateful_step_count=length(20, 60),
    phases=[Phase.generate] if not is_full else list(Phase),  # what fails is shown at once
    deadline=None,
    derandomize=not is_full,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestADecoratedFunction = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")(
    Function.TestCase
)
