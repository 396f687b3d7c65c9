"""Calls of decorated functions: arguments, skipping, errors, re-entrancy."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.
# ruff: noqa: B007, B008, B023, N818, RUF012

import contextlib
import functools
import threading
from types import SimpleNamespace

import compat_values
from compat_probe import decorating, scenario

from quickcache import ForceSkipCache, get_quickcache


def use(probe, f, *args, **kwargs):
    """One call in every way that a decorated function can be asked."""
    probe.step("key", f.get_cache_key, *args, **kwargs)
    probe.step("call", f, *args, **kwargs)
    probe.step("call again", f, *args, **kwargs)
    probe.step("peek", f.get_cached_value, *args, **kwargs)
    probe.step("put", lambda: f.set_cached_value(*args, **kwargs).to("put"))
    probe.step("call what was put", f, *args, **kwargs)
    probe.step("clear", f.clear, *args, **kwargs)
    probe.step("peek after clear", f.get_cached_value, *args, **kwargs)
    probe.step("skip", f.clear.__self__.skip, *args, **kwargs)


@scenario
def wrong_arguments_of_functions(probe):
    quickcache = get_quickcache(cache=probe.cache())

    @quickcache(["a"])
    def plain(a, b, c=3):
        return (a, b, c)

    @quickcache([])
    def varied_on_nothing(a, b):
        return (a, b)

    @quickcache(["a"])
    def keyword_only(a, *, b, c=1, d):
        return (a, b, c, d)

    @quickcache(["a"])
    def positional_only(a, b=2, /, c=3):
        return (a, b, c)

    @quickcache(["a"])
    def greedy(a, *rest, **extra):
        return (a, rest, sorted(extra))

    @quickcache([])
    def none():
        return "none"

    @quickcache(lambda *a, **k: [])
    def by_function(a, b):
        return (a, b)

    @quickcache(["a"], skip_arg="b")
    def skipping(a, b):
        return (a, b)

    @quickcache(["a"], skip_arg=lambda *a, **k: True)
    def always_skipping(a, b):
        return (a, b)

    @quickcache(["a"])
    def hidden(a, __b, _c=1):
        return (a, __b, _c)

    def outer():
        @quickcache(["a"])
        def inner(a, b):
            return a

        return inner

    functions = [
        plain, varied_on_nothing, keyword_only, positional_only, greedy, none, by_function, skipping,
        always_skipping, hidden, outer(), quickcache(["a"])(lambda a, b: a),
    ]  # fmt: skip
    calls = [
        ((), {}),
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, 3), {}),
        ((1, 2, 3, 4), {}),
        ((1, 2, 3, 4, 5), {}),
        ((), {"a": 1}),
        ((), {"b": 2, "a": 1}),
        ((1,), {"b": 2}),
        ((1,), {"a": 1}),
        ((1, 2), {"a": 1, "b": 2}),
        ((1, 2), {"z": 1}),
        ((1, 2), {"z": 1, "y": 2}),
        ((1,), {"b": 2, "z": 3}),
        ((), {"z": 1}),
        ((), {"c": 1}),
        ((1,), {"b": 2, "d": 4}),
        ((1,), {"d": 4}),
        ((1, 2), {"b": 2, "d": 4}),
        ((1, 2), {"c": 3}),
        ((1, 2), {"": 3}),
        ((1, 2), {"naïve": 3}),
        ((1, 2), {"\udc80": 3}),
        ((1, 2), {"a.b": 3}),
    ]
    for f in functions:
        for args, kwargs in calls:
            probe.step(f"{f.__name__}: key", f.get_cache_key, *args, **kwargs)
            probe.step(f"{f.__name__}: call", f, *args, **kwargs)
            probe.step(f"{f.__name__}: call again", f, *args, **kwargs)
            probe.step(f"{f.__name__}: clear", f.clear, *args, **kwargs)
            probe.step(f"{f.__name__}: peek", f.get_cached_value, *args, **kwargs)
            probe.step(f"{f.__name__}: put", lambda: f.set_cached_value(*args, **kwargs).to(1))
    # What would be a hit is refused all the same.
    probe.step("a first call", plain, 1, 2)
    probe.step("then too few", plain, 1)
    probe.step("then too many", plain, 1, 2, 3, 4)
    probe.step("then one unknown", plain, 1, 2, d=4)
    probe.step("keywords that are no text", lambda: plain(1, **{5: 2}))


@scenario
def wrong_arguments_of_methods(probe):
    quickcache = get_quickcache(cache=probe.cache())

    class Klass:
        name = "klass"

        @quickcache(["self.name", "a"])
        def method(self, a, b=2):
            return (a, b)

        @classmethod
        @quickcache(["cls.__name__", "a"])
        def of_class(cls, a, b=2):
            return (cls.__name__, a, b)

        @staticmethod
        @quickcache(["a"])
        def static(a, b=2):
            return (a, b)

        @property
        @quickcache(["self.name"])
        def prop(self):
            return "prop"

        @quickcache([])
        def selfless():
            return "selfless"

    class Sub(Klass):
        name = "sub"

        def clear_it(self):
            return Klass.of_class.clear(self.__class__, 1)

    for owner in (Klass(), Sub(), Klass, Sub):
        for name in ("method", "of_class", "static", "selfless"):
            f = getattr(owner, name)
            for args, kwargs in (
                ((), {}),
                ((1,), {}),
                ((1, 2), {}),
                ((1, 2, 3), {}),
                ((), {"a": 1}),
                ((1,), {"a": 1}),
                ((), {"b": 1}),
                ((), {"z": 1}),
                ((Klass(), 1), {}),
            ):
                probe.step(f"{name}: call", f, *args, **kwargs)
                probe.step(f"{name}: again", f, *args, **kwargs)
                probe.step(f"{name}: clear", f.clear, *args, **kwargs)
                probe.step(f"{name}: clear of the class", f.clear, owner, *args, **kwargs)
    item = Sub()
    probe.step("a property", lambda: (item.prop, item.prop))
    probe.step("its clear", lambda: Klass.prop.fget.clear(item))
    probe.step("clear through the class", item.clear_it)
    probe.step("clear with self.__class__", item.of_class.clear, item.__class__, 1)
    probe.step("an unbound call", Klass.method, item, 1)
    probe.step("an unbound clear", Klass.method.clear, item, 1)
    probe.is_("bound", item.method.__self__ is item)
    probe.is_("the same function", item.method.__func__ is Klass.method)


@scenario
def attributes_of_arguments(probe):
    class Item:
        def __init__(self, number):
            self.id = number
            self.inner = SimpleNamespace(deep=SimpleNamespace(er=[number]))

        @property
        def counted(self):
            probe.note("counted")
            return self.id

        @property
        def failing(self):
            raise LookupError("no such thing")

        @property
        def missing(self):
            return self.nothing

        def __getattr__(self, name):
            if name == "dynamic":
                probe.note("__getattr__", name)
                return "dynamic"
            raise AttributeError(name)

    quickcache = get_quickcache(cache=probe.cache())
    for path in (
        "id",
        "counted",
        "failing",
        "missing",
        "dynamic",
        "nothing",
        "inner.deep.er",
        "inner.no.er",
        "__class__.__name__",
        "id.real",
        "",
    ):
        f = quickcache([f"item.{path}"])(lambda item: item.id)
        use(probe, f, Item(5))
    both = quickcache(["item.counted", "item.id", "other.counted"])(lambda item, other=Item(9): item.id)
    use(probe, both, Item(1))
    use(probe, quickcache(["item", "item.real"])(lambda item: item), 5)
    use(probe, quickcache(["item.name"])(lambda item: 1), compat_values.Level.LOW)


@scenario
def defaults(probe):
    quickcache = get_quickcache(vary_on=["a", "b"], cache=probe.cache())

    @quickcache()
    def f(a, b=2, *rest, c=3, **extra):
        return (a, b, rest, c, sorted(extra.items()))

    use(probe, f, 1)
    use(probe, f, 1, 2)
    use(probe, f, a=1, b=2)
    use(probe, f, 1, 3, 4, 5, c=6, d=7)
    use(probe, f, b=None, a=None)
    f.__wrapped__.__defaults__ = (20,)
    use(probe, f, 1)
    f.__wrapped__.__defaults__ = None
    use(probe, f, 1)
    f.__wrapped__.__kwdefaults__ = None
    use(probe, f, 1, 2)

    mutable: list = []

    @quickcache(["a", "grown"])
    def growing(a, grown=mutable):
        grown.append(a)
        return len(grown)

    use(probe, growing, 1)

    @quickcache(["a"])
    def other_code(a):
        return a

    other_code.__wrapped__.__code__ = (lambda a, b: (a, b)).__code__
    probe.step("other code", other_code, 1)
    probe.step("other code", other_code, 1, 2)
    other_code.__wrapped__.__name__ = "renamed"
    probe.step("renamed", other_code, 1)
    probe.step("renamed", other_code)


@scenario
def signatures_of_their_own(probe):
    import inspect

    quickcache = get_quickcache(cache=probe.cache())

    def decorating(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            probe.note("wrapper", *args, **kwargs)
            return fn(*args, **kwargs)

        return wrapper

    @decorating
    def wrapped(a, b=2):
        return (a, b)

    probe.step("a wrapper hides the names", lambda: quickcache(["a"])(wrapped))
    use(probe, quickcache([])(wrapped), 1)
    use(probe, quickcache(lambda a, b=2: [a, b])(wrapped), 1)
    wrapped.__signature__ = inspect.signature(wrapped)
    use(probe, quickcache(["a", "b"])(wrapped), 1)
    use(probe, quickcache(["a"], "b")(wrapped), 1)
    use(probe, quickcache(["a"])(wrapped), 1, 2, 3)


@scenario
def vary_on_functions(probe):
    quickcache = get_quickcache(cache=probe.cache())

    def generating(a, b=2):
        probe.note("generating")
        yield a
        probe.note("generated one")
        yield b

    def raising(a, b=2):
        yield a
        raise LookupError("in the middle")

    def returning(value):
        return lambda *args, **kwargs: value

    for vary_on in (
        generating,
        raising,
        lambda a, b=2: [a, [b]],
        lambda a: [a],
        lambda *args, **kwargs: args,
        lambda **kwargs: kwargs,
        lambda: [],  # noqa: PIE807  not a class, but a function that takes nothing
        returning("text"),
        returning(b"bytes"),
        returning({"k": "v"}),
        returning({"one"}),
        returning(range(3)),
        returning(iter([])),
        returning(None),
        returning(5),
        returning([1j]),
        returning([...]),
        returning(["x"] * 6),
        returning(map(str, [1, 2])),
    ):
        f = quickcache(vary_on)(lambda a, b=2: (a, b))
        use(probe, f, 1)
        use(probe, f, 1, b=3)
        probe.step("wrong arguments", f, 1, 2, 3)
        probe.step("wrong names", f, 1, c=3)
    f = quickcache(lambda a, b: [a])(lambda a, b=2: a)
    use(probe, f, 1)
    use(probe, f, 1, 2)


@scenario
def skipping_by_name(probe):
    quickcache = get_quickcache(cache=probe.cache())

    @quickcache(["a"], skip_arg="skip")
    def f(a, skip=False):
        probe.note("called", a, skip)
        return (a, skip)

    class Undecided:
        def __bool__(self):
            raise LookupError("undecided")

        def __repr__(self):
            return "undecided"

    class Counted:
        def __bool__(self):
            probe.note("__bool__")
            return True

        def __repr__(self):
            return "counted"

    for skip in (True, False, None, 0, 1, "", "no", [], [0], 0.0, float("nan"), ..., Counted(), Undecided()):
        use(probe, f, 1, skip)
        use(probe, f, 1, skip=skip)

    @quickcache(["a"], "skip")
    def always(a, skip=True):
        probe.note("called", a)
        return a

    use(probe, always, 1)
    use(probe, always, 1, skip=False)
    probe.step("too many", always, 1, True, 3)
    probe.step("too few", always)

    @quickcache([], "skip")
    def nothing_varied(skip):
        return "value"

    use(probe, nothing_varied, True)
    probe.step("none given", nothing_varied)

    @quickcache(["a"], "skip")
    def in_the_middle(a, skip, *rest, **extra):
        return (a, rest)

    use(probe, in_the_middle, 1, True, 3, d=4)


@scenario
def skipping_by_function(probe):
    quickcache = get_quickcache(vary_on=["a"], cache=probe.cache())

    def body(a, b=2):
        probe.note("called", a, b)
        return (a, b)

    def noting(a, b=2):
        probe.note("skip", a, b)
        return b == 3

    for skip in (
        noting,
        lambda a: a,
        lambda *args, **kwargs: kwargs,
        lambda *args: "yes",
        lambda **kwargs: True,
        lambda: True,
        lambda a, b: True,
    ):
        f = quickcache(skip_arg=skip)(body)
        use(probe, f, 1)
        use(probe, f, 1, 3)
        use(probe, f, a=1, b=3)
        probe.step("wrong arguments", f, 1, 2, 3)
        probe.step("wrong names", f, 1, z=3)
    for error in (LookupError("skip"), ForceSkipCache("skip"), StopIteration(5), KeyboardInterrupt("skip")):

        def raising(a, b=2, error=error):
            raise error

        f = quickcache(skip_arg=raising)(body)
        use(probe, f, 1)


@scenario
def the_order_when_skipping(probe):
    """The function first, then the key: so the key is that of what the function made of its arguments."""
    cache = probe.cache()

    @decorating(["rows", "item.id"], cache=cache, skip_arg="skip")
    def mutating(rows, item, skip=False):
        rows.append("more")
        item.id += 1
        return len(rows)

    item = SimpleNamespace(id=1)
    probe.step("not skipping: the key is made first", mutating, [], item)
    probe.step("skipping: the key is made last", mutating, [], item, skip=True)
    probe.step("kept under", lambda: sorted(cache.kept.values()))

    @decorating(lambda rows, skip=False: probe.note("vary_on") or [len(rows)], cache=cache, skip_arg="skip")
    def ordered(rows, skip=False):
        probe.note("called")
        rows.append(1)
        return "value"

    probe.step("skipping", ordered, [], skip=True)
    probe.step("not skipping", ordered, [])
    probe.step("a bad key is found after the call", ordered, [1], skip=True)

    @decorating(["value"], cache=cache, skip_arg="skip")
    def unkeyable(value, skip=False):
        probe.note("called")
        return "value"

    probe.step("a bad value, skipping", unkeyable, 1j, skip=True)
    probe.step("a bad value, not skipping", unkeyable, 1j)


@scenario
def errors_of_the_function(probe):
    cache = probe.cache()

    class Own(Exception):
        pass

    class OwnBase(BaseException):
        pass

    error = None

    @decorating(["x"], cache=cache, skip_arg="skip")
    def raising(x, skip=False):
        probe.note("called")
        if error:
            raise error
        return "value"

    for error in (
        Own("own"),
        OwnBase("own"),
        ValueError(),
        TypeError("raising() missing 1 required positional argument: 'x'"),
        ForceSkipCache("force"),
        StopIteration(5),
        StopAsyncIteration(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(3),
        RecursionError("own"),
        MemoryError(),
        ExceptionGroup("group", [ValueError(1)]),
    ):
        use(probe, raising, 1)
        use(probe, raising, 1, skip=True)
    error = None
    use(probe, raising, 1)


@scenario
def errors_of_the_cache(probe):
    class Failing:
        error = None

        def get(self, key, default=None):
            probe.note("get")
            raise self.error

        def set(self, key, value):
            probe.note("set")
            raise self.error

        def delete(self, key):
            probe.note("delete")
            raise self.error

    class FailingToSet(Failing):
        def get(self, key, default=None):
            return default

    for cls in (Failing, FailingToSet):
        for error in (LookupError("down"), ForceSkipCache("skip"), KeyboardInterrupt(), OSError(5, "io")):
            cache = cls()
            cache.error = error
            f = decorating(["x"], cache=cache, skip_arg="skip")(lambda x, skip=False: "value")
            use(probe, f, 1)
            use(probe, f, 1, skip=True)


@scenario
def caches_of_every_sort(probe):
    from unittest import mock

    class Strict:
        """Only what a tier must have, by exactly these names."""

        def __init__(self):
            self.kept = {}

        def get(self, key, default):
            return self.kept.get(key, default)

        def set(self, key, value):
            self.kept[key] = value

        def delete(self, key):
            del self.kept[key]

    class KeywordDefault(Strict):
        def get(self, key, *, default=None):
            return self.kept.get(key, default)

    class NoDefault(Strict):
        def get(self, key):
            return self.kept.get(key)

    class AlwaysNone(Strict):
        def get(self, key, default=None):
            return None

    class Dynamic:
        def __getattr__(self, name):
            probe.note("__getattr__", name)
            if name == "get":
                return lambda key, default=None: default
            if name == "set":
                return lambda key, value: probe.note("set", key, value)
            raise AttributeError(name)

    class OnlyGet:
        def get(self, key, default=None):
            return default

    class ByClass:
        kept: dict = {}

        @classmethod
        def get(cls, key, default=None):
            return cls.kept.get(key, default)

        @classmethod
        def set(cls, key, value):
            cls.kept[key] = value

        @staticmethod
        def delete(key):
            return ByClass.kept.pop(key, None)

    class Equal:
        """A default that is equal to anything, so that only identity tells a miss."""

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

        def __repr__(self):
            return "equal"

    for cache in (
        Strict(),
        KeywordDefault(),
        NoDefault(),
        AlwaysNone(),
        Dynamic(),
        OnlyGet(),
        ByClass,
        {},
        None,
        5,
    ):
        f = decorating(["x"], cache=cache)(lambda x: x)
        use(probe, f, 1)
        use(probe, f, "two")
    mocked = mock.Mock(spec=["get", "set", "delete"])
    mocked.get.return_value = ...
    f = decorating(["x"], cache=mocked)(lambda x: x)
    use(probe, f, 1)
    probe.is_("calls on a mock", mocked.mock_calls)
    f = decorating(["x"], cache=Strict())(lambda x: Equal())
    use(probe, f, 1)
    instance = Strict()
    instance.get = lambda key, default: "from the instance"
    f = decorating(["x"], cache=instance)(lambda x: x)
    use(probe, f, 1)


@scenario
def values_of_every_sort(probe):
    for memory in (True, False):
        cache = probe.memory() if memory else probe.cache()
        value = None

        @decorating(["x"], cache=cache, skip_arg="skip")
        def f(x, skip=False):
            probe.note("called")
            return value

        for value in (
            None,
            False,
            0,
            "",
            [],
            {},
            (),
            ...,
            NotImplemented,
            [...],
            float("nan"),
            ValueError("a value"),
        ):
            use(probe, f, 1)
            use(probe, f, 1, skip=True)
            f.clear(1)


@scenario
def over_the_memory_tier(probe):
    quickcache = get_quickcache(
        cache=probe.memory(), assert_function=lambda ok, message: probe.note("assert", ok, message)
    )

    @quickcache(["x"])
    def f(x):
        probe.note("called", x)
        return [x]

    for value in (
        1,
        1.0,
        True,
        "1",
        b"1",
        b"\xff",
        None,
        [1],
        (1,),
        {"a": 1},
        {1},
        10**40,
        compat_values.Text("1"),
    ):
        use(probe, f, value)
        probe.step("kept", f, value)
    for value in (1, 1.0, True, "1", b"1", None, [1], (1,), 1j, 10**5000, "\ud800"):
        probe.step("once more", f, value)
    probe.is_("the same object", f(1) is f(1))


@scenario
def recursion(probe):
    for cache in (probe.cache(), probe.memory()):
        quickcache = get_quickcache(cache=cache)

        @quickcache(["n"])
        def fib(n):
            probe.note("computing", n)
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        probe.step("fib", fib, 20)
        probe.step("fib again", fib, 20)

        @quickcache(["n"])
        def even(n):
            return n == 0 or odd(n - 1)

        @quickcache(["n"])
        def odd(n):
            return n != 0 and even(n - 1)

        probe.step("two that call each other", even, 15)

        @quickcache([])
        def itself(again):
            probe.note("computing", again)
            return itself(again - 1) + 1 if again else 0

        probe.step("the same key, under way", itself, 3)
        probe.step("the outermost value is kept", itself, 0)

        @quickcache(["n"])
        def endless(n):
            return endless(n)

        # How deep it gets, and whether inspect makes a TypeError of it, is the interpreter's affair.
        with contextlib.suppress(RecursionError, TypeError):
            endless(1)
        probe.forget()
        probe.step("and after that", fib, 3)


@scenario
def re_entrancy(probe):
    """Every callback may call the same function, or clear it."""
    deep = {"now": 0}

    def again(what):
        probe.note(what, deep["now"])
        if deep["now"] < 2:
            deep["now"] += 1
            try:
                probe.note(f"{what} within", f(1))
                if where not in {"fn", "get", "set"}:  # there it would win: a deviation
                    f.clear(1)
                probe.note(f"{what} peek", f.get_cached_value(1))
            finally:
                deep["now"] -= 1

    class Cache:
        kept: dict = {}

        def get(self, key, default):
            if where == "get":
                again("get")
            return self.kept.get(key, default)

        def set(self, key, value):
            if where == "set":
                again("set")
            self.kept[key] = value
            return "set"

        def delete(self, key):
            if where == "delete":
                again("delete")
            self.kept.pop(key, None)

    class Number(int):
        def __str__(self):
            if where == "__str__":
                again("__str__")
            return "number"

    class Item:
        @property
        def number(self):
            if where == "property":
                again("property")
            return Number(1)

    def skip(x, item=None):
        if where == "skip":
            again("skip")
        return False

    def vary_on(x, item=None):
        if where == "vary_on":
            again("vary_on")
        return [Number(x), Item().number]

    for names in (["x", "item.number"], vary_on):

        @decorating(names, cache=Cache(), skip_arg=skip)
        def f(x, item=Item()):
            if where == "fn":
                again("fn")
            return x

        for where in ("nowhere", "fn", "get", "set", "delete", "__str__", "property", "skip", "vary_on"):
            Cache.kept.clear()
            probe.step(where, f, Number(1))
            probe.step(f"{where} again", f, Number(1))
            probe.step(f"{where} clear", f.clear, Number(1))


@scenario
def clearing_and_putting(probe):
    cache = probe.cache()
    f = decorating(["x"], cache=cache)(lambda x: x)
    settable = probe.step("settable", f.set_cached_value, 1)
    probe.is_("a tuple of one", (len(settable), settable._fields, type(settable).__name__))
    probe.step("to", settable.to, "value")
    probe.step("to by name", lambda: settable.to(value="named"))
    probe.step("to again", settable.to, None)
    probe.kind("to nothing", settable.to)
    probe.step("unpacked", lambda: [to("unpacked") for to in settable])
    probe.step("peek", f.get_cached_value, 1)
    probe.step("clear", f.clear, 1)
    probe.step("clear what is not there", f.clear, 1)
    probe.step("peek", f.get_cached_value, 1)
    probe.step("to, after the clear", settable.to, "late")
    probe.step("peek", f.get_cached_value, 1)
    f.clear.__self__.cache = other = probe.cache("other")
    probe.step("to goes where the helper's cache is now", settable.to, "moved")
    probe.is_("kept", (cache.kept, other.kept))


@scenario
def threads(probe):
    """Threads with keys of their own do not get in each other's way."""
    cache: dict = {}

    class Cache:
        def get(self, key, default):
            return cache.get(key, default)

        def set(self, key, value):
            cache[key] = value

        def delete(self, key):
            cache.pop(key, None)

    for tier in (Cache(), probe.memory()):
        computed = []

        @decorating(["x"], cache=tier)
        def f(x):
            computed.append(x)
            return x * 2

        results: dict = {}

        def work(number):
            results[number] = [f(number * 100 + i % 20) for i in range(200)]

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        probe.sort()
        probe.is_("computed once each", sorted(computed) == sorted({*computed}) and len(computed))
        probe.is_("results", [sum(results[number]) for number in range(4)])


@scenario
def usage_seen_in_the_wild(probe):
    quickcache = get_quickcache(cache=probe.cache())

    class User:
        def __init__(self, username, domains):
            self.username = username
            self.user_id = f"id-{username}"
            self.domains = domains

        @quickcache(["self.user_id"])
        def permissions(self):
            return sorted(self.domains)

        @property
        @quickcache(["self.user_id", "self.domains"])
        def count(self):
            return len(self.domains)

        @classmethod
        @quickcache(["cls.__name__", "username"], skip_arg="strict")
        def by_name(cls, username, strict=False):
            return f"{cls.__name__} {username}"

        @staticmethod
        @quickcache(["domain"])
        def known(domain):
            return domain in ("a", "b")

        def forget(self):
            self.permissions.clear(self)
            self.by_name.clear(self.__class__, self.username)

    class Admin(User):
        pass

    @quickcache(
        ["domain", "user.user_id", "options", "ids", "when"],
        skip_arg=lambda *args, **kwargs: kwargs.get("fresh"),
    )
    def report(domain, user, options=None, ids=(), when=None, fresh=False):
        return f"report of {domain} for {user.username}"

    @quickcache([])
    def all_domains():
        return ["a", "b"]

    @quickcache(["a_name_that_is_long"])
    def a_function_with_a_name_that_is_longer_than_forty_characters(a_name_that_is_long):
        return a_name_that_is_long

    for cls in (User, Admin):
        user = cls("eva", {"a", "b"})
        for _ in range(2):
            probe.step("permissions", user.permissions)
            probe.step("count", lambda: user.count)
            probe.step("by_name", cls.by_name, "eva")
            probe.step("by_name of an instance", user.by_name, "eva", strict=True)
            probe.step("known", user.known, "a")
            probe.step("report", report, "a", user, options={"b": 1, "a": [None]}, ids=["x", "y"])
            probe.step("fresh report", report, "a", user, fresh=True)
            probe.step("all_domains", all_domains)
            probe.step("long", a_function_with_a_name_that_is_longer_than_forty_characters, "x")
            probe.step("forget", user.forget)
    probe.step("all_domains cleared", all_domains.clear)
    probe.step("all_domains", all_domains)
