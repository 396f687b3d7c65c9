"""The import path of 0.5 for UTC: re-exports only."""

from ._utc import UTC, ZERO, utc

__all__ = ["UTC", "ZERO", "utc"]
