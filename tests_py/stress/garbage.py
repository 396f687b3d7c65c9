"""Cycles value -> function -> cache that become garbage: `python garbage.py 10000` makes so many of each.

Ends with an error if one is not collected, or if what is left grows with their number: objects that
the collector knows, blocks of Python's allocator, bytes of the C library's.
"""

import contextlib
import ctypes
import enum
import faulthandler
import gc
import sys
import threading
import time
import warnings
import weakref

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache, stats

LIMIT = 20  # seconds after which something hangs


class Value:
    """What the functions return: it leads to whatever it is given."""

    def __init__(self, *held):
        self.held = held


class Store(dict):
    """A tier in Python."""

    def get(self, key, default=None):
        return super().get(key, default)

    def set(self, key, value, timeout=None):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


def shared():
    return MemoryCache(max_entries=10, isolate=False)


def cycle(cache, *, calls=4, **options):
    """A function whose value leads to it, and so to its cache."""

    def compute(x, fresh=False):
        value = Value(itself, cache)
        made.append(weakref.ref(value))
        return value

    made = []
    itself = [get_quickcache(cache=cache, skip_arg="fresh", **options)(["x"])(compute)]
    for _ in range(calls):  # in the tiers, then in the front, then in the memo
        itself[0](1)
    return itself[0], made


def slab():
    _, made = cycle(shared(), calls=1)
    return made


def front_and_memo():
    _, made = cycle(shared())
    return made


def presets():
    text = []
    f, made = cycle(CacheWithPresets(shared(), 10, lambda: "t" * len(text[:1])))
    text.append(f)
    return made


def tiers():
    first, second = shared(), Store()
    _, made = cycle(TieredCache([first, second]))
    return [*made, weakref.ref(first)]


def another_cache():
    """Its front is replaced; the values lie in the old one's cache."""
    old = shared()
    f, made = cycle(old)
    f.clear.__self__.cache = shared()
    f(1), f(1), f(1)
    return [*made, weakref.ref(old)]


def refreshed():
    f, made = cycle(shared())
    f(1, fresh=True)
    return made


def settable():
    f, made = cycle(shared())
    f.kept = f.set_cached_value(2)
    f.kept.to(Value(f))
    return made


def error_that_is_kept():
    """A gap that is not filled, and its frames in the cached traceback of an error."""
    cache = shared()

    def fails(x):
        raise LookupError(itself)

    def catches(x):
        try:
            return itself[0](x)
        except LookupError as error:
            return error

    quickcache = get_quickcache(cache=cache)
    itself = [quickcache(["x"])(fails), quickcache(["x"])(catches)]
    for _ in range(3):
        itself[1](1)
    return [weakref.ref(cache), *map(weakref.ref, itself)]


def method():
    class Owner:
        def __init__(self, number):
            self.number = number

        @get_quickcache(cache=shared())(["self.number"])
        def itself(self):
            return self

    owner = Owner(1)
    for _ in range(4):
        owner.itself()
    owner.bound = owner.itself
    return [weakref.ref(Owner), weakref.ref(owner)]


def member_of_an_enumeration():
    """Kept as it is in an isolated cache too: alone, and within plain data."""
    cache = MemoryCache(max_entries=10)

    class Colour(enum.Enum):
        RED = 1

        @get_quickcache(cache=cache)(["self.name", "how"])
        def itself(self, how):
            return {"alone": self, "in a list": [self], "in a dict": {"a": [self], self: 1}}[how]

    for how in ("alone", "in a list", "in a dict"):
        for _ in range(4):
            Colour.RED.itself(how)
    return [weakref.ref(Colour), weakref.ref(cache)]


def flight():
    """Two threads miss at once, and one hands its value to the other."""
    cache = shared()
    gate = threading.Event()

    def compute(x):
        assert gate.wait(LIMIT)
        value = Value(itself, cache)
        made.append(weakref.ref(value))
        return value

    made = []
    itself = [get_quickcache(cache=cache)(["x"])(compute)]
    threads = [threading.Thread(target=itself[0], args=(1,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + LIMIT
    while stats(itself[0])["waits"] < 1:
        assert time.monotonic() < end
        time.sleep(0)
    gate.set()
    for thread in threads:
        thread.join()
    return made


def flight_that_failed():
    """The one who waits computes after an error, and does so in a thread that ends."""
    cache = shared()

    def compute(x):
        if not made:
            made.append(weakref.ref(cache))
            raise LookupError(itself)
        value = Value(itself, cache)
        made.append(weakref.ref(value))
        return value

    def call():
        with contextlib.suppress(LookupError):
            itself[0](1)

    made = []
    itself = [get_quickcache(cache=cache)(["x"])(compute)]
    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


KINDS = [
    slab, front_and_memo, presets, tiers, another_cache, refreshed, settable,
    error_that_is_kept, method, member_of_an_enumeration, flight, flight_that_failed,
]  # fmt: skip


MALLOC = [
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
]  # fmt: skip


class Malloc(ctypes.Structure):
    """What mallinfo2 of the GNU C library returns."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALLOC]


def bytes_of_c():
    """Bytes that the C library has handed out; 0 where it does not say."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    ask.restype = Malloc
    told = ask()
    return told.uordblks + told.hblkhd


def left():
    gc.collect()
    return len(gc.get_objects()), sys.getallocatedblocks(), bytes_of_c()


def run(kind, cycles):
    """Make so much garbage of a kind: what of it is left, or None."""
    before = None
    warm_up = max(cycles // 10, 20)
    refs = []
    for turn in range(warm_up + cycles):
        refs += kind()
        if turn % 50 == 49 or turn in (warm_up - 1, warm_up + cycles - 1):
            gc.collect()
            if alive := sum(ref() is not None for ref in refs):
                return f"{alive} of {len(refs)} objects are alive"
            refs.clear()
        if turn == warm_up - 1:
            before = left()
    grown = [after - then for then, after in zip(before, left(), strict=True)]
    # One object or block in ten cycles, ten bytes of C's in each, and what takes its time to settle.
    bounds = [cycles // 10 + 50, cycles // 10 + 800, 10 * cycles + 60_000]
    if any(more > bound for more, bound in zip(grown, bounds, strict=True)):
        return f"{grown} objects, blocks and bytes more than before, of {bounds}"
    return None


def main(cycles):
    warnings.simplefilter("ignore")  # of functions of one name and text
    faulthandler.enable()
    failed = 0
    for kind in KINDS:
        faulthandler.dump_traceback_later(max(LIMIT, cycles // 10), exit=True)
        if wrong := run(kind, cycles):
            failed += 1
            print(f"{kind.__name__}: {wrong}")
    print(f"{len(KINDS)} kinds of {cycles} cycles, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]))))
