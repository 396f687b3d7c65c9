"""Clears always win: calls and clears of one key, interleaved at each of their steps.

A call that begins after a clear has returned is never given what was computed or read before that clear.
Calls from before it may be. Threads go on one at a time, from one step to the next; the order is drawn.
The steps are gates in the function, in tiers in Python, in a prefix function, and where a memory tier
pickles and unpickles a value.
"""

import itertools
import random
import threading
from dataclasses import dataclass, field

import pytest

from quickcache import CacheWithPresets, MemoryCache, QuickCacheHelper, TieredCache, get_quickcache, stats

from .lengths import length
from .stage import LIMIT, Stage, pause

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

KEYS = (1, 2)


class TroubleError(Exception):
    pass


class Value:
    """A value that knows where it is from; pickled and unpickled step by step."""

    def __init__(self, origin):
        self.origin = origin

    def __reduce__(self):
        pause("pickles")
        return restored, (self.origin,)


def restored(origin):
    pause("unpickles")
    return Value(origin)


@dataclass
class Span:
    """When something began and ended; None: it has not."""

    begin: int
    end: int | None = None
    what: object = None

    def was_over_before(self, moment):
        return self.end is not None and self.end < moment


@dataclass
class History:
    """What happened when, in one sequence."""

    ticks: itertools.count = field(default_factory=itertools.count)
    spans: dict[int, Span] = field(default_factory=dict)  # values' origins
    clears: list[tuple[int, Span]] = field(default_factory=list)  # of which key
    writes: list[tuple[int, Span]] = field(default_factory=list)  # to tiers in Python, by which call
    writing: threading.local = field(default_factory=threading.local)
    overtaken: int = 0  # computations that a clear overtook

    def now(self):
        return next(self.ticks)

    def new_value(self):
        """A value whose origin begins now."""
        begin = self.now()
        self.spans[begin] = Span(begin)
        return Value(begin)

    def end_of(self, value):
        self.spans[value.origin].end = self.now()

    def refuse_stale(self, key, value, call):
        origin = self.spans[value.origin]
        if call.begin < origin.begin:
            # A clear that began later has returned by now, and the value was to be stored.
            self.overtaken += any(
                cleared == key and origin.was_over_before(clear.begin) for cleared, clear in self.clears
            )
        for cleared, clear in self.clears:
            if cleared == key and clear.was_over_before(call.begin) and origin.was_over_before(clear.begin):
                assert self.is_just_being_undone(value, clear, call), (
                    f"a call at {call} was given what is from {origin}, before the clear at {clear}"
                )

    def is_just_being_undone(self, value, clear, call):
        """Whether the value is one that its call deletes again.

        A tier in Python cannot compare and set in one step.
        """
        return any(
            origin == value.origin and by.begin < clear.end and not by.was_over_before(call.begin)
            for origin, by in self.writes
        )


class StepTier:
    """A tier in Python, with a step before and after each operation."""

    def __init__(self, history):
        self.history = history
        self.values = {}

    def get(self, key, default=None):
        pause("will read")
        value = self.values.get(key, default)
        pause("has read")
        return value

    def set(self, key, value, timeout=None):
        call = getattr(self.history.writing, "call", None)
        if call is not None:
            self.history.writes.append((value.origin, call))
        pause("will write")
        self.values[key] = value
        pause("has written")

    def delete(self, key):
        pause("will delete")
        self.values.pop(key, None)
        pause("has deleted")


def presets(cache):
    """Presets with a step before each operation."""

    def prefix():
        pause("is asked for a prefix")
        return "prefix:"

    return CacheWithPresets(cache, None, prefix)


def of_tiers(*tiers):
    return lambda history: TieredCache([tier(history) for tier in tiers])


def memory(history):
    return MemoryCache()


def shared(history):
    return MemoryCache(isolate=False)


CACHES = {
    "memory": memory,
    "memory, shared values": shared,
    "presets around memory": lambda history: presets(MemoryCache()),
    "presets around shared values": lambda history: presets(shared(history)),
    "memory over memory": of_tiers(memory, memory),
    "shared values over presets": of_tiers(shared, lambda history: presets(shared(history))),
    "memory over python": of_tiers(memory, StepTier),
    "shared values over python": of_tiers(shared, StepTier),
    "python": StepTier,
    "presets around python": lambda history: presets(StepTier(history)),
}


def memories(cache):
    """The memory tiers of a cache, if there are no others."""
    match cache:
        case MemoryCache():
            return [cache]
        case TieredCache():
            each = [memories(tier) for tier in cache.caches]
            return list(itertools.chain(*each)) if all(each) else []
        case CacheWithPresets():
            return memories(cache.cache)
    return []


class OpenHelper(QuickCacheHelper):
    """Has the calls of its function answered by the methods in Python."""

    def get_cache_key(self, *args, **kwargs):
        return super().get_cache_key(*args, **kwargs)


class Play:
    """One function on a fresh cache, and one interleaving of calls and clears."""

    def __init__(self, kind, seed):
        self.draw = random.Random(f"{kind} {seed}")
        self.history = history = History()
        self.cache = CACHES[kind](history)
        self.memories = memories(self.cache)
        helper = OpenHelper if self.draw.random() < 0.2 else QuickCacheHelper

        def compute(x, fresh=False):
            if not fresh:
                self.stage.leads()
            pause("has entered")
            if self.draw.random() < 0.05:
                raise TroubleError
            value = history.new_value()
            history.end_of(value)
            pause("has computed")
            return value

        quickcache = get_quickcache(cache=self.cache, helper_class=helper, flight_wait=1_000)
        self.function = quickcache(["x"], skip_arg="fresh")(compute)
        self.stage = Stage(self.draw, lambda: stats(self.function)["waits"])

    def run(self):
        for _ in range(self.draw.choice((0, 0, 1, 3))):
            self.call(1)
        scripts = [self.script() for _ in range(self.draw.randrange(2, 5))]
        self.stage.play(scripts)
        for key in KEYS:
            self.call(key)
            self.call(key)

    def script(self):
        """What one thread does."""
        kinds = [self.call] * 4 + [self.clear] * 2 + [self.set, self.refresh]
        if self.memories or isinstance(self.cache, TieredCache):
            kinds.append(self.delete)  # nobody sees that of a tier in Python itself
        if self.memories:
            kinds.append(self.clear_whole)
        number_of_steps = self.draw.randrange(1, 4)
        steps = [(self.draw.choice(kinds), self.draw.choice((1, 1, 1, 2))) for _ in range(number_of_steps)]

        def script():
            for step, key in steps:
                step(key)
                pause("is between")

        return script

    def call(self, key, **options):
        """A call; None if the function raised."""
        history = self.history
        history.writing.call = call = Span(history.now())
        self.stage.asks_for(key)
        try:
            value = self.function(key, **options)
        except TroubleError:
            self.stage.has_landed()
            return None
        finally:
            history.writing.call = None
            call.end = history.now()
        self.stage.has_landed()
        history.refuse_stale(key, value, call)
        return call

    def refresh(self, key):
        if call := self.call(key, fresh=True):
            call.what = "refresh"
            self.history.clears.append((key, call))

    def clear(self, key):
        self.voids("clear", lambda: self.function.clear(key), key)

    def delete(self, key):
        self.voids("delete", lambda: self.cache.delete(self.function.get_cache_key(key)), key)

    def set(self, key):
        value = self.history.new_value()
        self.voids("set", lambda: self.function.set_cached_value(key).to(value), key)
        self.history.end_of(value)

    def clear_whole(self, key):
        def clear():
            for tier in reversed(self.memories):
                tier.clear()
                pause("has cleared a tier")

        self.voids("whole", clear, *KEYS)

    def voids(self, what, operation, *keys):
        clear = Span(self.history.now(), what=what)
        operation()
        clear.end = self.history.now()
        self.history.clears += [(key, clear) for key in keys]


# Plays that once found something.
FOUND = {"memory over memory": [684]}


@pytest.mark.parametrize("kind", CACHES)
def test_no_call_after_a_clear_is_given_what_is_from_before_it(kind):
    stale, overtaken = [], 0
    plays = length(40, 1_000)
    for seed in {*range(plays), *FOUND.get(kind, ())}:
        play = Play(kind, seed)
        try:
            play.run()
        except AssertionError as error:
            stale.append((seed, str(error), play.stage.played))
        overtaken += play.history.overtaken

    assert not stale, f"{len(stale)} of {plays}, first: {stale[0]}"
    assert overtaken > 0  # so it is about something


@pytest.mark.parametrize("kind", ["memory", "python"])
def test_of_two_refreshes_the_one_that_began_later_wins(kind):
    versions = [0]
    has_read, may_return = threading.Event(), threading.Event()

    @get_quickcache(cache=CACHES[kind](History()))(["x"], skip_arg="fresh")
    def f(x, fresh=False):
        version = versions[0]
        if version == 0:
            has_read.set()
            assert may_return.wait(LIMIT)
        else:
            may_return.set()
            older.join(LIMIT)
        return Value(version)

    older = threading.Thread(target=f, args=(1,), kwargs={"fresh": True})
    older.start()
    assert has_read.wait(LIMIT)
    versions[0] = 1
    assert 1 == f(1, fresh=True).origin
    assert 1 == f.get_cached_value(1).origin


def in_another_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_what_overtook_a_clear_in_a_tier_in_python_is_not_left_in_the_memory_above():
    versions = [0]

    class Overtaken(StepTier):
        def set(self, key, value):
            if versions[0] == 0:
                versions[0] = 1
                in_another_thread(f.clear, 1)
                super().set(key, value)
                in_another_thread(f, 1)
            else:
                super().set(key, value)

    @get_quickcache(cache=TieredCache([MemoryCache(), Overtaken(History())]))(["x"])
    def f(x):
        return Value(versions[0])

    f(1)
    assert 1 == f(1).origin
