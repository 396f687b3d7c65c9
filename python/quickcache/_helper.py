"""QuickCacheHelper: what stands behind one decorated function, open to subclasses and patches.

A decorated function asks its `_native._Shortcut` first, an exact shortcut for `__call__` below, taken
while nothing of this class is overridden or patched.
"""

import inspect
from collections.abc import Callable, Iterable
from inspect import isfunction
from typing import Any, NamedTuple

from . import _native, _source
from ._log import logger


class QuickCacheHelper:
    """Caches the calls of `fn` in `cache`, under keys made of the arguments named in `vary_on`.

    `vary_on` is a list of argument names, dotted for attributes, or a function of the call's
    arguments that returns values. `skip_arg` is an argument's name or such a function: where it
    says true, `fn` is called and its value replaces the cached one. `assert_function(assertion,
    message)` is told of doubtful arguments. Raises ValueError for names that `fn` does not have.
    """

    __module__ = "quickcache.quickcache_helper"  # the path of 0.5, by which it is pickled

    def __init__(
        self,
        fn: Callable[..., Any],
        vary_on: Any,
        cache: Any,
        skip_arg: Any = None,
        assert_function: Callable[[bool, str], object] | None = None,
    ) -> None:
        refuse_deferred(fn)
        self.fn = fn
        self.cache = cache
        self.prefix = _source.key_prefix(fn, self._hash)

        spec = inspect.getfullargspec(fn)
        arguments = {*spec.args, *spec.kwonlyargs}
        if not isfunction(vary_on):
            paths = [part.split(".") for part in vary_on]
            vary_on = [(path[0], tuple(path[1:])) for path in paths]
            for argument, _ in vary_on:
                if argument not in arguments:
                    raise ValueError(
                        f'We cannot vary on "{argument}" because the function {fn.__name__} '
                        "has no such argument"
                    )
        self.encoding_assert = assert_function
        self.vary_on = vary_on

        if not (skip_arg is None or isinstance(skip_arg, str) or isfunction(skip_arg)):
            raise ValueError("skip_arg must be None, a string, or a function")
        self.skip_arg = skip_arg
        if isinstance(skip_arg, str) and skip_arg not in arguments:
            raise ValueError(
                f'We cannot use "{skip_arg}" as the "skip" parameter because the function {fn.__name__} has '
                "no such argument"
            )
        if not isfunction(vary_on):
            for argument, _ in vary_on:
                if argument == skip_arg:
                    raise ValueError(
                        f'You cannot use the "{argument}" argument as a vary on parameter and '
                        f'as the "skip cache" parameter in the function: {fn.__name__}'
                    )

    def call(self, /, *args: Any, **kwargs: Any) -> Any:
        """The cached value for these arguments, computed and kept if there is none."""
        # Records are those of 0.5: whole messages, without arguments.
        logger.debug(f"checking caches for {self.fn.__name__}")
        key = self.get_cache_key(*args, **kwargs)
        logger.debug(key)
        cache = self.cache
        gap = _native._Gap.of_key(self, cache, key)
        content = cache.get(key, default=Ellipsis)
        if content is Ellipsis:
            content = gap.join(cache)
        if content is Ellipsis:
            logger.debug(f"cache miss, calling {self.fn.__name__}")
            with gap:
                content = self.fn(*args, **kwargs)
                gap.keep(content)
        return content

    def get_cached_value(self, /, *args: Any, **kwargs: Any) -> Any:
        """The cached value for these arguments, or Ellipsis; never computes it."""
        key = self.get_cache_key(*args, **kwargs)
        logger.debug(key)
        return self.cache.get(key, default=Ellipsis)

    def set_cached_value(self, /, *args: Any, **kwargs: Any) -> Any:
        """An object whose `to(value)` keeps `value` for these arguments."""
        key = self.get_cache_key(*args, **kwargs)
        logger.debug(key)

        def to(value: Any) -> Any:
            return _voiding(key, lambda: self.cache.set(key, value))

        return Settable(to)

    def clear(self, /, *args: Any, **kwargs: Any) -> None:
        """Forget the cached value for these arguments."""
        forget(self, self.get_cache_key(*args, **kwargs))

    @staticmethod
    def _hash(value: str, length: int = 32) -> str:
        return _native.md5_hex(value)[-length:]

    def _serialize_for_key(self, value: Any) -> str:
        return _native._code_of(self, value)

    def get_cache_key(self, /, *args: Any, **kwargs: Any) -> str:
        """The key under which the value for these arguments is kept."""
        return _native._key_of(self, args, kwargs)

    def skip(self, /, *args: Any, **kwargs: Any) -> Any:
        """Whether the cache is to be passed over and the function called."""
        if not self.skip_arg:
            return False
        if isinstance(self.skip_arg, str):
            given = inspect.getcallargs(self.fn, *args, **kwargs)  # pyright: ignore[reportDeprecated]
            return given[self.skip_arg]
        if isfunction(self.skip_arg):
            return self.skip_arg(*args, **kwargs)
        raise AssertionError(
            "skip_arg must be None, a string, or a function and this should have been checked in __init__"
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """The cached value for these arguments, or a fresh one where `skip` says so."""
        if not self.skip(*args, **kwargs):
            return self.call(*args, **kwargs)
        # Not `self.cache`, which may be a property: 0.5 asks for it after the call alone.
        with _native._Gap.of_refresh(self, self.__dict__.get("cache"), args, kwargs) as gap:
            content = self.fn(*args, **kwargs)
            gap.keep(content)
        return content


_native._seal(QuickCacheHelper)


class Settable(NamedTuple):
    """What `set_cached_value` returns: as in 0.5, a tuple of one."""

    to: Callable[[Any], Any]


def forget(helper: QuickCacheHelper, key: str) -> None:
    """Forget what a helper has under `key`. No method of it, whose name subclasses of 0.5 may have."""
    _voiding(key, lambda: helper.cache.delete(key))


def _voiding(key: str, write: Callable[[], Any]) -> Any:
    """`write()`: what is read or computed for tiers in Python before or meanwhile is not kept there."""
    _native._void(key)
    try:
        return write()
    finally:
        _native._void(key)


def refuse_deferred(fn: Callable[..., Any]) -> None:
    """Raise TypeError for functions whose call returns before their work is done."""
    for is_kind, kind in (
        (inspect.iscoroutinefunction, "a coroutine function"),
        (inspect.isasyncgenfunction, "an asynchronous generator function"),
        (inspect.isgeneratorfunction, "a generator function"),
    ):
        if is_kind(fn):
            raise TypeError(
                f"cannot cache {fn.__name__}: it is {kind}, and what its call returns can be used only once. "
                "Cache a function that returns the finished value, such as a list."
            )


def varied_values(vary_on: Iterable[tuple[str, Iterable[str]]], arguments: dict[str, Any]) -> list[Any]:
    """The values that `vary_on` names among a call's arguments, whatever its shape."""
    values: list[Any] = []
    for name, attributes in vary_on:
        value: Any = arguments[name]
        for attribute in attributes:
            value = getattr(value, attribute)
        values.append(value)
    return values
