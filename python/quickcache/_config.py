"""Staged configuration: defaults, then the decorator's own arguments, then the function."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from . import _source
from ._helper import QuickCacheHelper
from ._log import assert_function
from ._tiers import Timeout, fold_timeouts


class ConfigMixin:
    """What makes a namedtuple a configuration: mix it in, and have fields for the helper class.

    A field whose value is Ellipsis still has to be given. Unless `call` is overridden, all fields
    but `helper_class` are passed to `helper_class(fn, ...)` by name.
    """

    def but_with(self, **defaults):
        return self._replace(**defaults)

    def __call__(self, vary_on=Ellipsis, skip_arg=Ellipsis, **new_values):
        if vary_on is not Ellipsis:
            new_values["vary_on"] = vary_on
        if skip_arg is not Ellipsis:
            new_values["skip_arg"] = skip_arg
        if new_values:
            return self.but_with(**new_values).__call__()
        missing = [name for name, value in self._asdict().items() if value is Ellipsis]
        if missing:
            raise ValueError(
                f"the quickcache decorator still needs values for the following parameters: {missing}"
            )
        return self.call()

    def call(self):
        values = self._asdict()
        return decorator(values.pop("helper_class"), values)


def decorator(helper_class, helper_arguments, key_format="compatible"):
    def decorate(fn):
        helper = helper_class(fn, **helper_arguments)
        if key_format == "qualified":
            helper.prefix = _source.key_prefix(fn, helper._hash, key_format)
        _source.warn_on_collision(fn, helper.prefix, stacklevel=2)

        @functools.wraps(fn)
        def inner(*args, **kwargs):
            return helper(*args, **kwargs)

        inner.clear = helper.clear
        inner.get_cache_key = helper.get_cache_key
        inner.prefix = helper.prefix
        inner.get_cached_value = helper.get_cached_value
        inner.set_cached_value = helper.set_cached_value
        return inner

    return decorate


class _QuickCacheFields(NamedTuple):
    vary_on: Any
    cache: Any
    skip_arg: Any
    helper_class: Any
    assert_function: Any
    timeout: Timeout = None
    memoize_timeout: Timeout = None
    key_format: _source.KeyFormat = "compatible"


class QuickCache(_QuickCacheFields, ConfigMixin):
    """The generic configuration: any cache object, or a tuple of tiers made by TieredCache.

    The last three fields are folded into the tiers and the key, and do not reach the helper class:
    `timeout` is the life of values in the last tier, `memoize_timeout` in the first (seconds or a
    timedelta; None: the tier's own), `key_format` is 'compatible' or 'qualified'.
    """

    def call(self):
        if self.key_format not in ("compatible", "qualified"):
            raise ValueError(f"key_format must be 'compatible' or 'qualified', not {self.key_format!r}")
        values = {
            name: value
            for name, value in self._asdict().items()
            if name not in ("timeout", "memoize_timeout", "key_format", "helper_class")
        }
        values["cache"] = fold_timeouts(self.cache, self.timeout, self.memoize_timeout)
        return decorator(self.helper_class, values, self.key_format)


get_quickcache = QuickCache(
    vary_on=Ellipsis,
    cache=Ellipsis,
    skip_arg=None,
    helper_class=QuickCacheHelper,
    assert_function=assert_function,
).but_with
