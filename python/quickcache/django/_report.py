"""What is told of a decorated function: what it varies on, and the tiers that its values are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.cache.backends.locmem import LocMemCache
from django.urls import get_resolver
from django.utils.connection import ConnectionProxy

from .. import _native
from .._tiers import CacheWithPresets, TieredCache
from ._backends import MemoryCache
from ._backends import TieredCache as TieredBackend

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tier(NamedTuple):
    """One tier of a decorated function."""

    cache: Any
    """To be asked, with a function's keys."""
    within: Any
    """The cache in it, or in CacheWithPresets."""
    alias: str | None
    """Its name in settings.CACHES."""
    preset: Any
    """The timeout that is given to its `set`; Ellipsis if none is."""

    @property
    def name(self) -> str:
        """The alias, or what kind of cache it is."""
        return self.alias if self.alias is not None else type(self.within).__name__

    @property
    def backend(self) -> Any:
        """The cache that the alias stands for now, or the cache itself; None if there is no such alias."""
        if self.alias is None:
            return self.within
        try:
            return caches[self.alias]
        except InvalidCacheBackendError:
            return None

    @property
    def is_memory(self) -> bool:
        """Whether each process has one of its own."""
        return isinstance(self.backend, (_native.MemoryCache, MemoryCache, LocMemCache))

    @property
    def life(self) -> Any:
        """How many seconds a value is kept; None for ever, Ellipsis if nobody knows."""
        given = self.preset
        if given is Ellipsis:
            given = getattr(self.backend, "default_timeout", getattr(self.backend, "timeout", Ellipsis))
        return Ellipsis if given is Ellipsis else seconds(given)


def import_urls() -> Exception | None:
    """Import what the project's URLs lead to, so that what is decorated there is known; what went wrong."""
    if getattr(settings, "ROOT_URLCONF", None):
        try:
            _ = get_resolver().url_patterns
        except Exception as error:  # noqa: BLE001  whatever is in the project
            return error
    return None


def seconds(timeout: Any) -> Any:
    """A timeout in seconds; None for ever, Ellipsis for what is none."""
    try:
        return _native._seconds_of(timeout)
    except (TypeError, ValueError):
        return Ellipsis


def tiers_of(cache: Any, preset: Any = Ellipsis) -> Iterator[Tier]:
    """The tiers of a cache, in the order in which they are asked."""
    if isinstance(cache, TieredCache):
        for tier in cache.caches:
            yield from tiers_of(tier)
        return
    within = cache
    while isinstance(within, CacheWithPresets):
        preset = within.timeout if preset is Ellipsis else preset
        within = within.cache
    alias = vars(within)["_alias"] if isinstance(within, ConnectionProxy) else None
    yield Tier(cache, within, alias, preset)


def tiers_of_helper(helper: Any) -> list[Tier]:
    """The tiers of a decorated function; none where nobody can tell."""
    try:
        return list(tiers_of(helper.cache))
    except Exception:  # noqa: BLE001  a helper of another kind may have a cache of another kind, or none
        return []


def parts_of(tier: Tier) -> list[tuple[str, bool]]:
    """What a tier is made of, by name, and whether that is memory."""
    if isinstance(tier.backend, TieredBackend):
        return [(f"memory of {tier.name}", True), (f"server of {tier.name}", False)]
    return [(tier.name, tier.is_memory)]


def shown_life(life: Any) -> str:
    """A tier's life in words."""
    if life is Ellipsis:
        return "for a time of its own"
    return "for ever" if life is None else f"for {life:g} s"


def shown_vary_on(helper: Any) -> str:
    """What a function varies on, as it was written."""
    vary_on: Any = getattr(helper, "vary_on", None)
    try:
        names = [".".join([name, *attributes]) for name, attributes in vary_on]
    except (TypeError, ValueError):
        return _native._shown(vary_on)
    return ", ".join(names) or "nothing: one value for all calls"
