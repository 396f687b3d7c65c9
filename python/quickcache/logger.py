"""The import path of 0.5 for the logger: re-exports only."""

from ._log import assert_function, logger

__all__ = ["assert_function", "logger"]
