"""The import path of 0.5 for the helper: re-exports only."""

from ._helper import QuickCacheHelper
from ._log import logger
from ._utc import utc

__all__ = ["QuickCacheHelper", "logger", "utc"]
