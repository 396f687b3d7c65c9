"""What a decorated function contributes to its keys: the prefix, and who else has the same one."""

import inspect
import threading
from collections.abc import Callable
from typing import Any, Literal, get_args

from ._errors import KeyCollisionWarning
from ._warn import warn

KeyFormat = Literal["compatible", "qualified"]

_lock = threading.Lock()
_owner_of_prefix: dict[str, tuple[str, str]] = {}


def key_prefix(
    fn: Callable[..., Any],
    hash_: Callable[[str, int], str],
    key_format: KeyFormat = "compatible",
) -> str:
    """The part of a function's keys before the `/`, without the leading `quickcache.`.

    Raises OSError or TypeError, as `inspect.getsource` does, where `fn` has no source.
    """
    identity = inspect.getsource(fn)
    if key_format == "qualified":
        identity = ":".join(owner_name(fn)) + "\n" + identity
    name = fn.__name__
    return f"{name[:40]}{name[40:] and '..'}.{hash_(identity, 8)}"


def check_key_format(given: object) -> None:
    """Raise ValueError for what is no key format."""
    if given not in get_args(KeyFormat):
        raise ValueError(f"key_format must be 'compatible' or 'qualified', not {given!r}")


def owner_name(fn: Callable[..., Any]) -> tuple[str, str]:
    """Module and qualified name: what tells functions of one source text apart."""
    module = getattr(fn, "__module__", None)
    qualname = getattr(fn, "__qualname__", None)
    return str(module), str(qualname if qualname is not None else fn.__name__)


def warn_on_collision(fn: Callable[..., Any], prefix: str) -> None:
    """Warn if a function of another module or name was decorated with the same prefix."""
    owner = owner_name(fn)
    with _lock:
        first = _owner_of_prefix.setdefault(prefix, owner)
    if first != owner:
        warn(
            f"{'.'.join(owner)} and {'.'.join(first)} have the same name and source text, so they share "
            f"their cache keys (quickcache.{prefix}/...): within one cache, each is answered with the "
            "other's values. Change the text of one of them, or decorate both with "
            "key_format='qualified', which puts module and qualified name into the key.",
            KeyCollisionWarning,
        )
