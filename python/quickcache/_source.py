"""What a decorated function contributes to its keys: the prefix, and who else has the same one."""

import inspect
import threading
from collections.abc import Callable
from typing import Any, Literal, get_args

from ._errors import KeyCollisionWarning
from ._warn import warn

KeyFormat = Literal["compatible", "qualified"]

_lock = threading.Lock()
_owner_of_prefix: dict[str, str] = {}


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
        raise ValueError(f"key_format must be 'compatible' or 'qualified', not {given!r}")


def owner_name(fn: Callable[..., Any]) -> str | None:
    """Module and qualified name: what tells functions of one source text apart. None without one."""
    name = getattr(fn, "__qualname__", None)
    return f"{fn.__module__}.{name}" if isinstance(name, str) else None


def warn_on_collision(fn: Callable[..., Any], prefix: str) -> None:
    """Warn if a function of another module or name was decorated with the same prefix."""
    owner = owner_name(fn)
    if owner is None:
        return
    with _lock:
        first = _owner_of_prefix.setdefault(prefix, owner)
    if first != owner:
        warn(
            f"{owner} and {first} have the same name and source text, so they share "
            f"their cache keys (quickcache.{prefix}/...): within one cache, each is answered with the "
            "other's values. Change the text of one of them, or decorate both with "
            "key_format='qualified', which puts module and qualified name into the key.",
            KeyCollisionWarning,
        )
