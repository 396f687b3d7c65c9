"""What type checkers are told of decorators and decorated functions; never imported at run time.

A decorated function is a plain Python function with attributes, which no annotation can say; these
protocols describe how it behaves.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from types import EllipsisType
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from ._source import KeyFormat
from ._tiers import Tier, Timeout

P = ParamSpec("P")
Q = ParamSpec("Q")
F_co = TypeVar("F_co", covariant=True)
R = TypeVar("R")
S = TypeVar("S")
V_contra = TypeVar("V_contra", contravariant=True)

VaryOn: TypeAlias = Iterable[str] | Callable[..., Iterable[Any]]
ClearWhen: TypeAlias = Literal["now", "on_commit"]
SkipArg: TypeAlias = str | Callable[..., object] | None


class _Common(TypedDict, total=False):
    helper_class: Callable[..., Any]
    assert_function: Callable[[bool, str], object] | None
    timeout: Timeout | EllipsisType
    memoize_timeout: Timeout | EllipsisType
    key_format: KeyFormat
    single_flight: bool | Literal["fleet"] | EllipsisType
    flight_wait: float | timedelta | EllipsisType


class QuickCacheOptions(_Common, total=False):
    """What a QuickCache is called with by keyword."""

    cache: Tier | EllipsisType


class QuickCacheDefaults(QuickCacheOptions, total=False):
    """What `get_quickcache` takes."""

    vary_on: VaryOn | EllipsisType
    skip_arg: SkipArg | EllipsisType


class DjangoOptions(_Common, total=False):
    """What a DjangoQuickCache is called with by keyword."""

    session_function: Callable[[], str] | None
    caches: tuple[str, str] | list[str]
    clear: ClearWhen
    using: str | None


class DjangoDefaults(DjangoOptions, total=False):
    """What `get_django_quickcache` takes."""

    vary_on: VaryOn | EllipsisType
    skip_arg: SkipArg | EllipsisType


class Settable(Protocol[V_contra]):
    """What `set_cached_value(...)` returns."""

    def to(self, value: V_contra) -> Any:
        """Keep `value`; returns what the cache's `set` does."""


class Cached(Protocol[P, R]):
    """The attributes of a decorated function. They take all its arguments, `self` and `cls` included."""

    __name__: str
    __qualname__: str

    @property
    def prefix(self) -> str:
        """What the function's keys have between `quickcache.` and `/`."""
        ...

    def clear(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forget the cached value for these arguments."""

    # Forgets the cached value once the transaction of the database `using` is committed. Functions decorated
    # by way of get_django_quickcache have it.
    @overload
    def clear_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def clear_on_commit(self, *args: Any, using: str, **kwargs: Any) -> None: ...

    def get_cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key under which the value for these arguments is kept."""
        ...

    def get_cached_value(self, *args: P.args, **kwargs: P.kwargs) -> R | EllipsisType:
        """The cached value for these arguments, or Ellipsis; never computes it."""
        ...

    def set_cached_value(self, *args: P.args, **kwargs: P.kwargs) -> Settable[R]:
        """An object whose `to(value)` keeps `value` for these arguments."""
        ...


class CachedMethod(Cached[Concatenate[Any, P], R], Protocol[P, R]):
    """A decorated function bound to its first argument, as `obj.method` is."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Unknown:
    """A type that no parameter names: only one of type Any or object takes it."""


class Binding(Protocol[F_co]):
    """How a decorated function binds when it is looked up in a class.

    Under @classmethod and @staticmethod, checkers ask this `__get__` all the same, and do not say
    which it is. So the first parameter tells: where it takes the class, the class is bound; where
    it takes the instance, the instance; where it takes neither, nothing. Where it takes anything,
    nobody can tell, and any arguments will do.
    """

    @property
    def __wrapped__(self) -> F_co: ...

    # Two for mypy: to it, what takes `self` or `cls` unannotated and returns Self takes and returns
    # anything, and would be said to return Never below, with all that follows it unchecked.
    @overload
    def __get__(
        self: "Binding[Callable[Concatenate[Unknown, ...], Unknown]]", instance: object, owner: type, /
    ) -> "CachedFunction[..., Any]": ...
    @overload
    def __get__(
        self: "Binding[Callable[Concatenate[type[Unknown], ...], Unknown]]", instance: object, owner: type, /
    ) -> "CachedFunction[..., Any]": ...
    @overload
    def __get__(
        self: "Binding[Callable[Concatenate[Unknown, Q], R]]", instance: object, owner: type, /
    ) -> "CachedFunction[..., R]": ...
    @overload
    def __get__(
        self: "Binding[Callable[Concatenate[type[S], Q], R]]", instance: S | None, owner: type[S], /
    ) -> CachedMethod[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: type, /) -> Self: ...
    @overload
    def __get__(
        self: "Binding[Callable[Concatenate[S, Q], R]]", instance: S, owner: type, /
    ) -> CachedMethod[Q, R]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Self: ...


class CachedFunction(Cached[P, R], Binding[Callable[P, R]], Protocol[P, R]):
    """A decorated function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Decorator(Protocol):
    """What a complete configuration returns when it is called."""

    def __call__(self, fn: Callable[P, R]) -> CachedFunction[P, R]: ...
