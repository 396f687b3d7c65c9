"""Odd values, importable on both sides, so that generated ones can be sent there."""

import enum
from collections import namedtuple
from datetime import datetime, timedelta, timezone, tzinfo


class Summer(tzinfo):
    """UTC+1, and UTC+2 in the months 4 to 9, the repeated hour told apart by `fold`."""

    def utcoffset(self, dt):
        return timedelta(hours=1) + self.dst(dt)

    def dst(self, dt):
        if dt is None or not 4 <= dt.month <= 9 or (dt.month == 9 and dt.day == 30 and dt.fold):
            return timedelta(0)
        return timedelta(hours=1)

    def tzname(self, dt):
        return "Summer"


class NoOffset(tzinfo):
    """Gives no offset: such a datetime counts as naive, but has a tzinfo."""

    def utcoffset(self, dt):
        return None

    def dst(self, dt):
        return None

    def tzname(self, dt):
        return "?"


class Falsy(timezone.__base__):  # timezone itself cannot be subclassed
    """Has an offset, and is false."""

    def __bool__(self):
        return False

    def utcoffset(self, dt):
        return timedelta(hours=3)

    def dst(self, dt):
        return None

    def tzname(self, dt):
        return "falsy"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10**30


class Colour(enum.StrEnum):
    RED = "red"
    NONE = ""


class Ratio(float, enum.Enum):
    HALF = 0.5


class Flags(enum.IntFlag):
    A = 1
    B = 2


Point = namedtuple("Point", ["x", "y"])


class Text(str):
    __slots__ = ()


class Data(bytes):
    pass


class Whole(int):
    pass


class Real(float):
    pass


class Row(list):
    pass


class Pair(tuple):
    __slots__ = ()


class Table(dict):
    pass


class Bag(set):
    pass


class Moment(datetime):
    pass
