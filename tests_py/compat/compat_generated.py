"""Runs generated input: values for keys, signatures with calls, and programs over tiers."""

import linecache
from collections.abc import Iterable
from typing import Any

from compat_case import Case
from compat_probe import Probe, decorating, recording

from quickcache import ForceSkipCache, get_quickcache
from quickcache.cache_helpers import CacheWithPresets, TieredCache


def keys(values: list[Any]) -> list[Case]:
    """The key of each value, and one key of up to six together."""
    with recording(debug=False) as probe:
        quickcache = get_quickcache(
            cache=probe.cache(), assert_function=lambda ok, message: probe.note("assert", ok, message)
        )

        @quickcache(["value"])
        def keyed(value):  # type: ignore[no-untyped-def]
            return value

        @quickcache(["a", "b", "c", "d", "e", "f"])
        def keyed_by_six(a, b=None, c=None, d=None, e=None, f=None):  # type: ignore[no-untyped-def]
            return a

        for value in values:
            probe.step("key", keyed.get_cache_key, value)
        if values:
            probe.step("key of six", keyed_by_six.get_cache_key, *values[:6])
        return probe.finish()


def signatures(specimens: list[dict[str, Any]]) -> list[Case]:
    """For each generated function, its key for the given arguments, two calls, a clear and a call."""
    with recording(debug=False) as probe:
        for specimen in specimens:
            _signature(probe, **specimen)
        return probe.finish()


def _signature(
    probe: Probe,
    source: str,
    vary_on: list[str],
    skip_arg: str | None,
    calls: list[tuple[Any, dict[str, Any]]],
) -> None:
    compiled = from_source(source)
    quickcache = get_quickcache(cache=probe.cache(), vary_on=vary_on, skip_arg=skip_arg)
    decorated = probe.step("decorate", lambda: quickcache()(compiled))
    if decorated is None:
        return
    for args, kwargs in calls:
        probe.step("key", decorated.get_cache_key, *args, **kwargs)
        probe.step("first call", decorated, *args, **kwargs)
        probe.step("second call", decorated, *args, **kwargs)
        probe.step("clear", decorated.clear, *args, **kwargs)
        probe.step("call after clear", decorated, *args, **kwargs)
        probe.step("peek", decorated.get_cached_value, *args, **kwargs)


def from_source(source: str, **names: Any) -> Any:
    """The function `generated` of a text that `inspect.getsource` finds again."""
    filename = f"<generated {hash(source)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = {"__name__": "generated", **names}
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102  a text of our own
    return namespace["generated"]


def programs(programs_: list[dict[str, Any]]) -> list[Case]:
    """For each generated program: its steps over recording tiers, then over the memory tier."""
    cases: list[Case] = []
    for program in programs_:
        with recording(debug=program["debug"]) as probe:
            _program(probe, **program)
            cases += probe.finish()
    return cases


def _program(
    probe: Probe, tiers: Any, results: list[Any], debug: bool, operations: list[tuple[str, int, Any]]
) -> None:
    leaves: list[Any] = []

    def tier(spec: Any) -> Any:
        kind, *rest = spec
        if kind == "tiered":
            return TieredCache([tier(inner) for inner in rest[0]])
        if kind == "memory":
            leaves.append(probe.memory())
            return leaves[-1]
        leaves.append(probe.cache(f"cache {len(leaves)}"))
        if kind == "plain":
            return leaves[-1]
        timeout, prefix = rest

        def prefix_function() -> str:
            probe.note("prefix")
            if prefix == "skip":
                raise ForceSkipCache
            return str(prefix)

        return CacheWithPresets(leaves[-1], timeout, prefix_function if prefix is not None else None)

    @decorating(["which"], cache=tier(tiers), skip_arg="skip")
    def computed(which: int, skip: object = False) -> Any:
        probe.note("computing", which)
        result = results[which]
        if result == "raise":
            raise LookupError(which)
        return result

    for operation, which, extra in operations:
        match operation:
            case "call":
                probe.step(operation, computed, which)
            case "skip":
                probe.step(operation, computed, which, skip=extra)
            case "peek":
                probe.step(operation, computed.get_cached_value, which)
            case "put":
                probe.step(operation, lambda x=which, value=extra: computed.set_cached_value(x).to(value))
            case "clear":
                probe.step(operation, computed.clear, which)
            case "lose":
                _lose(leaves, extra, computed.get_cache_key(which))


def _lose(leaves: list[Any], which: int, key: str) -> None:
    """Let one leaf forget a key behind the back of the tiers above it."""
    if not leaves:
        return
    leaf = leaves[which % len(leaves)]
    if isinstance(kept := getattr(leaf, "kept", None), dict):
        for kept_key in [k for k in _texts(kept) if k.endswith(key)]:
            del kept[kept_key]
    else:
        leaf.delete(key)


def _texts(kept: dict[Any, Any]) -> Iterable[str]:
    return [key for key in kept if isinstance(key, str)]
