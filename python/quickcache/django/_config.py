"""The configuration for Django: `locmem` before `default`, each with a timeout of its own."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.core.cache import caches
from django.utils.connection import ConnectionProxy

from .._config import ConfigMixin, get_quickcache
from .._errors import NothingCachedWarning
from .._helper import QuickCacheHelper
from .._log import assert_function
from .._tiers import CacheWithPresets, TieredCache, Timeout


class _DjangoFields(NamedTuple):
    vary_on: Any
    skip_arg: Any
    timeout: Timeout
    memoize_timeout: Timeout
    helper_class: Any
    assert_function: Any
    session_function: Callable[[], str] | None


class DjangoQuickCache(_DjangoFields, ConfigMixin):
    """The caches `locmem` (for `memoize_timeout` seconds) and `default` (for `timeout` seconds).

    `session_function` is called at each operation on `locmem`; its text goes before the key.
    """

    def call(self):
        return get_quickcache(
            cache=tiered_django_cache(
                [
                    ("locmem", self.memoize_timeout, self.session_function),
                    ("default", self.timeout, None),
                ]
            ),
            vary_on=self.vary_on,
            skip_arg=self.skip_arg,
            helper_class=self.helper_class,
            assert_function=self.assert_function,
        ).call()


def tiered_django_cache(
    cache_with_preset_arg_lists: Iterable[tuple[str, Timeout, Callable[[], str] | None]],
) -> TieredCache:
    """Tiers of (alias, timeout in seconds, prefix function); those with a timeout of 0 are left out."""
    tiers = [
        CacheWithPresets(_cache(alias), timeout, session_function)
        for alias, timeout, session_function in cache_with_preset_arg_lists
        if timeout
    ]
    if not tiers:
        warnings.warn(
            "nothing will be cached: every timeout is 0 or None. Give at least one tier a timeout in seconds.",
            NothingCachedWarning,
            stacklevel=4,
        )
    return TieredCache(tiers)


def _cache(alias: str) -> Any:
    caches[alias]  # raises now, not at the first call, if settings.CACHES has no such alias
    # Looked up anew at each use: one backend object per thread, and override_settings is followed.
    return ConnectionProxy(caches, alias)


get_django_quickcache = DjangoQuickCache(
    vary_on=Ellipsis,
    skip_arg=None,
    timeout=Ellipsis,  # type: ignore[arg-type]  # Ellipsis: still to be given
    memoize_timeout=Ellipsis,  # type: ignore[arg-type]
    helper_class=QuickCacheHelper,
    assert_function=assert_function,
    session_function=None,
).but_with
