"""Values of other sizes, with callers kept apart and sharing the object."""

from collections.abc import Iterator

from benches.contender import Contender, Subject, tagged
from benches.preparing import check_apart, prepared, samples_of
from benches.result import Race
from benches.subjects import Load, of_one, rows, small_dict
from benches.timing import Plan, interleaved

KEY = {"x": "sixteen-letters."}

INT = Load("values/int", "an int", Subject(of_one, ("x",)), "call(x)", KEY)
DICT = Load("values/dict", "a dict of four, one a list", Subject(small_dict, ("key",)), "call(x)", KEY)
ROWS = Load("values/rows", "a list of 100 dicts", Subject(rows, ("key",)), "call(x)", KEY)


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    apart, shared = tagged(contenders, "apart"), tagged(contenders, "shared")
    yield race(plan, DICT, apart, "apart")
    if plan.quick:
        return
    yield race(plan, ROWS, apart, "apart")
    yield race(plan, INT, apart, "apart")
    for load in (INT, DICT, ROWS):
        yield race(plan, load, shared, "shared")


def race(plan: Plan, load: Load, contenders: list[Contender], how: str) -> Race:
    found = prepared(load, contenders)
    if how == "apart" and load is not INT:
        for name, cached in found.cached.items():
            check_apart(name, load, cached)
    samples = interleaved(samples_of(load, found), plan)
    return Race(f"{load.name} {how}", f"{load.title}, {how}", "ns", samples, found.left_out)
