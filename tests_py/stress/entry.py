"""Mixed calls through the entry: `python entry.py CALLS`. Ends with an error if a reference was lost or kept.

Also what to run under valgrind: `PYTHONMALLOC=malloc valgrind python entry.py 20000`.
"""

import contextlib
import gc
import random
import sys
import uuid

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache

SHARED = get_quickcache(cache=MemoryCache(max_entries=64, isolate=False))
APART = get_quickcache(cache=MemoryCache(max_entries=64))
LATER = get_quickcache(cache=TieredCache([CacheWithPresets(MemoryCache(), 60), MemoryCache()]))


class Value:
    """Not shared by anything but the caches."""


class Owner:
    def __init__(self, id_):
        self.id = id_

    @SHARED(["self.id"])
    def method(self):
        return VALUES[self.id % len(VALUES)]


class RefusedError(Exception):
    pass


@SHARED(["x"])
def of_one(x):
    return VALUES[0]


@APART(["a", "b", "c", "d", "e"])
def of_five(a, b, c=None, *, d=(), e="e"):
    return {"a": a, "list": [1, 2, 3]}


@APART(["x"], skip_arg="again")
def skipped(x, again=False):
    return x, "apart"


@LATER(["x"])
def tiered(x, *more, **named):
    return 7


@SHARED(["x"])
def refusing(x):
    raise RefusedError


@SHARED(lambda x: [x])
def by_function(x):
    return VALUES[1]


VALUES = [Value() for _ in range(4)]
FUNCTIONS = [of_one, of_five, skipped, tiered, refusing, by_function, Owner.method]
# Objects of which each call's references can be counted: none is immortal.
ARGUMENTS = [
    *(1_000_000 + n for n in range(40)),
    *(f"a text of its own, number {n}" for n in range(40)),
    *((1_000 + n, f"part {n}") for n in range(10)),
    *(uuid.UUID(int=n) for n in range(1, 10)),
    *(n + 0.5 for n in range(10)),
]
OWNERS = [Owner(n % 90) for n in range(100)]


def ask_method(chance):
    owner = chance.choice(OWNERS)
    assert owner.method() is VALUES[owner.id % len(VALUES)]


def ask_in_a_row(x):
    for _ in range(8):
        assert of_one(x) is VALUES[0]


def refuse(x):
    with contextlib.suppress(RefusedError):
        refusing(x)


def ask_wrongly(x):
    with contextlib.suppress(TypeError):
        of_one(x, x)


# A kind of call with how often it is drawn, of a source of chance and an argument.
KINDS = [
    (3, lambda chance, x: of_one(x) is VALUES[0]),
    (2, lambda chance, x: of_one(x=x) is VALUES[0]),
    (2, lambda chance, x: ask_method(chance)),
    (2, lambda chance, x: of_five(x, 2, d=x)["a"] == x),
    (1, lambda chance, x: skipped(x, again=chance.random() < 0.1) == (x, "apart")),
    (1, lambda chance, x: tiered(x, x, named=x) == 7),
    (1, lambda chance, x: by_function(x) is VALUES[1]),
    (1, lambda chance, x: refuse(x)),
    (1, lambda chance, x: ask_wrongly(x)),
    (1, lambda chance, x: chance.choice([of_one, skipped, tiered]).clear(x)),
    (1, lambda chance, x: ask_in_a_row(x)),
]
DRAWN = [kind for often, kind in KINDS for _ in range(often)]


def call(chance):
    """One call of a kind that is drawn."""
    kind = chance.choice(DRAWN)
    assert kind(chance, chance.choice(ARGUMENTS)) in (True, None)


def counts():
    """The references to all that calls go through, with the caches empty."""
    for cache in (SHARED, APART):
        cache.cache.clear()
    for tier in LATER.cache.caches:
        (tier.cache if isinstance(tier, CacheWithPresets) else tier).clear()
    for function in FUNCTIONS:
        calls_of_nothing(function)
    gc.collect()
    objects = [*ARGUMENTS, *OWNERS, *VALUES, *FUNCTIONS, *(function.__wrapped__ for function in FUNCTIONS)]
    objects += [function.clear.__self__ for function in FUNCTIONS]
    return [sys.getrefcount(each) for each in objects]


def calls_of_nothing(function):
    """Have what is kept of the last call forgotten."""
    for _ in range(6):
        with contextlib.suppress(AttributeError, TypeError, RefusedError):
            function(None)
    function.clear.__self__.cache = function.clear.__self__.cache


def main(calls):
    chance = random.Random(1)
    for _ in range(10_000):
        call(chance)
    before = counts()
    for _ in range(calls):
        call(chance)
    after = counts()
    wrong = [(place, *two) for place, two in enumerate(zip(before, after, strict=True)) if two[0] != two[1]]
    if wrong:
        sys.exit(f"references before and after: {wrong}")
    print(f"{calls} calls, {len(before)} objects, all references as they were")


if __name__ == "__main__":
    main(int(sys.argv[1]))
