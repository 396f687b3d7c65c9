"""Threads over hot hits and clears: none sees a value older than the last clear that had returned."""

import sys
import threading

import pytest

from quickcache import CacheWithPresets, MemoryCache, TieredCache, get_quickcache

THREADS = 8
TURNS = 150


class Owner:
    def __init__(self, id_):
        self.id = id_


KINDS = {
    "memory": lambda memory: memory,
    "presets": lambda memory: CacheWithPresets(memory, 60, lambda: "p"),
    "tiered": lambda memory: TieredCache([memory]),
}


@pytest.fixture(autouse=True)
def _many_switches():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def run_all(work):
    """Run `work(number)` in each of the threads; what they raised."""
    raised = []
    start = threading.Barrier(THREADS)

    def run(number):
        try:
            start.wait(10)
            work(number)
        except BaseException as error:  # noqa: BLE001  told below
            raised.append(repr(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


LOSSES = {
    "clear": lambda cached, argument, version, memory: cached.clear(argument),
    "clear of all": lambda cached, argument, version, memory: memory.clear(),
    "set": lambda cached, argument, version, memory: cached.set_cached_value(argument).to(version),
    "delete": lambda cached, argument, version, memory: memory.delete_many(
        [cached.get_cache_key(argument), "p" + cached.get_cache_key(argument)]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["owner", "owner.id"])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_value_is_older_than_the_last_loss_that_had_returned(kind, path, loss):
    """Each thread changes one source, loses its key, and reads all of them, often enough to be hot."""
    memory = MemoryCache()
    versions, lost = [0] * THREADS, [0] * THREADS
    arguments = [*range(THREADS)] if path == "owner" else [Owner(number) for number in range(THREADS)]

    @get_quickcache(cache=KINDS[kind](memory))([path])
    def read(owner):
        return versions[owner if path == "owner" else owner.id]

    # With many others in the front, what is lost stays in it for some time.
    others = range(100, 3_000)
    versions.extend([0] * 3_000)
    for turn in range(3 * len(others)):
        read(others[turn % len(others)] if path == "owner" else Owner(others[turn % len(others)]))
    stale = []

    def work(number):
        for version in range(1, TURNS):
            versions[number] = version
            LOSSES[loss](read, arguments[number], version, memory)
            lost[number] = version
            for other in [*range(THREADS)] * 4:
                floor = lost[other]
                found = read(arguments[other])
                if found < floor:
                    stale.append((other, floor, found))

    assert ([], []) == (run_all(work), stale)


def test_hits_under_evictions_are_those_of_their_keys():
    memory = MemoryCache(max_entries=20)

    @get_quickcache(cache=memory)(["x", "y"])
    def cached(x, *, y=0):
        return [x, y, str(x)]

    wrong = []

    def work(number):
        for turn in range(1_500):
            x = (turn * number) % 37
            told = [cached(x), cached(x=x, y=number), cached(x)]
            expected = [[x, 0, str(x)], [x, number, str(x)], [x, 0, str(x)]]
            if told != expected:
                wrong.append((told, expected))
            if turn % 97 == 0:
                memory.clear()

    assert ([], []) == (run_all(work), wrong)


def test_a_helper_whose_cache_is_exchanged_answers_from_none_that_it_had():
    """From the moment that the exchange has returned."""
    caches = [MemoryCache() for _ in range(3)]

    @get_quickcache(cache=caches[0])([])
    def cached():
        raise AssertionError

    for number, cache in enumerate(caches):
        cache.set(cached.get_cache_key(), number)
    helper = cached.clear.__self__
    wrong = []

    def work(number):
        for turn in range(400):
            if number == 0:
                helper.cache = caches[turn % 3]
                found = {cached() for _ in range(4)}
                if found != {turn % 3}:
                    wrong.append((turn % 3, found))
            else:
                for _ in range(5):
                    cached()

    assert ([], []) == (run_all(work), wrong)


def test_properties_that_let_others_in_lose_nobody_their_answer():
    """A call is under way in one thread, its lookup not done, when others call the same function."""

    class Slow:
        def __init__(self, id_):
            self.hidden = id_

        @property
        def id(self):
            pause.wait(0)  # lets go of the interpreter
            return self.hidden

    pause = threading.Event()

    @get_quickcache(cache=MemoryCache(max_entries=12))(["owner.id"])
    def cached(owner):
        return owner.hidden

    wrong = []

    def work(number):
        for step in range(400):
            owner = Slow((step + number) % 16)
            if cached(owner) != owner.hidden:
                wrong.append(owner.hidden)

    assert ([], []) == (run_all(work), wrong)
