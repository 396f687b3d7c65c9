"""Values whose methods raise or lie, made of each type of the original's by each method."""

# Scenarios do what users do, the questionable included.
# ruff: noqa: B023

import datetime as dt
import uuid

from compat_probe import Probe, decorating, scenario

from .keys import keyed

# Those that reading a value for a key might come upon.
METHODS = [
    "__eq__", "__hash__", "__bool__", "__str__", "__repr__", "__len__", "__iter__", "__getitem__",
    "__format__", "__index__", "__int__", "__float__", "__buffer__", "__lt__", "__add__", "__radd__",
    "__getattr__", "__getattribute__", "encode", "decode", "items", "isoformat", "astimezone", "utcoffset",
    "tzinfo", "hex", "int",
]  # fmt: skip

BASES = {
    object: (),
    str: ("text",),
    bytes: (b"bytes",),
    bytearray: (b"bytes",),
    int: (5,),
    float: (5.5,),
    list: ([1, "a"],),
    tuple: ((1, "a"),),
    dict: ({"a": 1},),
    set: ({1, 2},),
    uuid.UUID: (None, None, None, None, 5),
    dt.datetime: (2024, 2, 29),
}
LIES = [None, -1, "a lie", b"a lie", [], {}, object]


class Broken(BaseException):
    """No Exception."""


def deed(lie):
    """A method that raises, or else returns a lie."""

    def method(self, *args, **kwargs):
        if isinstance(lie, type) and issubclass(lie, BaseException):
            raise lie("in a method")
        return lie

    return method


def hostile(lies):
    """Instances of hostile classes, with labels; those that can't even be made are left out."""
    for base, arguments in BASES.items():
        for name in METHODS:
            for lie in lies:
                try:
                    value = type("Hostile", (base,), {name: deed(lie)})(*arguments)
                except BaseException:  # noqa: S112  such an object never gets to a function
                    continue
                yield f"{base.__name__} {name} {lie!r:.40}", value


def ask(probe: Probe, lies):
    f = keyed(probe)
    for label, value in hostile(lies):
        probe.kind(label, f.get_cache_key, value)
        probe.forget()
        probe.kind(f"{label}, in a list", f.get_cache_key, [value])
        probe.forget()
    probe.step("the next right call", f, 1)


@scenario
def methods_that_raise(probe):
    ask(probe, [ZeroDivisionError, UnicodeDecodeError, AttributeError])


@scenario
def methods_that_raise_what_is_no_exception(probe):
    ask(probe, [Broken])


@scenario
def methods_that_lie(probe):
    ask(probe, LIES)


@scenario
def classes_that_lie(probe):
    """What an object says of its class is believed, and what raises instead is passed on."""
    f = keyed(probe)
    claims = [str, bytes, bool, int, float, list, tuple, dict, set, uuid.UUID, dt.datetime, type(None)]
    for claimed in [*claims, None, 5, Broken, ZeroDivisionError, AttributeError]:

        class Liar:
            @property
            def __class__(self):
                if isinstance(claimed, type) and issubclass(claimed, BaseException):
                    raise claimed("which class")
                return claimed

            def __repr__(self):
                return "a liar"

        probe.kind(f"as {claimed!r}", f.get_cache_key, Liar())
        probe.kind(f"as {claimed!r}, in a dict", f.get_cache_key, {"a": Liar()})
        probe.forget()


@scenario
def attributes_that_raise(probe):
    class Owner:
        def __init__(self, error):
            self.error = error

        @property
        def id(self):
            raise self.error

        def __getattr__(self, name):
            raise self.error

    @decorating(["owner.id"], cache=probe.cache())
    def by_property(owner):
        return "value"

    @decorating(["owner.nothing.more"], cache=probe.cache())
    def by_getattr(owner):
        return "value"

    for error in (AttributeError("a"), KeyError("a"), Broken("a"), KeyboardInterrupt(), SystemExit(3)):
        for f in (by_property, by_getattr):
            for use in (f, f.clear, f.get_cache_key, f.get_cached_value, f.set_cached_value):
                probe.step(f"{f.__name__}: {use.__name__} with {error!r}", use, Owner(error))


@scenario
def containers_that_change_while_they_are_read(probe):
    """The text of an element, or the hash of a key, changes the very container it lies in."""
    f = keyed(probe)

    class Meddler(int):
        def __str__(self):
            self.meddle()
            return "5"

        __format__ = lambda self, spec: str(self)  # noqa: E731

    def meddling(value, meddle):
        meddler = Meddler(5)
        meddler.meddle = lambda: meddle(value, meddler)
        return meddler

    def case(label, value, put, meddle):
        put(value, meddling(value, meddle))
        probe.kind(label, f.get_cache_key, value)
        probe.step(f"{label}: length", len, value)

    case("a list that grows, for a while", [], list.append, lambda v, m: len(v) < 5 and v.append(m))
    case("a list that is emptied", [1, 2], lambda v, m: v.insert(0, m), lambda v, m: v.clear())
    case("a dict that grows", {"a": 1}, lambda v, m: v.update(b=m, c=2), lambda v, m: v.update(d=3))
    case("a dict that shrinks", {"a": 1}, lambda v, m: v.update(b=m, c=2), lambda v, m: v.pop("c"))
    case("a dict whose values change", {"a": 1}, lambda v, m: v.update(b=m, c=2), lambda v, m: v.update(c=9))
    case("a set that grows", set(), set.add, lambda v, m: v.add("more"))
    case("a set that is emptied", {1, 2, 3}, set.add, lambda v, m: v.clear())


@scenario
def an_element_that_never_ends(probe):
    """A list subclass whose iterator makes lists without end: no crash."""

    class Endless(list):
        def __iter__(self):
            return iter([Endless()])

    f = keyed(probe)
    probe.kind("deeper with each", f.get_cache_key, Endless())
    probe.kind("as a call", f, Endless())
