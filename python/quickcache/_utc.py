"""UTC as a tzinfo of its own: what `quickcache.native_utc` has always offered."""

from datetime import datetime, timedelta, tzinfo

ZERO = timedelta(0)


class UTC(tzinfo):
    """UTC"""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return ZERO

    def tzname(self, dt: datetime | None) -> str:
        return "UTC"

    def dst(self, dt: datetime | None) -> timedelta:
        return ZERO


utc = UTC()
