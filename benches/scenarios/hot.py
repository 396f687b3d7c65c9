"""One call again and again, always a hit: how a call's form and arguments tell."""

from collections.abc import Iterator

from benches.contender import Contender, Subject, tagged
from benches.preparing import prepared, samples_of
from benches.result import Race
from benches.subjects import (
    ONE,
    Account,
    Load,
    as_method,
    of_five,
    of_one_argument,
    of_two,
)
from benches.timing import Plan, interleaved

NAMES = ("a", "b", "c", "d", "e")

LOADS = [
    of_one_argument("hot/int", "an int", 4_321),
    of_one_argument("hot/str16", "a str of 16", "sixteen-letters."),
    of_one_argument("hot/str36", "a str of 36", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
    Load("hot/keyword", "an int by keyword", ONE, "call(x=x)", {"x": 4_321}),
    Load(
        "hot/method",
        "a method, on self.id (the peers: on self)",
        Subject(Account.total, ("self.id",)),
        "owner.total()",
        bind=as_method,
    ),
    Load("hot/two", "two arguments", Subject(of_two, NAMES[:2]), "call(a, b)", {"a": 4_321, "b": "green"}),
    Load(
        "hot/five",
        "five arguments",
        Subject(of_five, NAMES),
        "call(a, b, c, d, e)",
        {"a": 4_321, "b": "green", "c": None, "d": True, "e": "a name"},
    ),
    of_one_argument("hot/tuple", "a tuple of an int and a str", (4_321, "green")),
]


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    for load in LOADS:
        needed = ("ours", "lru_cache") if plan.quick and load is not LOADS[0] else ("hot",)
        yield race(plan, load, tagged(contenders, *needed))


def race(plan: Plan, load: Load, contenders: list[Contender]) -> Race:
    """Contenders under a load of one call."""
    found = prepared(load, contenders)
    samples = interleaved(samples_of(load, found), plan)
    return Race(load.name, load.title, "ns", samples, found.left_out)
