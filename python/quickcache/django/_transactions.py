"""Clears that wait until a transaction is committed; its own reads do not see the old value meanwhile.

What waits lies where Django forgets it if a transaction, or a savepoint, is rolled back: among the hooks of
the connection. That list is another one after each such change, by which one knows without a look through it.
"""

from __future__ import annotations

import inspect
import os
import threading
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from .._helper import QuickCacheHelper, Settable, forget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NAME = "_quickcache_clears"  # among the attributes of a connection, and of a helper


class _Clear:
    """A clear of one key, called when the transaction is committed."""

    def __init__(
        self, waiting: _Waiting, helper: QuickCacheHelper, key: Any, clear: Callable[[], Any]
    ) -> None:
        self.helper = helper
        self.key = key
        self.is_over = False
        self._waiting = waiting
        self._clear = clear

    def __call__(self) -> None:
        try:
            self._clear()
        finally:
            self.is_over = True
            self._waiting.look_again()  # tests call it although the transaction goes on
            _give_back(self.helper)


class _Waiting:
    """The clears that wait in one connection: of one thread, but others look at it too."""

    def __init__(self, connection: Any) -> None:
        self.process = os.getpid()  # a child of a fork has what other threads of its parent waited for
        self._connection = connection
        self._hooks: Any = None
        self._keys: dict[int, set[Any]] = {}
        self._run_hooks = connection.run_and_clear_commit_hooks
        connection.run_and_clear_commit_hooks = self._run

    def add(self, clear: _Clear, alias: str) -> None:
        """Have Django call it at the commit."""
        self.keys_of(clear.helper)
        transaction.on_commit(clear, using=alias)
        self._keys.setdefault(id(clear.helper), set()).add(clear.key)

    def keys_of(self, helper: QuickCacheHelper) -> set[Any]:
        """The keys of a helper that wait: asked by the thread whose connection it is."""
        hooks = self._connection.run_on_commit
        if hooks is not self._hooks:
            self._hooks, self._keys = hooks, {}
            for clear in _clears_among(hooks):
                self._keys.setdefault(id(clear.helper), set()).add(clear.key)
        return self._keys.get(id(helper), set())

    def look_again(self) -> None:
        """Forget which wait, until that is asked for."""
        self._hooks = None

    def has_any_of(self, helper: QuickCacheHelper) -> bool:
        """Whether any waits, asked by any thread."""
        if self.process != os.getpid():
            return False
        hooks = self._connection.run_on_commit
        if hooks is self._hooks:
            return bool(self._keys.get(id(helper)))
        return any(clear.helper is helper for clear in _clears_among(hooks))

    def _run(self) -> None:
        """Call the clears before what else was to be done at the commit, which may read, or raise."""
        hooks = self._connection.run_on_commit
        clears = list(_clears_among(hooks))
        if self._connection.in_atomic_block or not clears:
            self._run_hooks()
            return
        self._connection.run_on_commit = [entry for entry in hooks if not isinstance(entry[1], _Clear)]
        errors = []
        for clear in clears:
            try:
                clear()
            except Exception as error:  # noqa: BLE001  the others are not to suffer for it
                errors.append(error)
        self._run_hooks()
        if errors:
            raise errors[0]


def _clears_among(hooks: Iterable[Any]) -> list[_Clear]:
    found = [entry[1] for entry in list(hooks) if isinstance(entry[1], _Clear)]
    return [clear for clear in found if not clear.is_over]


class _Lock:
    """A lock that a child of a fork has anew: whoever holds it in the parent is not there."""

    def __init__(self) -> None:
        self._lock, self._process = threading.Lock(), os.getpid()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_changing = _Lock()  # of what lies in a helper's __dict__


def give_clears(cached: Any, *, on_commit: bool, using: str) -> None:
    """Give a decorated function `clear_on_commit`; with `on_commit`, that is its `clear` too."""
    helper = getattr(cached.clear, "__self__", None)
    # One that is not of ours has its own way of a call: its clears wait, and that is all.
    is_ours = isinstance(helper, QuickCacheHelper)
    clear = cached.clear
    has_parameter = "using" in inspect.signature(cached).parameters

    def clear_on_commit(helper: Any, /, *args: Any, **kwargs: Any) -> None:
        alias = using if has_parameter else kwargs.pop("using", using)
        if alias is None:  # as Django has it
            alias = DEFAULT_DB_ALIAS
        if is_ours:
            _clear_on_commit(helper, alias, args, kwargs)
        else:
            transaction.on_commit(partial(clear, *args, **kwargs), using=alias)

    cached.clear_on_commit = MethodType(clear_on_commit, helper)
    if on_commit:
        cached.clear = cached.clear_on_commit
    if is_ours:
        cached.get_cached_value = MethodType(_get_cached_value, helper)
        cached.set_cached_value = MethodType(_set_cached_value, helper)


def _clear_on_commit(helper: QuickCacheHelper, alias: str, args: Any, kwargs: Any) -> None:
    # The key of now: an instance that is deleted before the commit has none any more.
    key = helper.get_cache_key(*args, **kwargs)
    clear = partial(helper.clear, *args, **kwargs)
    if type(helper).clear is QuickCacheHelper.clear:
        clear = partial(forget, helper, key)
    connection = connections[alias]
    if not connection.in_atomic_block:
        transaction.on_commit(clear, using=alias)
        return
    waiting = vars(connection).get(_NAME)
    if waiting is None or waiting.process != os.getpid():
        waiting = vars(connection)[_NAME] = _Waiting(connection)
    waiting.add(_Clear(waiting, helper, key, clear), alias)
    with _changing:
        attributes = vars(helper)
        those = attributes.get(_NAME, ())
        if waiting not in those:
            # With methods of its own the helper's calls go through them, until nothing waits any more.
            own = {"call": MethodType(_call, helper), "skip": MethodType(_skip, helper)}
            attributes.update({**own, _NAME: (*those, waiting)})


def _give_back(helper: QuickCacheHelper) -> bool:
    """Whether any clear of a helper waits in any thread; if not, it is as if there had never been one."""
    attributes = vars(helper)
    with _changing:
        those = attributes.get(_NAME, ())
        still = tuple(waiting for waiting in those if waiting.has_any_of(helper))
        if still:
            attributes[_NAME] = still
        elif those:
            for name in ("call", "skip", _NAME):
                attributes.pop(name, None)
    return bool(still)


def _is_old(helper: QuickCacheHelper, args: Any, kwargs: Any) -> bool:
    """Whether what is cached for these arguments is to be cleared by a transaction of this thread."""
    if _NAME not in vars(helper) or not _give_back(helper):
        return False
    mine = [vars(connection).get(_NAME) for connection in connections.all(initialized_only=True)]
    keys = [waiting.keys_of(helper) for waiting in mine if waiting is not None]
    return any(keys) and any(helper.get_cache_key(*args, **kwargs) in some for some in keys)


def _call(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    if _is_old(helper, args, kwargs):
        return helper.fn(*args, **kwargs)  # nobody else is to see what is not committed yet
    return type(helper).call(helper, *args, **kwargs)


def _skip(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    # A refresh would be kept.
    return not _is_old(helper, args, kwargs) and type(helper).skip(helper, *args, **kwargs)


def _get_cached_value(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    if _is_old(helper, args, kwargs):
        return Ellipsis
    return helper.get_cached_value(*args, **kwargs)


def _set_cached_value(helper: QuickCacheHelper, /, *args: Any, **kwargs: Any) -> Any:
    if _is_old(helper, args, kwargs):
        return Settable(_keep_nowhere)
    return helper.set_cached_value(*args, **kwargs)


def _keep_nowhere(_value: Any) -> None:
    """Nobody knows yet whether it will be true."""
