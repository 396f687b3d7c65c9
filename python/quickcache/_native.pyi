"""The part in Rust."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from os import PathLike
from types import EllipsisType, FunctionType
from typing import Any, Literal, Protocol, Self, TypeAlias, TypedDict, final, type_check_only

from typing_extensions import disjoint_base

__all__ = [
    "_METHODS_OF_BACKENDS",
    "_OPTIONS_OF_REDIS_PY",
    "ManualClock",
    "MemoryCache",
    "RedisCache",
    "_Backend",
    "_Coherence",
    "_Desk",
    "_Gap",
    "_Plan",
    "_Shortcut",
    "__version__",
    "_code_of",
    "_coherence_stats",
    "_delete",
    "_find",
    "_get",
    "_is_coherent",
    "_key_of",
    "_may_be_coherent",
    "_seal",
    "_seal_django",
    "_seconds_of",
    "_set",
    "_shown",
    "_void",
    "_wait_of",
    "build_info",
    "md5_hex",
]

_Timeout: TypeAlias = int | float | timedelta | None

__version__: str

@type_check_only
class BuildInfo(TypedDict):
    """How this extension module was built."""

    version: str
    profile: str
    target: str
    features: list[str]
    tiers: list[str]

@type_check_only
class TierStats(TypedDict):
    """Counts since the tier was made; `entries` and `bytes` are what it holds now."""

    hits: int
    misses: int
    stores: int
    deletes: int
    evictions: int
    expirations: int
    refusals: int
    undecodable: int
    entries: int
    bytes: int

@type_check_only
class RemoteStats(TypedDict):
    """Counts since a cache on a server was made in this process."""

    hits: int
    misses: int
    stores: int
    deletes: int
    refusals: int
    undecodable: int
    errors: int
    timeouts: int
    rejections: int
    breaker_opens: int
    deletes_queued: int
    deletes_resent: int
    deletes_lost: int
    leases: int
    leases_shared: int
    waits: int
    wait_timeouts: int
    connections: int

@type_check_only
class Serializer(Protocol):
    """What turns values into bytes, and bytes into values."""

    def dumps(self, obj: Any, /) -> bytes | str: ...
    def loads(self, data: bytes, /) -> Any: ...

@type_check_only
class FunctionStats(TypedDict):
    """Counts since a function was decorated.

    `computations`: calls of the function itself. `waits`: calls that waited for another thread's
    computation. Of all calls that missed, those that computed although another thread did:
    `wait_cycles`, where threads would have waited for one another, and `wait_timeouts`, where that took
    longer than `flight_wait`.
    """

    computations: int
    waits: int
    wait_cycles: int
    wait_timeouts: int

def build_info() -> BuildInfo:
    """How this extension module was built: version, profile, target, features, tiers."""

def md5_hex(text: str) -> str:
    """The MD5 of a text's UTF-8, in hexadecimal. UnicodeEncodeError for lone surrogates."""

@final
class _Desk:
    """The computations of one decorated function that are under way.

    Threads that miss the same key wait for `flight_wait`; None: they compute. `fleet`: so do those of other
    processes.
    """

    def __new__(cls, flight_wait: timedelta | None = None, fleet: bool = False) -> Self: ...
    def stats(self) -> FunctionStats:
        """Counts since the function was decorated."""

@final
class _Shortcut:
    """What stands before the body of one decorated function."""

    def __new__(cls, helper: Callable[..., Any], desk: _Desk) -> Self: ...
    @property
    def desk(self) -> _Desk: ...
    def install(self, function: FunctionType) -> None:
        """Have the function whose one closure cell holds this shortcut try it first."""

def _find(shortcut: _Shortcut, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is cached for a call, or the `_Gap` to be filled."""

@final
class _Plan:
    """What is derived from a helper's attributes, kept among them."""

    def __new__(cls) -> Self: ...

def _key_of(helper: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The cache key of a helper for a call's arguments."""

def _code_of(helper: Any, value: Any) -> str:
    """One value's part of a helper's cache key. ValueError for a type that has none."""

def _get(cache: Any, key: str, default: Any) -> Any:
    """The value under `key` in the first of the `caches` of `cache` that has it, or `default`."""

def _set(cache: Any, key: str, value: Any) -> None:
    """Set `key` in each of the `caches` of `cache`."""

def _delete(cache: Any, key: str) -> None:
    """Forget `key` in each of the `caches` of `cache`."""

def _void(key: str) -> None:
    """Void what was read from tiers in Python, or computed for them, under `key`."""

def _is_coherent(cache: Any, key: str | None = None) -> bool:
    """Whether a cache's memory is kept true to its server, for a key or all that its settings know of."""

def _may_be_coherent(cache: Any) -> bool:
    """Whether a cache is one or more MemoryCaches above a RedisCache without replicas."""

def _coherence_stats(cache: Any) -> dict[str, Any]:
    """What `TieredCache.stats()` returns."""

def _seconds_of(timeout: _Timeout) -> float | None:
    """A timeout in seconds, None for ever. ValueError or TypeError if it is none."""

def _wait_of(flight_wait: float | timedelta) -> float | None:
    """How long a call waits, in seconds; None for more than can be counted. Raises as `_seconds_of`."""

def _shown(given: object, /) -> str:
    """The representation of what was given, cut if it is long, or its class if it has none."""

@final
class _Gap:
    """A value that is missing: what to call for it, and where it is to be kept."""

    @staticmethod
    def of_key(helper: Any, cache: Any, key: str) -> _Gap:
        """What a helper's own methods may have to fill, noted before the cache is asked for `key`."""
    @staticmethod
    def of_refresh(helper: Any, cache: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Gap:
        """The same for a call that skips the cache, noted before the function is called."""
    def join(self, cache: Any) -> Any:
        """Another thread's value, or Ellipsis if there is none, and the function is to be called."""
    @property
    def function(self) -> Callable[..., Any]:
        """To be called with the arguments of the call."""
    def keep(self, content: Any) -> None:
        """Keep what the function returned, and hand it to those who wait for it."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None:
        """If the function returned nothing, let another thread compute the value."""

def _seal(cls: type, /) -> None:
    """Note the methods of a class of this package, so that patches of them are noticed."""

def _seal_django(backend: type, proxy: type, caches: Any) -> None:
    """Note what the backends for Django inherit, what stands for an alias, and where these are looked up."""

@final
class ManualClock:
    """A clock that stands still until it is turned: for tests of what expires.

    Give one to `MemoryCache(clock=...)`.
    """

    def __new__(cls) -> Self: ...
    def advance(self, seconds: float | timedelta) -> None:
        """Turn the clock forward. ValueError for a negative time."""

@disjoint_base
class MemoryCache:
    """A bounded cache in this process's memory.

    `max_entries` and `max_bytes` (None: no such bound) bound what it holds; sizes are estimates of
    the values' own memory. `timeout` is the life of a value that is set without one: seconds, a
    timedelta, or None for ever; 0 or less is not kept. With `isolate`, what a caller does to a
    value never shows up in the cache; without, the very object is shared. `policy` decides what
    stays when the cache is full: 'tinylfu' (what is used often; may refuse a newcomer) or 'lru'
    (what was used last). `clock` is for tests.

    ValueError and TypeError for arguments outside of this.
    """

    def __new__(
        cls,
        *,
        max_entries: int | None = 10_000,
        max_bytes: int | None = None,
        timeout: _Timeout = None,
        isolate: bool = True,
        policy: Literal["tinylfu", "lru"] = "tinylfu",
        clock: ManualClock | None = None,
    ) -> Self: ...
    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`."""
    def set(self, key: str, value: Any, timeout: _Timeout | EllipsisType = ...) -> None:
        """Keep `value` under `key` for `timeout`: seconds, a timedelta, None for ever.

        Left out, it is the cache's own; 0 or less forgets the key. UncacheableValueError for a
        value that can be neither copied nor pickled, unless isolate=False. A value larger than
        `max_bytes` is not kept, and counted.
        """
    def add(self, key: str, value: Any, timeout: _Timeout | EllipsisType = ...) -> bool:
        """`set`, in one step, if `key` is not held; whether it was kept."""
    def incr(self, key: str, delta: int = 1) -> int:
        """Add `delta` to the int under `key`, in one step; the sum. ValueError if there is none."""
    def delete(self, key: str) -> bool:
        """Forget `key`; whether it was held."""
    def touch(self, key: str, timeout: _Timeout | EllipsisType = ...) -> bool:
        """Give `key` a new life, counted from now; whether it was held."""
    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those `keys` that are held."""
    def set_many(self, values: Mapping[str, Any], timeout: _Timeout | EllipsisType = ...) -> None:
        """`set` for each item of `values`."""
    def delete_many(self, keys: Iterable[str]) -> int:
        """`delete` for each of `keys`; how many were held."""
    def clear(self) -> None:
        """Forget everything."""
    def stats(self) -> TierStats:
        """Counts of hits, misses and the rest, and what is held now."""
    def __len__(self) -> int:
        """How many values are held and have not expired."""
    def __contains__(self, key: object, /) -> bool:
        """Whether `key` is held. A use to the policy, but neither a hit nor a miss."""
    @property
    def max_entries(self) -> int | None: ...
    @property
    def max_bytes(self) -> int | None: ...
    @property
    def timeout(self) -> float | None:
        """The life in seconds of a value that is set without one; None for ever."""
    @property
    def isolate(self) -> bool: ...
    @property
    def policy(self) -> Literal["tinylfu", "lru"]: ...

_OPTIONS_OF_REDIS_PY: list[str]  # about its own connections: accepted in URLs and settings, and ignored

_METHODS_OF_BACKENDS: list[str]  # what decorated functions do without, unless a backend has its own

@final
class _Coherence:
    """How memory is kept true; `begins` is what all keys begin with, if that is known.

    Raises ValueError or TypeError, with what is accepted, for other values than those of TieredCache.
    """

    def __new__(cls, coherence: Any, on_link_loss: Any, beat: Any, begins: bytes) -> Self: ...
    def __getnewargs__(self) -> tuple[Any, Any, Any, bytes]: ...

@disjoint_base
class _Backend:
    """Made by the backends of quickcache.django: what of Django's BaseCache is done here."""

    key_prefix: str
    version: int
    key_func: Callable[[str, str, int], str]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def _open(self, cache: Any, usual: Callable[[str, str, int], str]) -> None: ...
    def _look(self) -> None: ...
    @property
    def _store(self) -> Any: ...
    @property
    def _has_usual_keys(self) -> bool: ...
    @property
    def leases(self) -> bool: ...
    def make_and_validate_key(self, key: Any, version: int | None = None) -> str: ...
    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any: ...

@disjoint_base
class RedisCache:
    """A cache on a server of Redis or Valkey, shared by processes and machines.

    `url` says where: `redis://`, `rediss://` (TLS) or `unix://`, as redis-py and Django take it;
    `redis+sentinel://host:port,host:port/service/db`; `redis+cluster://host:port,host:port`; or a list of
    plain URLs, the primary and its replicas, which are read from. Nothing is connected before it is used.

    `timeout` is the life of a value that is set without one: seconds, a timedelta, or None for ever.
    `key_prefix` goes before each key. `serializer` is 'pickle', 'json', 'msgpack' or an object with
    `dumps` and `loads`; integers of 64 bits are digits with each. `compression` ('zstd' or 'lz4') is for
    values of more than `compress_above` bytes. With `signing_keys` (str or bytes, at least 16 bytes
    each), values are signed by the first, and only those signed by one of them are read. Values of more
    than `max_value_bytes` are not kept.

    Each operation takes `deadline` seconds at most. If the server does not do what is asked of it, what
    is read is missing and what is written is not kept; with `on_error='raise'`, CacheUnavailableError is
    raised. `leases=False` has values of decorated functions stored although a clear may have come
    meanwhile.

    The options that begin with `ssl_` are those of redis-py. ValueError and TypeError for arguments
    outside of this; nothing that is raised or shown names a password.
    """

    def __new__(
        cls,
        url: str | Iterable[str],
        *,
        timeout: _Timeout | EllipsisType = 300,
        key_prefix: str = "",
        serializer: Literal["pickle", "json", "msgpack"] | Serializer = "pickle",
        compression: Literal["zstd", "lz4"] | None = None,
        compress_above: int = 1024,
        signing_keys: Iterable[str | bytes] = (),
        max_value_bytes: int = 16_777_216,
        deadline: float | timedelta = 0.25,
        on_error: Literal["miss", "raise"] = "miss",
        leases: bool = True,
        ssl_ca_certs: str | PathLike[str] | None = None,
        ssl_certfile: str | PathLike[str] | None = None,
        ssl_keyfile: str | PathLike[str] | None = None,
        ssl_check_hostname: bool = True,
        ssl_cert_reqs: Literal["required", "none"] = "required",
    ) -> Self: ...
    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`. What cannot be decoded is missing."""
    def set(self, key: str, value: Any, timeout: _Timeout | EllipsisType = ...) -> None:
        """Keep `value` under `key` for `timeout`: seconds, a timedelta, None for ever.

        Left out, it is the cache's own; less than a millisecond forgets the key. UncacheableValueError for a
        value that cannot be serialised.
        """
    def add(self, key: str, value: Any, timeout: _Timeout | EllipsisType = ...) -> bool:
        """`set` if there is nothing under `key`; whether there was not."""
    def delete(self, key: str) -> bool:
        """Forget `key`; whether it was there. If that cannot be delivered, it is later."""
    def touch(self, key: str, timeout: _Timeout | EllipsisType = ...) -> bool:
        """Give `key` a new life, counted from now; whether it was there."""
    def incr(self, key: str, delta: int = 1) -> int:
        """Add `delta` to the int under `key`, in one step; the sum. ValueError if there is none."""
    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those `keys` that are there, in one round trip."""
    def set_many(self, values: Mapping[str, Any], timeout: _Timeout | EllipsisType = ...) -> None:
        """`set` for each item of `values`, in one round trip."""
    def _set_many(self, values: Mapping[str, Any], timeout: _Timeout | EllipsisType = ...) -> list[str]: ...
    def delete_many(self, keys: Iterable[str]) -> int:
        """`delete` for each of `keys`, in one round trip; how many were there."""
    def clear(self) -> None:
        """Forget all keys with the cache's prefix; without a prefix, all keys of the database."""
    def ping(self) -> float:
        """Have an answer from the server; the seconds that took. CacheUnavailableError if there is none."""
    def close(self) -> None:
        """Close the connections that are not in use. The cache can be used again."""
    def stats(self) -> RemoteStats:
        """Counts of hits, misses, failures and the rest, of this object in this process."""
    def __contains__(self, key: object, /) -> bool:
        """Whether there is a value under `key`."""
    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]: ...
    @property
    def timeout(self) -> float | None:
        """The life in seconds of a value that is set without one; None for ever."""
    @property
    def key_prefix(self) -> str: ...
    @property
    def deadline(self) -> float:
        """How many seconds an operation takes at most."""
    @property
    def leases(self) -> bool:
        """Whether values of decorated functions are stored under leases."""
