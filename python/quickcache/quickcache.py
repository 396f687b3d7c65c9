"""The import path of 0.5 for configurations: re-exports only."""

from ._config import ConfigMixin, QuickCache, get_quickcache
from ._helper import QuickCacheHelper
from ._log import assert_function

__all__ = ["ConfigMixin", "QuickCache", "QuickCacheHelper", "assert_function", "get_quickcache"]
