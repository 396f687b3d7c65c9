"""The configuration for Django: `locmem` before `default`, each with a timeout of its own."""

from __future__ import annotations  # those of _typing are not there at run time

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.connection import ConnectionProxy

from .._config import FLIGHT_WAIT, ConfigMixin, get_quickcache
from .._helper import QuickCacheHelper
from .._log import assert_function
from .._tiers import CacheWithPresets, TieredCache, coherent, warn_nothing_cached
from ._transactions import give_clears

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from types import EllipsisType
    from typing import Self, Unpack

    from .._source import KeyFormat
    from .._tiers import Timeout
    from .._typing import (
        CachedFunction,
        ClearWhen,
        Decorator,
        DjangoDefaults,
        DjangoOptions,
        P,
        R,
        SkipArg,
        VaryOn,
    )

TO_BE_GIVEN: Any = Ellipsis  # Any, since no field's type allows it once it is given


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
    The option `caches` names other aliases than these two. `key_format` is 'compatible' or 'qualified';
    `single_flight` and `flight_wait` (seconds) say whether, and for how long, a thread waits for another
    one that computes the same value; `single_flight='fleet'`, where the second alias is a RedisCache of
    `quickcache.django`, for other processes too. With `clear='on_commit'`, a function's `clear` waits until
    the transaction of the database `using` is committed, as its `clear_on_commit` does in any case.
    `coherence`, `on_link_loss` and `beat` are those of TieredCache, where the aliases are a MemoryCache and a
    RedisCache of `quickcache.django`.
    """

    __module__ = "quickcache.django_quickcache"  # the path of 0.5, by which it is pickled

    _options = (
        "key_format",
        "single_flight",
        "flight_wait",
        "caches",
        "clear",
        "using",
        "coherence",
        "on_link_loss",
        "beat",
    )
    key_format: KeyFormat = "compatible"
    single_flight: bool | Literal["fleet"] = True
    flight_wait: float | timedelta = FLIGHT_WAIT
    caches: tuple[str, str] | list[str] = ("locmem", "default")
    clear: ClearWhen = "now"
    using: str | None = DEFAULT_DB_ALIAS
    coherence: str | None = None
    on_link_loss: Timeout | str = "bypass"
    beat: float | timedelta = 1.0

    if TYPE_CHECKING:  # the same methods, told the fields' names

        def but_with(self, **defaults: Unpack[DjangoDefaults]) -> Self: ...  # type: ignore[override]
        def __call__(  # type: ignore[override]
            self,
            vary_on: VaryOn | EllipsisType = ...,
            skip_arg: SkipArg | EllipsisType = ...,
            **new_values: Unpack[DjangoOptions],
        ) -> Decorator: ...

    def call(self) -> Decorator:
        memory, shared = _two_aliases(self.caches)
        on_commit, using = _on_commit(self.clear), _database(self.using)
        decorate = get_quickcache(
            cache=tiered_django_cache(
                [
                    (memory, self.memoize_timeout, self.session_function),
                    (shared, self.timeout, None),
                ],
                coherence=self.coherence,
                on_link_loss=self.on_link_loss,
                beat=self.beat,
            ),
            vary_on=self.vary_on,
            skip_arg=self.skip_arg,
            helper_class=self.helper_class,
            assert_function=self.assert_function,
            key_format=self.key_format,
            single_flight=self.single_flight,
            flight_wait=self.flight_wait,
        ).call()

        def decorate_for_django(fn: Callable[P, R]) -> CachedFunction[P, R]:
            cached = decorate(fn)
            give_clears(cached, on_commit=on_commit, using=using)
            return cached

        return decorate_for_django


# As error messages name it.
DjangoQuickCache.__new__.__qualname__ = "DjangoQuickCache.__new__"


def tiered_django_cache(
    cache_with_preset_arg_lists: Iterable[tuple[str, Timeout, Callable[[], str] | None]],
    *,
    coherence: str | None = None,
    on_link_loss: Timeout | str = "bypass",
    beat: float | timedelta = 1.0,
) -> TieredCache:
    """Tiers of (alias, timeout in seconds, prefix function); those with a timeout of 0 are left out.

    The options are those of TieredCache, where the aliases are a MemoryCache and a RedisCache of
    `quickcache.django`.
    """
    tiers = [
        CacheWithPresets(_cache(alias), timeout, session_function)
        for alias, timeout, session_function in cache_with_preset_arg_lists
        if timeout
    ]
    if not tiers:
        warn_nothing_cached()
    return coherent(TieredCache(tiers), coherence, on_link_loss, beat)


def _two_aliases(aliases: Any) -> tuple[str, str]:
    if isinstance(aliases, (tuple, list)) and [type(alias) for alias in aliases] == [str, str]:
        return tuple(aliases)
    raise ValueError(
        "caches names two aliases of settings.CACHES, the one asked first and the shared one, as in "
        f"('locmem', 'default'), not {aliases!r}. For another number of tiers, give get_quickcache "
        "a tiered_django_cache"
    )


def _on_commit(clear: object) -> bool:
    if clear not in ("now", "on_commit"):
        raise ValueError(f"clear is 'now' or 'on_commit', not {clear!r}")
    return clear == "on_commit"


def _database(alias: str | None) -> str:
    """The same, if settings.DATABASES has it; None stands for the one by default, as in Django."""
    name: str = DEFAULT_DB_ALIAS if alias is None else alias
    if name not in list(connections):
        connections[name]  # raises now, not at the first clear
    return name


def _cache(alias: str) -> Any:
    caches[alias]  # raises now, not at the first call, if settings.CACHES has no such alias
    # Looked up anew at each use: one backend object per thread, and override_settings is followed.
    return ConnectionProxy(caches, alias)


get_django_quickcache = DjangoQuickCache(
    vary_on=Ellipsis,
    skip_arg=None,
    timeout=TO_BE_GIVEN,
    memoize_timeout=TO_BE_GIVEN,
    helper_class=QuickCacheHelper,
    assert_function=assert_function,
    session_function=None,
).but_with
