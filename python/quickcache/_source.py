"""What a decorated function contributes to its keys: the prefix, and who else has the same one."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from . import _native
from ._errors import KeyCollisionWarning
from ._warn import warn

KeyFormat = Literal["compatible", "qualified"]

# By prefix: the first function that was decorated with it. Written by `setdefault` alone, which needs
# no lock: one would stay locked in a child that was forked meanwhile.
_owner_of_prefix: dict[str, "Owner"] = {}


class Owner(NamedTuple):
    """A function, by what tells it from others of one source text."""

    name: str
    """Module and qualified name."""
    place: tuple[str, str, int] | None
    """Qualified name, file and line: a module that is run and imported too has each function twice."""


def key_prefix(
    fn: Callable[..., Any],
    hash_: Callable[[str, int], str],
    key_format: KeyFormat = "compatible",
) -> str:
    """The part of a function's keys before the `/`, without the leading `quickcache.`.

    Raises OSError or TypeError, as `inspect.getsource` does, where `fn` has no source.
    """
    name = fn.__name__
    identity = inspect.getsource(fn)
    if key_format == "qualified":
        identity = f"{owner_name(fn)}\n{identity}"
    return f"{name[:40]}{name[40:] and '..'}.{hash_(identity, 8)}"


def check_key_format(given: object) -> None:
    """Raise ValueError for what is no key format."""
    if given not in get_args(KeyFormat):
        raise ValueError(f"key_format must be 'compatible' or 'qualified', not {_native._shown(given)}")


def owner_name(fn: Callable[..., Any]) -> str | None:
    """Module and qualified name: what tells functions of one source text apart. None without one."""
    name = getattr(fn, "__qualname__", None)
    return f"{fn.__module__}.{name}" if isinstance(name, str) else None


def warn_on_collision(fn: Callable[..., Any], helper: Any) -> None:
    """Warn if a function of another module or name was decorated with the same prefix.

    A helper that makes its keys in a way of its own is left alone.
    """
    from ._helper import QuickCacheHelper  # noqa: PLC0415  which imports this module

    prefix = helper.prefix
    own = getattr(helper.__class__, "get_cache_key", None)
    makes_keys_as_usual = own is QuickCacheHelper.get_cache_key
    name = owner_name(fn)
    if name is None or not makes_keys_as_usual or not isinstance(prefix, str):
        return
    code: Any = getattr(fn, "__code__", None)
    owner = Owner(name, code and (fn.__qualname__, code.co_filename, code.co_firstlineno))
    first = _owner_of_prefix.setdefault(prefix, owner)
    if first.name != owner.name and (owner.place is None or first.place != owner.place):
        warn(
            f"{owner.name} and {first.name} share their cache keys (quickcache.{prefix}/...), as functions "
            "of one name and source text do: within one cache, each is answered with the other's values. "
            "Change the text of one of them, or decorate both with key_format='qualified', which puts "
            "module and qualified name into the key.",
            KeyCollisionWarning,
        )
