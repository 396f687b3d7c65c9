"""Clears that wait until a transaction is committed; its own reads do not see the old value meanwhile."""

from __future__ import annotations

import inspect
import threading
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

from .._helper import QuickCacheHelper

if TYPE_CHECKING:
    from collections.abc import Callable


class _Clear:
    """A clear of one key, called by Django when the transaction is committed."""

    def __init__(self, helper: QuickCacheHelper, key: Any, connection: Any, clear: Callable[[], Any]) -> None:
        self.helper = helper
        self.key = key
        self.connection = connection
        self._clear = clear
        self._is_over = False

    def __call__(self) -> None:
        try:
            self._clear()
        finally:
            self._is_over = True
            _drop_those_over(self.helper)

    def waits(self) -> bool:
        """Whether the transaction goes on. Of one that is rolled back, Django forgets what it was to call."""
        return not self._is_over and any(entry[1] is self for entry in self.connection.run_on_commit)


# By helpers, which the clears keep alive. Those of all threads: each has connections of its own.
_waiting: dict[int, list[_Clear]] = {}
_changing = threading.Lock()


def give_clears(cached: Any, *, on_commit: bool, using: str) -> None:
    """Give a decorated function `clear_on_commit`; with `on_commit`, that is its `clear` too."""
    helper = getattr(cached.clear, "__self__", None)
    # One that is not of ours has its own way of a call: its clears wait, and that is all.
    is_ours = isinstance(helper, QuickCacheHelper)
    clear = cached.clear
    has_parameter = "using" in inspect.signature(cached).parameters

    def clear_on_commit(helper: Any, /, *args: Any, **kwargs: Any) -> None:
        alias = using if has_parameter else kwargs.pop("using", using)
        if is_ours:
            _clear_on_commit(helper, alias, args, kwargs)
        else:
            transaction.on_commit(partial(clear, *args, **kwargs), using=alias)

    cached.clear_on_commit = MethodType(clear_on_commit, helper)
    if on_commit:
        cached.clear = cached.clear_on_commit
    if is_ours:
        cached.get_cached_value = MethodType(_get_cached_value, helper)


def _clear_on_commit(helper: QuickCacheHelper, alias: str, args: Any, kwargs: Any) -> None:
    # The key of now: an instance that is deleted before the commit has none any more.
    key = helper.get_cache_key(*args, **kwargs)
    clear = partial(helper.clear, *args, **kwargs)
    if type(helper).clear is QuickCacheHelper.clear:
        clear = partial(helper.forget, key)
    connection = connections[alias]
    if not connection.in_atomic_block:
        transaction.on_commit(clear, using=alias)
        return
    waiting = _Clear(helper, key, connection, clear)
    transaction.on_commit(waiting, using=alias)
    # From here on it waits, and so is not dropped by another thread.
    with _changing:
        _waiting[id(helper)] = [*_still_waiting(helper), waiting]
        # With methods of its own the helper's calls go through them, until nothing waits any more.
        vars(helper).update(call=MethodType(_call, helper), skip=MethodType(_skip, helper))


def _still_waiting(helper: QuickCacheHelper) -> list[_Clear]:
    return [clear for clear in _waiting.get(id(helper), ()) if clear.waits()]


def _drop_those_over(helper: QuickCacheHelper) -> list[_Clear]:
    """The clears that wait; as if there had never been any if there are none."""
    with _changing:
        waiting = _still_waiting(helper)
        if waiting:
            _waiting[id(helper)] = waiting
        elif _waiting.pop(id(helper), None):
            for name in ("call", "skip"):
                vars(helper).pop(name, None)
    return waiting


def _is_old(helper: QuickCacheHelper, args: Any, kwargs: Any) -> bool:
    """Whether what is cached for these arguments is to be cleared by a transaction of this thread."""
    waiting = _drop_those_over(helper)
    mine = [clear.key for clear in waiting if clear.connection in connections.all(initialized_only=True)]
    return bool(mine) and helper.get_cache_key(*args, **kwargs) in mine


def _call(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    if _is_old(helper, args, kwargs):
        return helper.fn(*args, **kwargs)  # nobody else is to see what is not committed yet
    return type(helper).call(helper, *args, **kwargs)


def _skip(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    # A refresh would be kept.
    return not _is_old(helper, args, kwargs) and type(helper).skip(helper, *args, **kwargs)


def _get_cached_value(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    if id(helper) in _waiting and _is_old(helper, args, kwargs):
        return Ellipsis
    return helper.get_cached_value(*args, **kwargs)
