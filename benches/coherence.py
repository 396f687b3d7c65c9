"""What it costs to keep memory true to a server: hits, misses, and the thread that listens.

    python -m benches.coherence [--quick]

Times are taken by turns, with and without, in one process, and their medians compared. The listener's
share is its thread's own time, as the system counts it (Linux).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from benches.server import Server, serving
from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

LISTENER = "quickcache-list"  # as much of the thread's name as the system keeps

# Writes keys that somebody else has, each by a command of its own, so many at once, and at a rate; 0: as fast
# as it can.
WRITER = """
import sys, time
import redis
port, prefix, (number, rate, at_once) = int(sys.argv[1]), sys.argv[2], map(int, sys.argv[3:])
client = redis.Redis(port=port).pipeline(transaction=False)
begun = time.monotonic()
for i in range(number):
    client.set(f"{prefix}{i % 50_000}", i)
    if i % at_once == at_once - 1:
        client.execute()
    if rate and i % 10 == 0:
        time.sleep(max(0, begun + i / rate - time.monotonic()))
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches.coherence", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats: noisier figures")
    options = parser.parse_args()
    repeats = 7 if options.quick else 31
    with serving() as server:
        figures = [
            *hits(server, repeats),
            misses(server, repeats),
            *pushes(server, 5_000 if options.quick else 20_000),
            burst(server),
            hits_of_others(server, repeats),
        ]
    width = max(len(what) for what, *_ in figures)
    for what, figure, most in figures:
        print(f"{what:<{width}}  {figure:>9}  at most {most:<7}  {reached(figure, most)}")
    return 0


Figure = tuple[str, str, str]


def reached(figure: str, most: str) -> str:
    """Whether a figure is what it should be: both begin with a number."""
    value, bound = (float(text.partition(" ")[0]) for text in (figure, most))
    return "reached" if value <= bound else "NOT REACHED"


def tiers(server: Server, coherence: str, timeout: float | None, prefix: str) -> TieredCache:
    port = server.addresses["TCP"].port
    shared = RedisCache(f"redis://127.0.0.1:{port}", timeout=3_600, key_prefix=prefix, deadline=30)
    return TieredCache([MemoryCache(timeout=timeout, max_entries=100_000), shared], coherence=coherence)


def decorated(cache: TieredCache | MemoryCache) -> Callable[[int], int]:
    @get_quickcache(cache=cache)(["x"])
    def function(x: int) -> int:
        return x

    return function


def timed(function: Callable[[int], Any], calls: int) -> float:
    """Nanoseconds of a hit."""
    begun = time.perf_counter_ns()
    for _ in range(calls):
        function(1)
    return (time.perf_counter_ns() - begun) / calls


def warm(function: Callable[[int], Any]) -> None:
    for _ in range(3):
        function(1)
        time.sleep(0.01)  # what it has written itself is told to it
    for _ in range(1_000):
        function(1)


def hits(server: Server, repeats: int) -> Iterator[Figure]:
    """Nanoseconds that a hit takes longer than one of memory alone."""
    for timeout, most in ((3_600.0, "5"), (None, "8")):
        kept_true = decorated(tiers(server, "tracking", timeout, f"hit{timeout}:"))
        alone = decorated(MemoryCache(timeout=timeout))
        for function in (kept_true, alone):
            warm(function)
        differences = [timed(kept_true, 100_000) - timed(alone, 100_000) for _ in range(repeats)]
        whole = median(timed(alone, 100_000) for _ in range(3))
        life = "with a timeout" if timeout else "without a timeout"
        yield f"hit {life}, longer than {whole:.0f} ns", f"{median(differences):.1f} ns", f"{most} ns"


def misses(server: Server, repeats: int) -> Figure:
    """How much longer a miss takes: asked for, leased, computed, stored."""
    numbers = count()
    functions = [decorated(tiers(server, mode, 3_600, f"miss-{mode}:")) for mode in ("tracking", "off")]
    for function in functions:
        function(next(numbers))

    def batch(function: Callable[[int], int]) -> float:
        begun = time.perf_counter_ns()
        for _ in range(300):
            function(next(numbers))
        return (time.perf_counter_ns() - begun) / 300

    taken = [(batch(functions[0]), batch(functions[1])) for _ in range(repeats)]
    ratio = median(with_it / without for with_it, without in taken)
    without = median(without for _, without in taken) / 1_000
    return f"miss, of one of {without:.0f} us", f"{ratio:.2f} x", "1.6 x"


def listener_time() -> int:
    """Nanoseconds that the listeners of this process have run for."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == LISTENER:
            total += int((task / "schedstat").read_text().partition(" ")[0])
    return total


@contextmanager
def written(
    server: Server, prefix: str, number: int, rate: int = 0, at_once: int = 1
) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process write."""
    arguments = [str(part) for part in (server.addresses["TCP"].port, prefix, number, rate, at_once)]
    with subprocess.Popen([sys.executable, "-c", WRITER, *arguments]) as writer:
        try:
            yield writer
        finally:
            writer.terminate()


def pushes(server: Server, number: int) -> Iterator[Figure]:
    """The listener's time for each key that another has written, which is told by itself or with others."""
    for prefix, what, at_once in (
        ("foreign:", "a push of an unknown key", 1),
        ("known:", "a push of a key in memory", 1),
        ("many:", "each of five unknown keys in a push", 5),
    ):
        cache = tiers(server, "tracking", 3_600, prefix)
        cache.get("nothing")
        if prefix == "known:":
            shared: Any = cache.caches[1]  # type: ignore[index]
            shared.set_many({str(i): i for i in range(min(number, 50_000))})
            time.sleep(0.3)
            for i in range(min(number, 50_000)):
                cache.get(str(i))
        before, told = listener_time(), cache.stats()["invalidations"]
        with written(server, prefix, number, at_once=at_once) as writer:
            writer.wait()
        time.sleep(0.2)
        told = cache.stats()["invalidations"] - told
        yield (
            f"listener, {what}",
            f"{(listener_time() - before) / told / 1_000:.1f} us",
            "6 us",
        )


def burst(server: Server) -> Figure:
    """From the reply to a delete of 50,000 keys that are in memory, until the last of them is void there."""
    cache = tiers(server, "tracking", 3_600, "burst:")
    memory, shared = cache.caches
    taken = []
    keys = [str(i) for i in range(50_000)]
    for _ in range(5):
        shared.set_many(dict.fromkeys(keys, 1))
        time.sleep(0.5)
        for key in keys:
            cache.get(key)
        held, told = len(memory), cache.stats()["invalidations"]
        shared.delete_many(keys)
        begun = time.perf_counter()
        while cache.stats()["invalidations"] - told < len(keys):
            time.sleep(0.000_5)
        taken.append((time.perf_counter() - begun) * 1_000)
        if held < 0.9 * len(keys) or cache.get("7") is not None:
            raise AssertionError(f"{held} keys were in memory, and the last of them is {cache.get('7')}")
    return "50,000 keys deleted at once, all void after", f"{median(taken):.0f} ms", "50 ms"


def hits_of_others(server: Server, repeats: int) -> Figure:
    """Hits while other keys are written by others, by turns with times in which nobody writes."""
    function = decorated(tiers(server, "tracking", 3_600, "busy:"))
    warm(function)

    def best(seconds: float) -> list[float]:
        until = time.monotonic() + seconds
        taken = []
        while time.monotonic() < until:
            taken.append(timed(function, 2_000))
        return taken

    ratios = []
    for _ in range(max(repeats // 5, 2)):
        quiet = median(best(0.5))
        with written(server, "busy:quickcache.", 1_000_000, 5_000):
            time.sleep(0.5)
            busy = median(best(0.5))
        ratios.append(busy / quiet)
    return "hit while 5,000 other keys a second change, of one in quiet", f"{median(ratios):.2f} x", "1.10 x"


if __name__ == "__main__":
    if not Path("/proc/self/task").is_dir():
        sys.exit("the listener's time is read from /proc, which is not here")
    sys.exit(main())
