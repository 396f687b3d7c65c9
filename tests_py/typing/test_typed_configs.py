"""Staged configurations as type checkers see them; mypy and basedpyright check this file, pytest runs it.

Each ignored error must be there: an unused ignore is an error.
"""

from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, assert_type

import pytest

from quickcache import CacheWithPresets, MemoryCache, QuickCacheHelper, TieredCache, get_quickcache
from quickcache.quickcache import ConfigMixin, QuickCache, assert_function


class DictCache:
    """The least a cache must have."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def get(self, name: str, default: object = None) -> object:
        return self.values.get(name, default)

    def set(self, name: str, value: object) -> None:
        self.values[name] = value

    def delete(self, name: str) -> None:
        self.values.pop(name, None)


class LoudHelper(QuickCacheHelper):
    def __init__(self, fn: Callable[..., Any], *, loudness: int, **others: Any) -> None:
        super().__init__(fn, **others)
        self.loudness = loudness


class LoudFields(NamedTuple):
    vary_on: Any
    cache: Any
    loudness: int
    skip_arg: Any = None
    helper_class: Any = LoudHelper


class LoudCache(LoudFields, ConfigMixin):
    """A configuration as users write them, with a field of their own."""


OldLoudFields = namedtuple(  # noqa: PYI024  # pyright: ignore[reportUntypedNamedTuple]
    "OldLoudFields", ["vary_on", "cache", "loudness", "skip_arg", "helper_class"]
)


class OldLoudCache(OldLoudFields, ConfigMixin):
    """The same as they wrote it for 0.5."""


class Untyped(LoudFields, ConfigMixin):
    def call(self):  # type: ignore[no-untyped-def]
        return super().call()


def double(x: int) -> int:
    return 2 * x


def test_defaults_in_stages_keep_the_configurations_type() -> None:
    stage = get_quickcache(cache=MemoryCache())
    assert assert_type(stage, QuickCache).skip_arg is None
    assert assert_type(stage.but_with(timeout=5, skip_arg="fresh"), QuickCache).timeout == 5


@pytest.mark.parametrize("vary_on", [["x"], ("x",)])
def test_every_form_of_the_last_stage_gives_the_same_decorator(vary_on: list[str]) -> None:
    stage = get_quickcache(cache=MemoryCache())
    assert assert_type(stage(vary_on)(double)(1), int) == 2
    assert assert_type(stage(vary_on=vary_on, skip_arg=None)(double)(1), int) == 2
    assert assert_type(stage.but_with(vary_on=vary_on)()(double)(1), int) == 2
    assert assert_type(get_quickcache(vary_on=vary_on, cache=MemoryCache()).call()(double)(1), int) == 2


def test_vary_on_and_skip_arg_are_names_or_functions() -> None:
    def by_call(x: int) -> list[object]:
        return [x]

    def skip(x: int) -> bool:
        return x > 9

    stage = get_quickcache(cache=MemoryCache())
    assert stage(by_call, skip)(double)(1) == 2
    assert stage(by_call, "x")(double)(1) == 2
    with pytest.raises(ValueError, match="skip_arg"):
        stage(["x"], 1)(double)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        stage(1)(double)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_caches_of_every_kind_are_accepted() -> None:
    memory = MemoryCache()
    for cache in (memory, TieredCache([memory]), CacheWithPresets(memory, 5), DictCache()):
        assert get_quickcache(vary_on=["x"], cache=cache)()(double)(1) == 2


def test_what_lacks_a_method_is_no_cache() -> None:
    get_quickcache(cache={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_options_have_names_and_types() -> None:
    stage = get_quickcache(timeout=timedelta(minutes=5), memoize_timeout=2.5, key_format="qualified")
    stage(["x"], helper_class=QuickCacheHelper, assert_function=assert_function, cache=MemoryCache())
    with pytest.raises((TypeError, ValueError), match="timeot"):  # the namedtuple's choice, by version
        get_quickcache(timeot=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    get_quickcache(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    get_quickcache(key_format="short")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_configurations_of_users_keep_their_type_and_take_their_fields() -> None:
    config = LoudCache(vary_on=..., cache=MemoryCache(), loudness=1)
    assert assert_type(config.but_with(loudness=3), LoudCache).loudness == 3
    cached = config(["x"], loudness=4)(double)
    assert assert_type(cached(1), int) == 2
    cached.clear(1)


def test_configurations_written_for_0_5_are_accepted() -> None:
    config = OldLoudCache(
        vary_on=..., cache=MemoryCache(), loudness=1, skip_arg=None, helper_class=LoudHelper
    )
    assert assert_type(config.but_with(loudness=3), OldLoudCache) == config._replace(loudness=3)
    assert assert_type(config(["x"])(double)(1), int) == 2


def test_an_unannotated_call_is_accepted() -> None:
    config = Untyped(vary_on=["x"], cache=MemoryCache(), loudness=1)
    assert config()(double)(1) == 2
