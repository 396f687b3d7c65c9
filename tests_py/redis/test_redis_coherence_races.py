"""Coherent tiers: a change that comes while a value is on its way into memory leaves nothing old there.

Each test holds a value where the race would be lost, has another process change it, and lets go.
"""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from coherent_tiers import Tiers
from redis_servers import waiting

from quickcache import RedisCache

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


class Gate:
    """Holds who passes, once it is shut, until it is opened."""

    def __init__(self):
        self._open, self._reached = threading.Event(), threading.Event()
        self._open.set()

    def shut(self):
        self._open.clear()
        self._reached.clear()

    def open(self):
        self._open.set()

    def wait(self):
        """Wait until somebody stands before it."""
        assert self._reached.wait(waiting.LIMIT)

    def pass_through(self):
        self._reached.set()
        assert self._open.wait(waiting.LIMIT)


class Serializer:
    """Pickles, and holds what was read from the server before it goes into memory."""

    def __init__(self, gate):
        self._gate = gate

    dumps = staticmethod(pickle.dumps)

    def loads(self, data):
        self._gate.pass_through()
        return pickle.loads(data)


@pytest.fixture
def gate():
    one = Gate()
    yield one
    one.open()


@pytest.fixture
def pool():
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def process(shared, prefix, mode):
    """Make what stands for a process that listens."""

    def process(coherence=mode, **options):
        one = Tiers(shared.server().url, prefix, coherence, **options)
        if coherence != "off":
            one.listen()
        return one

    return process


# What another process does to a key.
CHANGES = {
    "set": (lambda one: one.redis.set("k", ["new"]), ["new"]),
    "delete": (lambda one: one.whole.delete("k"), None),
    "delete_many": (lambda one: one.redis.delete_many(["k"]), None),
    "clear": (lambda one: one.redis.clear(), None),
}


class TestAValueThatWasReadFromTheServer:
    @pytest.fixture
    def old(self, shared, prefix):
        """There has been a value before: of that, nobody hears late."""
        RedisCache(shared.server().url, key_prefix=prefix, deadline=waiting.LIMIT).set("k", ["old"])

    @pytest.mark.parametrize(("change", "after"), CHANGES.values(), ids=CHANGES)
    def test_is_not_kept_if_it_has_changed_since(self, old, process, gate, pool, change, after):
        one, other = process(), process(serializer=Serializer(gate))
        heard, refused = other.invalidations + other.flushes, other.refused_fills
        gate.shut()
        found = pool.submit(other.whole.get, "k")
        gate.wait()
        change(one)
        waiting.until("the other has heard of it", lambda: other.invalidations + other.flushes > heard)
        gate.open()

        assert ["old"] == found.result()
        assert "k" not in other.memory
        assert refused + 1 == other.refused_fills
        assert after == other.whole.get("k")

    def test_is_kept_if_another_key_has_changed(self, old, process, gate, pool):
        """Unless both are of one shard, which tells them apart in 1,023 of 1,024 cases."""
        one, other = process(), process(serializer=Serializer(gate))

        def is_kept(key):
            heard = other.invalidations
            gate.shut()
            found = pool.submit(other.whole.get, "k")
            gate.wait()
            one.redis.set(key, 1)
            waiting.until("the other has heard of it", lambda: other.invalidations > heard)
            gate.open()
            assert ["old"] == found.result()
            return "k" in other.memory

        assert any(is_kept(key) for key in "abc")

    @pytest.mark.parametrize("change", [change for change, _ in CHANGES.values()], ids=CHANGES)
    def test_is_kept_without_coherence(self, old, process, gate, pool, change):
        """Which shows that the tests above can fail."""
        one, other = process("off"), process("off", serializer=Serializer(gate))
        gate.shut()
        found = pool.submit(other.whole.get, "k")
        gate.wait()
        change(one)
        gate.open()

        assert ["old"] == found.result()
        assert ["old"] == other.whole.get("k")


class TestAValueThatIsBeingComputed:
    @pytest.fixture
    def source(self):
        return {1: "old"}

    @pytest.fixture
    def compute(self, source, gate):
        """Read the source and stand before the gate with that."""

        def compute(x, fresh=False):
            value = source[x]
            gate.pass_through()
            return value

        return compute

    def test_is_kept_nowhere_if_it_was_cleared_since(self, process, compute, source, gate, pool):
        one, other = process(), process()
        here, there = (each.cached(compute) for each in (one, other))
        gate.shut()
        found = pool.submit(there, 1)
        gate.wait()
        source[1] = "new"
        here.clear(1)
        gate.open()

        assert "old" == found.result()
        assert ["new", "new"] == [there(1), here(1)]

    @pytest.mark.parametrize("server_has", ["nothing", "the old value"])
    def test_by_a_refresh_is_kept_nowhere_if_it_was_cleared_since(
        self, process, compute, source, gate, pool, server_has
    ):
        one, other = process(), process()
        here, there = (each.cached(compute, skip_arg="fresh") for each in (one, other))
        if server_has == "the old value":
            there.take_up(1)
        gate.shut()
        found = pool.submit(there, 1, fresh=True)
        gate.wait()
        source[1] = "new"
        here.clear(1)
        gate.open()

        assert "old" == found.result()
        assert ["new", "new"] == [there(1), here(1)]

    def test_is_kept_nowhere_if_the_other_has_computed_it_anew(self, process, compute, source, gate, pool):
        one, other = process(), process()
        here, there = (each.cached(compute) for each in (one, other))
        gate.shut()
        found = pool.submit(there, 1)
        gate.wait()
        source[1] = "new"
        here.clear(1)
        one.redis.set(here.get_cache_key(1), "new")
        gate.open()

        assert "old" == found.result()
        assert ["new", "new"] == [there(1), here(1)]

    def test_is_not_given_to_who_comes_after_a_clear_of_the_same_process(
        self, process, compute, source, gate, pool
    ):
        there = process().cached(compute)
        gate.shut()
        first = pool.submit(there, 1)
        gate.wait()
        source[1] = "new"
        there.clear(1)
        second = pool.submit(there, 1)
        gate.open()

        assert ["old", "new", "new"] == [first.result(), second.result(), there(1)]

    def test_is_not_given_to_who_comes_after_a_clear_elsewhere(self, process, compute, source, gate, pool):
        one, other = process(), process()
        here, there = (each.cached(compute) for each in (one, other))
        gate.shut()
        first = pool.submit(there, 1)
        gate.wait()
        source[1] = "new"
        heard = other.invalidations
        here.clear(1)
        waiting.until("the other has heard of it", lambda: other.invalidations > heard)
        second = pool.submit(there, 1)
        gate.open()

        assert ["old", "new", "new"] == [first.result(), second.result(), there(1)]


class TestManyThreads:
    CLEARS = 30

    def test_find_nothing_older_than_a_clear_that_they_know_of(self, process, pool):
        """In the process that clears from its return on, elsewhere as soon as that is heard of."""
        source, cleared = {1: 0}, 0

        def version(x):
            return source[x]

        here, there = process().cached(version), process().cached(version)

        def read_here():
            while cleared < self.CLEARS:
                least = cleared
                assert least <= here(1)

        def read_there():
            waiting.until("the last clear is heard of", lambda: there(1) == self.CLEARS)

        readers = [pool.submit(read) for read in (read_here, read_there) * 2]
        for number in range(1, self.CLEARS + 1):
            source[1] = number
            here.clear(1)
            cleared = number
            assert number == here(1)
        for reader in readers:
            reader.result()
