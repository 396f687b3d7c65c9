"""Decorated code without annotations: checkers infer what they can and reject none of it."""

# mypy: allow-untyped-defs
# pyright: standard

from quickcache import MemoryCache, get_quickcache

quickcache = get_quickcache(cache=MemoryCache())


@quickcache(["x"])
def function(x, y=1):
    return [x, y]


class Class:
    @quickcache([])
    def method(self, x):
        return x

    @classmethod
    @quickcache([])
    def of_class(cls, x):
        return x

    @staticmethod
    @quickcache([])
    def static(x):
        return x

    @property
    @quickcache([])
    def value(self):
        return 1


it = Class()


def test_a_function_can_be_called_and_cleared() -> None:
    assert function(1, y=2) == [1, 2]
    function.clear(1)
    function.set_cached_value(1).to([])
    assert function(1) == []


def test_a_method_can_be_called_both_ways_and_cleared() -> None:
    assert it.method(1) == 1
    assert Class.method(it, 1) == 1
    it.method.clear(it, 1)


def test_a_classmethod_can_be_called_both_ways_and_cleared() -> None:
    assert it.of_class(1) == 1
    assert Class.of_class(1) == 1
    Class.of_class.clear(Class, 1)


def test_a_staticmethod_can_be_called_both_ways_and_cleared() -> None:
    assert it.static(1) == 1
    assert Class.static(1) == 1
    it.static.clear(1)
    Class.static.clear(1)


def test_a_property_is_a_value() -> None:
    assert it.value == 1


def test_lambdas_can_be_vary_on_and_skip_arg() -> None:
    decorator = quickcache(lambda x, y=1: [x], lambda x, y=1: x > 9)
    assert decorator(function.__wrapped__)(2) == [2, 1]
