"""Staged configuration: defaults, then the decorator's own arguments, then the function."""

from __future__ import annotations  # those of _typing are not there at run time

import functools
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, cast

from . import _registry, _source
from ._helper import QuickCacheHelper
from ._log import assert_function
from ._native import _Desk as Desk
from ._native import _find as find
from ._native import _Gap as Gap
from ._native import _Shortcut as Shortcut
from ._native import _shown as shown
from ._native import _wait_of
from ._tiers import fold_timeouts, refuse_unshared

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import EllipsisType
    from typing import Self, Unpack

    from ._native import FunctionStats
    from ._tiers import Timeout
    from ._typing import (
        CachedFunction,
        Decorator,
        P,
        QuickCacheDefaults,
        QuickCacheOptions,
        R,
        SkipArg,
        VaryOn,
    )


FLIGHT_WAIT = timedelta(seconds=5)
LONGEST_WAIT = 86_400.0 * 365  # seconds
OF_TIERS = {"coherence", "on_link_loss", "beat"}
OF_TIERS_NOTE = "coherence, on_link_loss and beat are for the tiers: cache=TieredCache([...], coherence=...)"


class ConfigMixin:
    """What makes a namedtuple a configuration: mix it in, and have fields for the helper class.

    A field whose value is Ellipsis still has to be given. Unless `call` is overridden, all fields
    but `helper_class` are passed to `helper_class(fn, ...)` by name.
    """

    __module__ = "quickcache.quickcache"  # the path of 0.5, by which it is pickled

    # Names of options beside the fields, which so are those of 0.5 in all that users do with them.
    _options: ClassVar[tuple[str, ...]] = ()

    def but_with(self, **defaults: Any) -> Self:
        """The same configuration with other values for some fields.

        For an unknown field, ValueError, or TypeError from Python 3.13 on, as the namedtuple has it.
        """
        fields: Any = self  # a namedtuple, as the class's contract says and its type cannot
        options = {name: defaults.pop(name) for name in self._options if name in defaults}
        try:
            other: Any = fields._replace(**defaults)
        except (TypeError, ValueError) as error:
            if OF_TIERS & defaults.keys():
                error.add_note(OF_TIERS_NOTE)  # the message is the namedtuple's, as in 0.5
            raise
        if self._options:
            other.__dict__.update({**self.__dict__, **options})
        return cast("Self", other)

    def __call__(
        self,
        vary_on: VaryOn | EllipsisType = Ellipsis,
        skip_arg: SkipArg | EllipsisType = Ellipsis,
        **new_values: Any,
    ) -> Decorator:
        """The decorator, with other values for some fields. ValueError while a field is not given."""
        if vary_on is not Ellipsis:
            new_values["vary_on"] = vary_on
        if skip_arg is not Ellipsis:
            new_values["skip_arg"] = skip_arg
        if new_values:
            return self.but_with(**new_values).__call__()
        fields: Any = self
        refuse_missing(fields._asdict())
        return self.call()

    def call(self) -> Decorator:
        """The decorator, made of fields that are all given. Open to subclasses."""
        return self._decorator()

    def _decorator(self) -> Decorator:
        fields: Any = self
        values = fields._asdict()
        return decorator(values.pop("helper_class"), values)


def refuse_missing(values: dict[str, Any]) -> None:
    """Raise ValueError while any of the values still has to be given."""
    missing = [name for name, value in values.items() if value is Ellipsis]
    if missing:
        raise ValueError(
            f"the quickcache decorator still needs values for the following parameters: {missing}"
        )


def decorator(
    helper_class: Callable[..., Any],
    helper_arguments: dict[str, Any],
    key_format: _source.KeyFormat = "compatible",
    flight_wait: timedelta | None = FLIGHT_WAIT,
    *,
    fleet: bool = False,
) -> Decorator:
    """A decorator that has `helper_class(fn, **helper_arguments)` answer the calls of `fn`.

    Threads that miss the same key wait for the first of them, for `flight_wait`; None: they compute. `fleet`:
    so do those of other processes.
    """

    def decorate(fn: Callable[P, R]) -> CachedFunction[P, R]:
        helper = helper_class(fn, **helper_arguments)
        if key_format == "qualified":
            helper.prefix = _source.key_prefix(fn, helper._hash, key_format)
        desk = Desk(flight_wait, fleet)
        shortcut = Shortcut(helper, desk)
        if isinstance(helper, QuickCacheHelper):
            vars(helper)["_quickcache_desk"] = desk

        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            found = find(shortcut, args, kwargs)
            if type(found) is not Gap:
                return found
            with found:
                content = found.function(*args, **kwargs)
                found.keep(content)
            return content

        cached: Any = inner
        cached.clear = helper.clear
        cached.get_cache_key = helper.get_cache_key
        cached.prefix = helper.prefix
        cached.get_cached_value = helper.get_cached_value
        cached.set_cached_value = helper.set_cached_value
        _source.warn_on_collision(fn, helper)
        shortcut.install(cached)
        _registry.register(cached, helper)
        return cast("CachedFunction[P, R]", cached)

    return decorate


def stats(function: Callable[..., Any]) -> FunctionStats:
    """Counts of a decorated function's calls that missed; TypeError for any other function.

    `computations`: calls of the function itself. `waits`: calls that waited for another thread's
    computation. `wait_cycles` and `wait_timeouts`: calls that computed although another thread did,
    since threads would have waited for one another, or waited longer than `flight_wait`.
    """
    plain = getattr(function, "__func__", function)
    for cell in getattr(plain, "__closure__", None) or ():
        if type(cell.cell_contents) is Shortcut:
            return cell.cell_contents.desk.stats()
    raise TypeError(f"stats() takes a decorated function, not {shown(function)}")


def wait_of(single_flight: object, flight_wait: Any) -> timedelta | None:
    """How long a call waits for another's computation; None: not at all.

    TypeError or ValueError for what is no time, or has no end.
    """
    if not (isinstance(single_flight, bool) or single_flight == "fleet"):
        raise TypeError(f"single_flight is True, False or 'fleet', not {shown(single_flight)}")
    if flight_wait is None or (isinstance(flight_wait, float) and flight_wait == math.inf):
        raise ValueError(
            f"flight_wait is a finite time in seconds, or a timedelta, not {flight_wait}: who is waited "
            "for may be waiting for the one who waits, in ways that nobody sees"
        )
    seconds = _wait_of(flight_wait)
    wait = LONGEST_WAIT if seconds is None else min(seconds, LONGEST_WAIT)
    return timedelta(seconds=wait) if single_flight else None


class _QuickCacheFields(NamedTuple):
    vary_on: Any
    cache: Any
    skip_arg: Any
    helper_class: Any
    assert_function: Any


class QuickCache(_QuickCacheFields, ConfigMixin):
    """The generic configuration: any cache object, or several as one by TieredCache.

    The options beside the fields do not reach the helper class: `timeout` is the life of values in the
    last tier, `memoize_timeout` in the first (seconds or a timedelta; None: the tier's own),
    `key_format` is 'compatible' or 'qualified'. With `single_flight`, threads that miss the same key
    wait for the first of them to compute it, but no longer than `flight_wait` (seconds or a timedelta). With
    `single_flight='fleet'`, so do those of other processes, where one of the tiers is a RedisCache.
    """

    __module__ = "quickcache.quickcache"

    _options = ("timeout", "memoize_timeout", "key_format", "single_flight", "flight_wait")
    timeout: Timeout = None
    memoize_timeout: Timeout = None
    key_format: _source.KeyFormat = "compatible"
    single_flight: bool | Literal["fleet"] = True
    flight_wait: float | timedelta = FLIGHT_WAIT

    if TYPE_CHECKING:  # the same methods, told the fields' names

        def but_with(self, **defaults: Unpack[QuickCacheDefaults]) -> Self: ...  # type: ignore[override]
        def __call__(  # type: ignore[override]
            self,
            vary_on: VaryOn | EllipsisType = ...,
            skip_arg: SkipArg | EllipsisType = ...,
            **new_values: Unpack[QuickCacheOptions],
        ) -> Decorator: ...

    def _decorator(self) -> Decorator:  # and `call` is that of ConfigMixin, as in 0.5: tests patch it there
        refuse_missing({name: getattr(self, name) for name in self._options})
        _source.check_key_format(self.key_format)
        values = self._asdict()
        helper_class = values.pop("helper_class")
        values["cache"] = fold_timeouts(self.cache, self.timeout, self.memoize_timeout)
        wait = wait_of(self.single_flight, self.flight_wait)
        fleet = self.single_flight == "fleet"
        if fleet:
            refuse_unshared(self.cache)
        return decorator(helper_class, values, self.key_format, wait, fleet=fleet)


# As error messages name it.
QuickCache.__new__.__qualname__ = "QuickCache.__new__"

get_quickcache = QuickCache(
    vary_on=Ellipsis,
    cache=Ellipsis,
    skip_arg=None,
    helper_class=QuickCacheHelper,
    assert_function=assert_function,
).but_with
