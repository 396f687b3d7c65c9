"""UTC as a tzinfo of its own: what `quickcache.native_utc` has always offered."""

from datetime import datetime, timedelta, tzinfo

ZERO = timedelta(0)


class UTC(tzinfo):
    """UTC"""  # noqa: D400, D415  as documented since 0.5

    __module__ = "quickcache.native_utc"  # the path of 0.5, by which it is pickled

    def utcoffset(self, dt: datetime | None) -> timedelta:  # noqa: ARG002
        return ZERO

    def tzname(self, dt: datetime | None) -> str:  # noqa: ARG002
        return "UTC"

    def dst(self, dt: datetime | None) -> timedelta:  # noqa: ARG002
        return ZERO


utc = UTC()
