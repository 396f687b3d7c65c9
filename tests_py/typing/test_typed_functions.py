"""Decorated functions as type checkers see them; mypy and basedpyright check this file, pytest runs it.

Each ignored error must be there: an unused ignore is an error.
"""

from collections.abc import Callable
from types import EllipsisType
from typing import Any, TypeVar, assert_type

import pytest

from quickcache import MemoryCache, get_quickcache

T = TypeVar("T")

quickcache = get_quickcache(cache=MemoryCache())


@quickcache(["a", "b", "c"])
def total(a: int, b: str = "", *, c: bool = False) -> float:
    return a + len(b) + c


@quickcache([])
def nothing() -> None:
    return None


@quickcache(["x"])
def text(x: int) -> str:
    return str(x)


@quickcache(["x"])
def listed(x: T) -> list[T]:
    return [x]


def apply(fn: Callable[[int], float], x: int) -> float:
    return fn(x)


def test_the_value_is_what_the_function_returns() -> None:
    assert assert_type(total(1), float) == 1
    assert assert_type(total(1, b="b", c=True), float) == 3
    assert assert_type(listed(1), list[int]) == [1]
    assert assert_type(listed("a"), list[str]) == ["a"]
    nothing()


def test_arguments_of_wrong_types_are_errors() -> None:
    total(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    total(1, c=0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_wrong_names_and_numbers_of_arguments_are_errors() -> None:
    with pytest.raises(TypeError):
        total()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        total(1, "b", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        total(1, d=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError):
        nothing(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_attributes_take_the_functions_arguments() -> None:
    total.clear(1, "b", c=True)
    assert assert_type(total.get_cached_value(1, "b", c=True), float | EllipsisType) is ...
    assert_type(total.set_cached_value(1, "b", c=True).to(2.5), Any)
    assert total(1, "b", c=True) == 2.5
    assert assert_type(total.get_cache_key(a=1), str).startswith("quickcache.total.")
    assert assert_type(total.prefix, str).startswith("total.")


def test_wrong_arguments_of_attributes_are_errors() -> None:
    total.clear(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    total.get_cached_value(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    total.set_cached_value(99).to("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError):
        total.get_cache_key()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(AttributeError):
        total.cleer()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_an_unknown_value_has_to_be_told_from_ellipsis() -> None:
    text.set_cached_value(7).to(value="seven")
    found = text.get_cached_value(7)
    with pytest.raises(AttributeError):
        text.get_cached_value(8).upper()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert not isinstance(found, EllipsisType)
    assert assert_type(found, str).upper() == "SEVEN"


def test_it_is_still_a_function_with_a_name() -> None:
    assert assert_type(total.__name__, str) == "total"
    assert assert_type(total.__qualname__, str) == "total"
    assert assert_type(total.__module__, str) == __name__
    assert assert_type(total.__doc__, str | None) is None
    assert assert_type(total.__wrapped__(2), float) == 2


def test_it_goes_where_a_callable_of_its_signature_goes() -> None:
    assert apply(total, 3) == 3
    assert list(map(total, [1, 2])) == [1, 2]
    with pytest.raises(TypeError):
        apply(nothing, 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
