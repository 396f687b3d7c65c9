"""Signals whose handlers raise, at any moment of a call: what is kept stays right, and the next call too."""

import signal

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system has no timers of signals"
)

PROGRAM = """
import logging, signal, threading, time
from quickcache import UncacheableValueError

class Alarm({base}):
    pass

def ring(*_):
    if is_armed:
        raise Alarm

is_armed = False
logging.getLogger("quickcache").setLevel(logging.CRITICAL)  # of values that could not be read
sys.unraisablehook = id  # where a handler runs in the midst of what cannot raise
signal.signal(signal.SIGALRM, ring)

def attempts(use, enough=100, unit=1e-6):
    '''Do it with alarms at ever new moments, until enough of them have rung in it.'''
    global is_armed
    rung = turn = 0
    while rung < enough:
        turn += 1
        try:
            is_armed = True
            signal.setitimer(signal.ITIMER_REAL, unit * (turn % 400 + 1))
            use(turn)
            is_armed = False
        except (Alarm, UncacheableValueError) as error:
            is_armed = False
            # Within a pickle, an Exception is taken for the pickle's.
            assert isinstance(error, Alarm) or isinstance(error.__cause__, Alarm)
            rung += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    return rung
"""

COMPUTING = """
class Slow:
    def __init__(self, number):
        self.number = number

    @property
    def id(self):
        total = 0
        for n in range(50):  # time for a signal
            total += n
        return self.number

    def __reduce__(self):
        self.id
        return remade, (self.number,)

def remade(number):
    return Slow(Slow(number).id)

for isolate in (True, False):
    first = MemoryCache(max_entries=50, isolate=isolate)
    second = MemoryCache(max_entries=500, isolate=isolate)

    @get_quickcache(cache=TieredCache([CacheWithPresets(first, 60, lambda: "p"), second]), skip_arg="fresh",
                    flight_wait=10_000)(["slow.id", "keys"])
    def f(slow, keys, fresh=False):
        return [slow.id, keys, {"copied": [slow, (slow,)]}]

    def use(turn):
        slow, keys = Slow(turn % 70), [turn % 3, {"a": ("b", turn % 2)}]
        for fresh in (False, False, turn % 5 == 0):
            found = f(slow, keys, fresh)
            assert found[:2] == [turn % 70, keys], (found, turn)
            assert found[2]["copied"][0].number == turn % 70
        if turn % 7 == 0:
            f.clear(slow, keys)
        if turn % 11 == 0:
            f.set_cached_value(slow, keys).to([turn % 70, keys, {"copied": [slow, (slow,)]}])

    rung = attempts(use)
    for turn in range(300):
        use(turn)
    assert len(first) <= 50
    print(rung >= 100, stats(f)["waits"])
"""

WAITING = """
gate = threading.Event()

@get_quickcache(cache=MemoryCache(), flight_wait=10_000)(["x"])
def f(x):
    gate.wait()
    return x

leader = threading.Thread(target=f, args=(1,))
leader.start()
while stats(f)["computations"] < 1:
    time.sleep(0.001)
while stats(f)["waits"] < 5:  # those that rang before it came to waiting do not count
    attempts(lambda turn: f(1), enough=1, unit=0.03)
gate.set()
leader.join()
print(f(1), stats(f))
"""


@pytest.mark.parametrize("base", ["Exception", "BaseException"])
class TestASignal:
    def test_in_a_key_a_computation_or_a_copy_leaves_the_cache_right(self, run_apart, base):
        assert "True 0\n" * 2 == run_apart(PROGRAM.format(base=base) + COMPUTING)

    def test_ends_a_wait_and_nothing_else(self, run_apart, base):
        told = run_apart(PROGRAM.format(base=base) + WAITING)
        counts = {"computations": 1, "waits": 5, "wait_cycles": 0, "wait_timeouts": 0}
        assert f"1 {counts}\n" == told
