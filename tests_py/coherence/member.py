"""One process of a run: `python member.py SETTINGS`. Threads read by a decorated function, one clears.

Its tiers are a memory that would keep a value for an hour, over a RedisCache. What it saw is in files of its
folder (records.py); at its end it writes there what its caches counted, and what was raised. Settings, in
JSON: the fields of `Settings`.
"""

import dataclasses
import faulthandler
import itertools
import json
import logging
import random
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from records import Clears, Reads, clears_file, reads_file
from shared import ENDS, RUNS, Shared
from tiers import Tiers, Unhurried
from traffic import SLOT, Keys

from quickcache import get_quickcache

# A thread of readers that hits has the interpreter until another asks for it: seconds until it is given away.
TURN = 2e-4
ROUNDS, OTHERS = 16, 128  # reads of keys that are being cleared, and of others, at a time
REST = 5e-4  # mean seconds that a reader sleeps now and then, so that there are more clears


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a process is told."""

    folder: str
    url: str
    process: int
    processes: int
    readers: int
    often: int  # how many keys there are of each kind (traffic.py)
    seldom: int
    coherence: str  # "plain": say nothing of it, as before there was any
    beat: float
    on_link_loss: str | float
    seed: int
    pause: float  # mean seconds between two clears
    limit: float  # seconds after which it hangs


class Member:
    """The threads of the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(settings.folder)
        self.threads = settings.readers + 1
        self.keys = Keys(settings.often, settings.seldom)
        self.shared = Shared(self.folder / "shared", len(self.keys), settings.processes * self.threads)
        # They read each other's values: both ways are pickle.
        serializer = Unhurried(settings.seed) if settings.process else "pickle"
        self.tiers = Tiers(settings.url, settings.coherence, settings.beat, settings.on_link_loss, serializer)
        self.function = get_quickcache(cache=self.tiers.whole)(["key"])(self.version_of())
        self.problems: list[str] = []

    def version_of(self) -> Any:
        chance = random.Random(self.settings.seed)
        version = self.shared.version

        def version_of(key: int) -> tuple[int]:
            if chance.random() < 0.2:
                time.sleep(chance.random() * 0.001)  # stands for a query, before
            found = version(key)
            if chance.random() < 0.2:
                time.sleep(chance.random() * 0.001)  # and after the source was read: clears come in between
            return (found,)  # of a bare integer no serializer is asked

        return version_of

    def chance(self, thread: int) -> random.Random:
        return random.Random(self.settings.seed * 1000 + self.settings.process * 10 + thread)

    def place(self, thread: int) -> int:
        """Of all threads of all processes."""
        return self.settings.process * self.threads + thread

    def reads(self, thread: int) -> Reads:
        return Reads(reads_file(self.folder, self.settings.process, thread), len(self.keys))

    def read(self, thread: int) -> None:
        """What a reader does until the end."""
        chance, reads = self.chance(thread), self.reads(thread)
        function, shared, now, note = self.function, self.shared, time.monotonic_ns, reads.note
        every = itertools.cycle(chance.sample(range(len(self.keys)), len(self.keys)))
        while shared.phase != ENDS:
            # What is being cleared, what was just now, and some of all others.
            time_now = now()
            hot = [*self.keys.hot(time_now), *self.keys.hot(time_now - SLOT)]
            for key in [*hot * ROUNDS, *itertools.islice(every, OTHERS)]:
                begin = now()
                (version,) = function(key)
                note(key, version, begin, now())
            shared.tell(self.place(thread), reads.count, 0)
            if chance.random() < 0.5:
                time.sleep(chance.expovariate(1 / REST))
        reads.close()

    def clear(self) -> None:
        """What the writer does: it changes the source, clears, and now and then reads what it has cleared."""
        settings, shared, now = self.settings, self.shared, time.monotonic_ns
        writer = settings.readers
        chance, reads = self.chance(writer), self.reads(writer)
        clears = Clears(clears_file(self.folder, settings.process))
        while shared.phase == RUNS:
            key = chance.choice(self.keys.hot(now()))
            version = shared.raise_version(key)
            queued = self.tiers.deletes_queued()
            begin = now()
            self.function.clear(key)
            end = now()
            # A reader whose store failed is counted there too, and then the clear as one that was not taken.
            acknowledged = self.tiers.deletes_queued() == queued
            clears.note(key, version, begin, end, acknowledged)
            if chance.random() < 0.5:
                begin = now()
                (found,) = self.function(key)
                reads.note(key, found, begin, now())
            shared.tell(self.place(writer), reads.count, clears.count)
            # Bursts, and pauses in which all there is are hits.
            if chance.random() < 0.5:
                time.sleep(chance.expovariate(0.5 / settings.pause))
        clears.close()
        reads.close()

    def guard(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException:  # noqa: BLE001  told at the end, and the run fails
            self.problems.append(traceback.format_exc())

    def run(self) -> None:
        works: list[tuple[Any, ...]] = [(self.read, thread) for thread in range(self.settings.readers)]
        works.append((self.clear,))
        threads = [threading.Thread(target=self.guard, args=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = {"problems": self.problems, **self.tiers.stats()}
        (self.folder / f"told-{self.settings.process}").write_text(json.dumps(told), encoding="utf-8")


def main() -> None:
    settings = Settings(**json.loads(sys.argv[1]))
    faulthandler.enable()
    faulthandler.dump_traceback_later(settings.limit, exit=True)
    logging.getLogger("quickcache").addHandler(logging.NullHandler())  # faults are made on purpose
    sys.setswitchinterval(TURN)
    member = Member(settings)
    texts = [member.function.get_cache_key(key) for key in range(len(member.keys))]
    ready = Path(settings.folder) / f"ready-{settings.process}"
    ready.with_suffix(".part").write_text(json.dumps(texts), encoding="utf-8")
    ready.with_suffix(".part").rename(ready)
    member.run()


if __name__ == "__main__":
    main()
