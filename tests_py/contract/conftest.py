"""Every tier, through one fixture: a new tier joins the suite by one line in TIERS."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from quickcache import CacheWithPresets, ManualClock, MemoryCache, TieredCache

sys.path.insert(0, str(Path(__file__).parent))  # contract_redis


class DictTier:
    """The least that is a tier: a user's own class around a dict, with none of our classes."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.held.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.held[key] = value

    def delete(self, key: str) -> None:
        self.held.pop(key, None)


class OwnMemoryCache(MemoryCache):
    """A user's subclass that overrides nothing."""


class Subject(NamedTuple):
    """A tier under test, and what it promises beyond get, set and delete."""

    tier: Any
    advance: Callable[[float], None]
    """Has seconds pass for the tier."""
    whole: bool
    """It has timeouts, touch, the *_many methods, clear and stats as well."""
    isolated: bool
    """What callers do to values does not show up in it."""
    cure: str = "isolate=False"
    """What it has to say of a value that cannot be pickled."""
    rounds: int = 1_000
    """How much each of several threads may do."""


def _memory(**options: Any) -> Subject:
    clock = ManualClock()
    isolated = options.get("isolate", True)
    return Subject(MemoryCache(clock=clock, **options), clock.advance, whole=True, isolated=isolated)


def _subclass() -> Subject:
    clock = ManualClock()
    return Subject(OwnMemoryCache(clock=clock), clock.advance, whole=True, isolated=True)


def _presets(prefix: Callable[[], str] | None = None) -> Subject:
    clock = ManualClock()
    tier = CacheWithPresets(MemoryCache(clock=clock), 60, prefix)
    return Subject(tier, clock.advance, whole=False, isolated=True)


def _tiered(*lower: Any) -> Subject:
    clock = ManualClock()
    tier = TieredCache([MemoryCache(clock=clock), *lower])
    isolated = not any(isinstance(one, DictTier) for one in lower)
    return Subject(tier, clock.advance, whole=False, isolated=isolated)


def _tiered_presets() -> Subject:
    clock = ManualClock()
    first = CacheWithPresets(MemoryCache(clock=clock), 10, lambda: "session-1:")
    last = CacheWithPresets(MemoryCache(clock=clock), 60)
    return Subject(TieredCache([first, last]), clock.advance, whole=False, isolated=True)


TIERS: dict[str, Callable[[], Subject]] = {
    "memory": _memory,
    "memory shared": lambda: _memory(isolate=False),
    "memory lru": lambda: _memory(policy="lru"),
    "memory with max_bytes": lambda: _memory(max_bytes=1_000_000),
    "memory unbounded": lambda: _memory(max_entries=None),
    "memory subclass": _subclass,
    "presets": _presets,
    "presets with a prefix": lambda: _presets(lambda: "session-1:"),
    "tiered": lambda: _tiered(MemoryCache()),
    "tiered with a dict below": lambda: _tiered(DictTier()),
    "tiered within tiered": lambda: _tiered(TieredCache([MemoryCache(), MemoryCache()])),
    "tiered presets": _tiered_presets,
}


def _redis(name: str) -> Callable[[pytest.FixtureRequest], Subject]:
    def make(request: pytest.FixtureRequest) -> Subject:
        cache, advance = _cache_on(request, name)
        return Subject(cache, advance, whole=True, isolated=True, **contract_redis.DIFFERENCES)

    return make


def _above_redis(request: pytest.FixtureRequest) -> Subject:
    clock = ManualClock()
    cache, advance = _cache_on(request, "valkey")
    tier = TieredCache([MemoryCache(clock=clock), cache])

    def advance_both(seconds: float) -> None:
        clock.advance(seconds)
        advance(seconds)

    return Subject(tier, advance_both, whole=False, isolated=True, rounds=contract_redis.ROUNDS)


def _cache_on(request: pytest.FixtureRequest, name: str) -> tuple[Any, Callable[[float], None]]:
    return contract_redis.cache_on(request.getfixturevalue("shared").tier_server(name))


# No server runs on Windows.
ON_SERVERS: dict[str, Callable[[pytest.FixtureRequest], Subject]] = {}
if sys.platform != "win32":
    import contract_redis
    from redis_servers.sharing import TIER_SERVERS

    ON_SERVERS = {f"on {name}": _redis(name) for name in TIER_SERVERS}
    ON_SERVERS |= {"tiered above redis": _above_redis}
NOT_WHOLE = {"tiered above redis"}


def _made(request: pytest.FixtureRequest) -> Subject:
    if request.param in TIERS:
        return TIERS[request.param]()
    return ON_SERVERS[request.param](request)


@pytest.fixture(params=[*TIERS, *ON_SERVERS])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each tier in turn, empty."""
    return _made(request)


@pytest.fixture
def tier(subject: Subject) -> Any:
    """What every tier can do is asked of this one."""
    return subject.tier


@pytest.fixture(params=[*(name for name, make in TIERS.items() if make().isolated), *ON_SERVERS])
def isolated_subject(request: pytest.FixtureRequest) -> Subject:
    """Each tier that keeps values apart from their callers."""
    return _made(request)


@pytest.fixture
def isolated(isolated_subject: Subject) -> Any:
    """The same, for those who need no more."""
    return isolated_subject.tier


@pytest.fixture(
    params=[
        *(name for name, make in TIERS.items() if make().whole),
        *(name for name in ON_SERVERS if name not in NOT_WHOLE),
    ]
)
def whole(request: pytest.FixtureRequest) -> Subject:
    """Each tier with the whole interface."""
    return _made(request)
