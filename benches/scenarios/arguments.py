"""Arguments of other types, those too that only some peers take: a hot hit of each."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from benches.contender import Contender, Subject, tagged
from benches.result import Race
from benches.scenarios.hot import NAMES, race
from benches.subjects import Account, Load, of_five, of_one_argument, of_user
from benches.timing import Plan

LONG = "a long text of a thousand letters ".ljust(1000, ".")
FIVE = {"red": 1, "green": 2, "blue": 3, "white": "a name", "black": None}
ACCOUNT = Account(7)

LOADS = [
    of_one_argument("arguments/str1000", "a str of 1,000", LONG),
    of_one_argument("arguments/dict", "a dict of five", FIVE),
    Load(
        "arguments/keywords",
        "five names",
        Subject(of_five, NAMES),
        "call(a=a, b=b, c=c, d=d, e=e)",
        dict(zip(NAMES, (4_321, "green", None, True, "a name"), strict=True)),
    ),
    of_one_argument("arguments/uuid", "a UUID", uuid.UUID(int=2**127 + 4_321)),
    of_one_argument("arguments/datetime", "an aware datetime", datetime(2026, 5, 4, 3, 2, 1, 7, tzinfo=UTC)),
    Load(
        "arguments/attribute",
        "an object, on user.id (the peers: on the object)",
        Subject(of_user, ("user.id",)),
        "call(user)",
        {"user": ACCOUNT},
    ),
]


def races(plan: Plan, contenders: list[Contender]) -> Iterator[Race]:
    if plan.quick:
        return
    for load in LOADS:
        yield race(plan, load, tagged(contenders, "hot"))
