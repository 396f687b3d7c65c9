"""Decorated methods as type checkers see them; mypy and basedpyright check this file, pytest runs it.

Each ignored error must be there: an unused ignore is an error.
"""

from functools import cached_property
from types import EllipsisType
from typing import Any, Generic, Self, TypeVar, assert_type

import pytest

from quickcache import MemoryCache, get_quickcache

T = TypeVar("T")

quickcache = get_quickcache(cache=MemoryCache(), key_format="qualified")


class Shop:
    def __init__(self, number: int) -> None:
        self.id = number

    @quickcache(["self.id", "item", "net"])
    def price(self, item: str, *, net: bool = False) -> float:
        return self.id + len(item) - net

    @classmethod
    @quickcache(["cls.__name__", "number"])
    def name(cls, number: int) -> str:
        return f"{cls.__name__} {number}"

    @staticmethod
    @quickcache(["amount"])
    def rounded(amount: float, digits: int = 0) -> float:
        return round(amount, digits)

    @staticmethod
    @quickcache([])
    def currencies() -> list[str]:
        return ["EUR"]

    @staticmethod
    @quickcache(["value"])
    def text(value: object) -> str:
        return str(value)

    @property
    @quickcache(["self.id"])
    def double(self) -> int:
        return 2 * self.id

    @cached_property
    @quickcache(["self.id"])
    def triple(self) -> int:
        return 3 * self.id

    @quickcache(["self.id"])
    def from_inside(self) -> str:
        self.price.clear(self, "apple")
        self.name.clear(self.__class__, 1)
        return assert_type(self.name(1), str)


class Kiosk(Shop):
    @classmethod
    @quickcache(["number"])
    def opened(cls, number: int) -> Self:
        return cls(number)

    @quickcache(["self.id"])
    def renovated(self) -> Self:
        return type(self)(self.id + 1)

    @quickcache(["self.id", "item", "net"])
    def price(self, item: str, *, net: bool = False) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return super().price(item, net=net) + 1


class Box(Generic[T]):
    id = 1

    def __init__(self, content: T) -> None:
        self.content = content

    @quickcache(["self.id", "times"])
    def repeated(self, times: int) -> list[T]:
        return [self.content] * times


shop = Shop(1)


class TestMethod:
    def test_self_is_bound(self) -> None:
        assert assert_type(shop.price("apple", net=True), float) == 5
        assert assert_type(Kiosk(2).price("apple"), float) == 8

    def test_it_can_be_called_through_the_class(self) -> None:
        assert assert_type(Shop.price(shop, "apple"), float) == 6

    def test_attributes_take_self_too(self) -> None:
        shop.price.clear(shop, "plum")
        Shop.price.clear(shop, "plum")
        assert assert_type(shop.price.get_cached_value(shop, "plum"), float | EllipsisType) is ...
        assert_type(shop.price.set_cached_value(shop, "plum").to(0.5), Any)
        assert shop.price("plum") == 0.5
        key = Shop.price.get_cache_key(shop, "plum")
        assert assert_type(shop.price.get_cache_key(shop, "plum"), str) == key
        assert assert_type(shop.price.prefix, str).startswith("price.")
        assert assert_type(shop.price.__name__, str) == "price"

    def test_wrong_arguments_are_errors(self) -> None:
        with pytest.raises(TypeError):
            shop.price(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            shop.price(shop, "apple")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError):
            Shop.price("apple")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]

    def test_clear_without_self_is_an_error(self) -> None:
        with pytest.raises(TypeError):
            shop.price.clear("apple")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    def test_a_generic_class_gives_its_parameter(self) -> None:
        assert assert_type(Box("a").repeated(2), list[str]) == ["a", "a"]

    def test_one_that_returns_self_can_be_called(self) -> None:
        renovated: Kiosk = Kiosk(1).renovated()
        assert renovated.id == 2
        Kiosk.renovated.clear(renovated)

    def test_it_calls_its_siblings(self) -> None:
        assert assert_type(shop.from_inside(), str) == "Shop 1"


class TestClassmethod:
    def test_the_class_is_bound(self) -> None:
        assert assert_type(Shop.name(1), str) == "Shop 1"
        assert assert_type(shop.name(1), str) == "Shop 1"
        assert assert_type(Kiosk.name(1), str) == "Kiosk 1"

    def test_attributes_take_the_class_too(self) -> None:
        Shop.name.clear(Shop, 2)
        shop.name.clear(Shop, 2)
        assert assert_type(Shop.name.get_cached_value(Shop, 2), str | EllipsisType) is ...
        Shop.name.set_cached_value(Shop, 2).to("two")
        assert Shop.name(2) == "two"
        assert assert_type(Shop.name.prefix, str).startswith("name.")

    def test_wrong_arguments_are_errors(self) -> None:
        Shop.name("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            Shop.name(Shop, 1)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError):
            Shop.name.clear(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    def test_one_that_returns_self_can_be_called(self) -> None:
        opened: Kiosk = Kiosk.opened(3)
        assert opened.id == 3
        Kiosk.opened.clear(Kiosk, 3)


class TestStaticmethod:
    def test_nothing_is_bound(self) -> None:
        assert assert_type(Shop.rounded(1.25, digits=1), float) == 1.2
        assert assert_type(shop.rounded(2.25), float) == 2
        assert assert_type(Shop.currencies(), list[str]) == ["EUR"]
        assert assert_type(shop.currencies(), list[str]) == ["EUR"]

    def test_attributes_take_the_same_arguments(self) -> None:
        Shop.rounded.clear(4.5)
        shop.rounded.clear(4.5)
        assert assert_type(shop.rounded.get_cached_value(4.5), float | EllipsisType) is ...
        shop.rounded.set_cached_value(4.5, digits=1).to(4.0)
        assert Shop.rounded(4.5) == 4.0

    def test_wrong_arguments_are_errors(self) -> None:
        with pytest.raises(TypeError):
            Shop.rounded("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError):
            shop.rounded()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    def test_one_that_takes_any_object_can_be_called(self) -> None:
        assert assert_type(Shop.text(1), str) == "1"
        assert assert_type(shop.text(1), str) == "1"
        Shop.text.clear(1)


class TestProperty:
    def test_it_is_the_value(self) -> None:
        assert assert_type(shop.double, int) == 2
        assert assert_type(shop.triple, int) == 3

    def test_the_function_behind_it_is_reached_through_the_class(self) -> None:
        getter: Any = vars(Shop)["double"].fget
        getter.clear(shop)
        assert getter.get_cached_value(shop) is ...
