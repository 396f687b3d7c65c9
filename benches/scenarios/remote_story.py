"""16,159 calls of one function while an application was built, which took about 40 s of 200.

The calls are those that https://github.com/dimagi/commcare-hq/pull/30110 counts: of nine arguments, one
far more often than all others. The values are in Redis already, and nothing is in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benches.contender import Cached, Remote, Subject
from benches.contenders import AbsentError, ours
from benches.draw import seeded
from benches.loop import swept
from benches.preparing import DEFAULT_CAPACITY, WrongAnswerError
from benches.result import Race
from benches.server import serving
from benches.subjects import computed, small_dict
from benches.timing import Plan, undisturbed

COUNTS = (14_760, 891, 236, 226, 28, 8, 8, 1, 1)
SUBJECT = Subject(small_dict, ("key",))
ROUNDS, QUICK_ROUNDS = 7, 3


def races(plan: Plan, contenders: list[Remote]) -> Iterator[Race]:
    chance = seeded(sum(COUNTS))
    asked = [f"toggle {number}" for number, count in enumerate(COUNTS) for _ in range(count)]
    chance.shuffle(asked)
    with serving() as server:
        ways = {
            "memoised by hand": Way(by_hand, computes=len(COUNTS)),
            "quickcache, memory alone": Way(in_memory, computes=len(COUNTS)),
        }
        for one in contenders:
            for name, decorate in one.decorators.items():
                ways[name] = Way(partial(decorate, server.addresses["TCP"], SUBJECT), computes=0)
        left_out = {name: why for name, way in ways.items() if (why := missing(way))}
        ways = {name: way for name, way in ways.items() if name not in left_out}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        order = list(ways)
        for _ in range(QUICK_ROUNDS if plan.quick else ROUNDS):
            chance.shuffle(order)
            for name in order:
                taken[name].append(run(name, ways[name], asked))
    yield Race("story", f"{len(asked):,} calls of {len(COUNTS)} arguments", "ms", taken, left_out)


@dataclass(frozen=True)
class Way:
    """How the function is cached, anew each time, and how many of its values are to be computed then."""

    decorate: Callable[[], Cached]
    computes: int


def missing(way: Way) -> str:
    """What a way needs and is not here, if anything."""
    try:
        way.decorate()
    except AbsentError as error:
        return str(error)
    return ""


def by_hand() -> Cached:
    known: dict[str, object] = {}

    def call(key: str) -> object:
        if key not in known:
            known[key] = small_dict(key)
        return known[key]

    return Cached(call)


def in_memory() -> Cached:
    return ours.deco()(SUBJECT, DEFAULT_CAPACITY, None)


def run(name: str, way: Way, asked: Sequence[str]) -> float:
    """Milliseconds for all calls. What is shared has all values before; memory is empty."""
    filling = way.decorate()
    for key in set(asked):
        found = [filling.call(key), filling.call(key)]
        if found != [small_dict(key)] * 2:
            raise WrongAnswerError(f"{name}: {found} for {key}")
    sweep = swept("call(x)", {"call": way.decorate().call}, list(asked))
    before = computed[0]
    taken = undisturbed(sweep, 1)
    if computed[0] - before != way.computes:
        raise WrongAnswerError(f"{name}: {computed[0] - before} values computed, not {way.computes}")
    return taken / 1e6
