"""Keys of values too odd to generate."""

# Scenarios do what users do, the questionable included, and are as long as the list of it.
# ruff: noqa: N801, PLE0307, S102

import datetime as dt
import decimal
import enum
import sys
import uuid
from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    defaultdict,
    deque,
    namedtuple,
)
from types import MappingProxyType, SimpleNamespace

import compat_values
from compat_generated import from_source
from compat_probe import Probe, decorating, scenario

from quickcache import QuickCacheHelper, get_quickcache


def keyed(probe: Probe):
    """A decorated function of one argument whose caches and soft assertions are taken down."""

    @decorating(
        ["value"], cache=probe.cache(), assert_function=lambda ok, message: probe.note("assert", ok, message)
    )
    def f(value):
        return "value"

    return f


def serialize(probe: Probe):
    return keyed(probe).clear.__self__._serialize_for_key


@scenario
def odd_text(probe):
    key = keyed(probe).get_cache_key
    for text in ("", "\0", "é", "\u0301e", "𝒳", "\U0010ffff", "\ufeff", "a" * 10**6, "é" * 5000):
        probe.step("text", key, text)
        probe.step("its bytes", key, text.encode())
        probe.step("utf-16", key, text.encode("utf-16"))
    for lone in ("\ud800", "a\udc80", "\udfff\ud800", "\ud83d\ude00"):
        probe.step("lone surrogate", key, lone)
        probe.step("within a list", key, [lone])
        probe.step("as a dict's key", key, {lone: 1})
    for data in (b"", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"a\x80", b"\xe2\x82"):
        probe.step("bytes", key, data)
        probe.step("nested bytes", key, {"k": [data, data]})
        probe.step("bytearray", key, bytearray(data))
        probe.step("memoryview", lambda data=data: key(memoryview(data)))


@scenario
def odd_numbers(probe):
    key = keyed(probe).get_cache_key
    nan, inf = float("nan"), float("inf")
    for number in (
        nan,
        -nan,
        inf,
        -inf,
        0.0,
        -0.0,
        0,
        1,
        1.0,
        True,
        False,
        1e16,
        1e15,
        1e-5,
        1e-4,
        0.1 + 0.2,
        5e-324,
    ):
        probe.step("number", key, number)
        probe.step("nested", key, [number, {number: number}])
    for power in (31, 32, 53, 62, 63, 64, 65, 127, 128, 1000):
        for number in (2**power, 2**power - 1, -(2**power), -(2**power) - 1):
            probe.step("around 2**n", key, number)
    probe.step("complex", key, 1j)
    for digits in (149, 150, 151, 4299, 4300, 4301, 5000):
        probe.step("many digits", key, 10 ** (digits - 1))
        probe.step("many digits, negative", key, -(10 ** (digits - 1)))
        probe.step("many digits, nested", key, [10 ** (digits - 1)])
    before = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(0)
        probe.step("without a limit of digits", key, 10**6000)
        sys.set_int_max_str_digits(640)
        probe.step("with a lower limit of digits", key, 10**700)
    finally:
        sys.set_int_max_str_digits(before)


@scenario
def subclasses_of_text(probe):
    key = serialize(probe)

    class Shouting(str):
        def __str__(self):
            return "str"

        def __repr__(self):
            return "repr"

        def __format__(self, spec):
            return "format"

    class Encoding(str):
        def encode(self, *args, **kwargs):
            probe.note("encode", args, kwargs)
            return b"encoded"

    class BadEncoding(str):
        def encode(self, *args):
            return "not bytes"

    class Failing(str):
        def encode(self, *args):
            raise LookupError("no such encoding")

    class Decoding(bytes):
        def decode(self, *args, **kwargs):
            probe.note("decode", args, kwargs)
            return "decoded"

    class DecodingToEncoding(bytes):
        def decode(self, *args):
            return Encoding("x")

    class DecodingBadly(bytes):
        def decode(self, *args):
            return 5

    class Undecodable(bytes):
        def decode(self, *args):
            raise UnicodeDecodeError("utf-8", b"x", 0, 1, "not today")

    class FailingToDecode(bytes):
        def decode(self, *args):
            raise UnicodeError("another error")

    for value in (
        Shouting("a"),
        Encoding("a"),
        BadEncoding("a"),
        Failing("a"),
        compat_values.Text("a\ud800"),
    ):
        probe.step(type(value).__name__, key, value)
        probe.step("nested", key, [value])
        probe.step("a key", key, {value: 1})
    for value in (
        Decoding(b"\xff"),
        DecodingToEncoding(b"a"),
        DecodingBadly(b"a"),
        Undecodable(b"a"),
        FailingToDecode(b"a"),
        compat_values.Data(b"\xff"),
        compat_values.Data(b"a"),
    ):
        probe.step(type(value).__name__, key, value)
        probe.step("nested", key, (value,))


@scenario
def subclasses_of_numbers(probe):
    key = serialize(probe)

    class Strung(int):
        def __str__(self):
            probe.note("__str__")
            return "strung"

        def __repr__(self):
            return "repr"

        def __format__(self, spec):
            return "format"

        def __int__(self):
            return 99

    class Represented(int):
        def __repr__(self):
            return "represented"

    class Unstrung(int):
        def __str__(self):
            return 5

    class Failing(float):
        def __str__(self):
            raise ArithmeticError("no text")

    class FloatRepresented(float):
        def __repr__(self):
            return "1.5f"

    class Subtext(str):
        __slots__ = ()

    class GivesSubtext(float):
        def __str__(self):
            return Subtext("subtext")

    class Mixed(int, enum.Enum):
        ONE = 1

    class Permissions(enum.IntFlag):
        R = 4
        W = 2

    class Named(enum.IntEnum):
        ONE = 1

        def __str__(self):
            return self.name

    for value in (
        Strung(1),
        Represented(2),
        Unstrung(3),
        Failing(1.0),
        FloatRepresented(1.5),
        GivesSubtext(2.0),
        Mixed.ONE,
        Permissions.R | Permissions.W,
        Named.ONE,
        compat_values.Level.LOW,
        compat_values.Level.HIGH,
        compat_values.Ratio.HALF,
        compat_values.Whole(10**20),
    ):
        probe.step(type(value).__name__, key, value)
        probe.step("nested", key, {"a": [value]})


@scenario
def subclasses_of_containers(probe):
    key = serialize(probe)

    class Backwards(list):
        def __iter__(self):
            probe.note("__iter__")
            return reversed(list(self[:]))

        def __len__(self):
            return 0

        def __getitem__(self, index):
            return list.__getitem__(self, index)

    class Uniterable(tuple):
        __slots__ = ()
        __iter__ = None

    class FailingList(list):
        def __iter__(self):
            yield 1
            raise LookupError("half way")

    class Pairs(dict):
        def items(self):
            probe.note("items")
            return iter([("a", 1), ["a", 1], "ab", 5])

    class NoItems(dict):
        items = None

    class Silent(dict):
        def __iter__(self):
            return iter(())

        def keys(self):
            return []

        def __len__(self):
            return 0

    class Empty(set):
        def __iter__(self):
            return iter(())

    class Repeating(set):
        def __iter__(self):
            return iter([1, 1, 2])

    Line = namedtuple("Line", "start end")

    for value in (
        Backwards([1, 2, 3]),
        Uniterable((1, 2)),
        FailingList([1]),
        Pairs(b=2),
        NoItems(a=1),
        Silent(a=1),
        Empty({1}),
        Repeating({3}),
        Line(1, [2]),
        OrderedDict([("b", 1), ("a", 2)]),
        defaultdict(list, a=[1]),
        Counter("aab"),
        compat_values.Row([1]),
        compat_values.Pair((1,)),
        compat_values.Table(a=1),
        compat_values.Bag({1, "a"}),
    ):
        probe.step(type(value).__name__, key, value)
        probe.step("nested", key, [value])


@scenario
def subclasses_of_uuid_and_datetime(probe):
    key = serialize(probe)
    number = uuid.UUID(int=2**100 + 5)

    class Own(uuid.UUID):
        def __str__(self):
            return "own"

    class Formatted(uuid.UUID):
        def __format__(self, spec):
            probe.note("__format__", spec)
            return "formatted"

    class BadlyFormatted(uuid.UUID):
        def __format__(self, spec):
            return 5

    class Iso(dt.datetime):
        def isoformat(self, *args, **kwargs):
            probe.note("isoformat", args, kwargs)
            return "iso"

    class Formatting(dt.datetime):
        def isoformat(self, *args, **kwargs):
            return Formatted(int=1)

        def __str__(self):
            return "str"

    class Zoned(dt.datetime):
        def astimezone(self, tz=None):
            probe.note("astimezone", type(tz).__name__, tz.utcoffset(None))
            return dt.datetime(1999, 1, 1)

        @property
        def tzinfo(self):
            probe.note("tzinfo")
            return super().tzinfo

    for value in (number, Own(int=1), Formatted(int=1), BadlyFormatted(int=1)):
        probe.step(type(value).__name__, key, value)
        probe.step("nested", key, {value: value})
    for kind in (Iso, Formatting, Zoned, compat_values.Moment):
        for zone in (
            None,
            dt.UTC,
            compat_values.Summer(),
            compat_values.NoOffset(),
            compat_values.Falsy(),
        ):
            probe.step(kind.__name__, key, kind(2020, 6, 1, tzinfo=zone))


@scenario
def datetimes(probe):
    key = keyed(probe).get_cache_key
    summer = compat_values.Summer()

    class Broken(dt.tzinfo):
        def __init__(self, offset):
            self.offset = offset

        def utcoffset(self, moment):
            probe.note("utcoffset", moment)
            if isinstance(self.offset, Exception):
                raise self.offset
            return self.offset

    class Bare(dt.tzinfo):
        pass

    for zone in (
        Bare(),
        Broken(5),
        Broken(dt.timedelta(days=1)),
        Broken(dt.timedelta(seconds=1, microseconds=7)),
        Broken(LookupError("no zone")),
    ):
        probe.step("a broken zone", key, dt.datetime(2020, 6, 1, tzinfo=zone))
    for month in (1, 6, 9):
        for fold in (0, 1):
            for zone in (summer, None, dt.UTC):
                moment = dt.datetime(
                    2021, month, 30 if month == 9 else 1, 2, 30, 0, 5, tzinfo=zone, fold=fold
                )
                probe.step("fold", key, moment)
    for fold in (0, 1):
        # The local time zone of the workers has this hour twice, and the other not at all.
        no_offset = {"tzinfo": compat_values.NoOffset(), "fold": fold}
        probe.step("as local time", key, dt.datetime(2021, 11, 7, 1, 30, **no_offset))
        probe.step("as local time", key, dt.datetime(2021, 3, 14, 2, 30, **no_offset))
    for seconds in (1, -1, 59, 3601, -3601, 86399):
        zone = dt.timezone(dt.timedelta(seconds=seconds, microseconds=seconds))
        probe.step("an odd offset", key, dt.datetime(2000, 2, 29, 23, 59, 59, 999999, tzinfo=zone))
    probe.step("the first naive moment", key, dt.datetime.min)
    probe.step("the last naive moment", key, dt.datetime.max)
    probe.step("the first moment in UTC", key, dt.datetime.min.replace(tzinfo=dt.UTC))
    probe.step("the last moment in UTC", key, dt.datetime.max.replace(tzinfo=dt.UTC))


class Lazy:
    """A proxy like Django's SimpleLazyObject: pretends by `__class__` and hands all on."""

    def __init__(self, wrapped):
        object.__setattr__(self, "_wrapped", wrapped)

    @property
    def __class__(self):
        return type(self._wrapped)

    def __getattr__(self, name):
        return getattr(self._wrapped, name)

    def __str__(self):
        return str(self._wrapped)

    def __bytes__(self):
        return bytes(self._wrapped)

    def __bool__(self):
        return bool(self._wrapped)

    def __int__(self):
        return int(self._wrapped)

    def __iter__(self):
        return iter(self._wrapped)

    def __len__(self):
        return len(self._wrapped)

    def __getitem__(self, index):
        return self._wrapped[index]

    def __hash__(self):
        return hash(self._wrapped)

    def __eq__(self, other):
        return self._wrapped == other

    def __repr__(self):
        return f"<Lazy {self._wrapped!r}>"


class Pretender:
    """Claims a class and can do nothing of it."""

    def __init__(self, claimed):
        self.claimed = claimed

    @property
    def __class__(self):
        return self.claimed

    def __repr__(self):
        return f"<Pretender {self.claimed.__name__}>"


@scenario
def proxies(probe):
    key = keyed(probe).get_cache_key
    for wrapped in (
        "text",
        b"text",
        b"\xff",
        True,
        False,
        5,
        10**30,
        1.5,
        [1, [2]],
        (1, 2),
        {"a": 1},
        {1, 2},
        uuid.UUID(int=7),
        dt.datetime(2020, 1, 1),
        dt.datetime(2020, 1, 1, tzinfo=compat_values.Summer()),
        None,
        compat_values.Level.LOW,
        compat_values.Point(1, 2),
    ):
        probe.step("lazy", key, Lazy(wrapped))
        probe.step("lazy, nested", key, [Lazy(wrapped)])
        probe.step("lazy twice", key, Lazy(Lazy(wrapped)))
    for claimed in (
        str,
        bytes,
        bool,
        int,
        float,
        list,
        tuple,
        dict,
        set,
        uuid.UUID,
        dt.datetime,
        type(None),
    ):
        probe.step("pretending", key, Pretender(claimed))

    class Raising:
        @property
        def __class__(self):
            raise LookupError("no class")

    probe.step("no class", key, Raising())


@scenario
def bad_types(probe):
    key = keyed(probe).get_cache_key

    class Custom:
        def __repr__(self):
            return "custom repr"

        def __str__(self):
            return "custom str"

    class Formatted:
        def __format__(self, spec):
            probe.note("__format__", spec)
            return "formatted"

    class Unprintable:
        def __str__(self):
            raise LookupError("no text")

    class Meta(type):
        def __repr__(cls):
            return "<meta>"

        def __str__(cls):
            return "<meta str>"

    class WithMeta(metaclass=Meta):
        def __repr__(self):
            return "with meta"

    for value in (
        Custom(),
        Formatted(),
        Unprintable(),
        WithMeta(),
        Custom,
        WithMeta,
        object,
        len,
        ...,
        NotImplemented,
        range(3),
        deque([1]),
        UserDict(a=1),
        UserList([1]),
        UserString("a"),
        ChainMap({}),
        MappingProxyType({}),
        SimpleNamespace(a=1),
        slice(1),
        1j,
        dt.time.__new__,
        decimal.Context,
        {}.keys(),
        {}.items(),
        iter(()),
        (x for x in ()),
        Exception("x"),
        lambda: None,
    ):
        probe.step("bad type", key, value)
        probe.step("nested", key, [1, {"a": value}])


@scenario
def the_first_bad_value_is_named(probe):
    key = keyed(probe).get_cache_key
    probe.step("two bad ones", key, [1j, 2j])
    probe.step("a bad key and a bad value", key, {1j: 2j})
    probe.step("a bad one after bytes", key, [b"\xff", 1j, b"\xff"])
    probe.step("an int of too many digits, then a bad one", key, [10**5000, 1j])

    @decorating(["a", "b.c"], cache=probe.cache())
    def two_values(a, b):
        pass

    probe.step("attributes are read before any value is keyed", two_values, 1j, 5)
    probe.step("the first value", two_values, 1j, SimpleNamespace(c=2j))


@scenario
def depth(probe):
    key = keyed(probe).get_cache_key
    for wrap in (
        lambda v: [v],
        lambda v: (v,),
        lambda v: {"k": v},
        lambda v: {"k": [v]},
        lambda v: (v, v)[:1],
    ):
        value = "core"
        for level in range(151):
            if level in (1, 10, 100, 150):
                probe.step(f"{level} levels", key, value)
            value = wrap(value)
    value = "core"
    for _ in range(300):
        value = [value]
    probe.step("300 levels", key, value)
    for _ in range(100_000):
        value = [value]
    probe.kind("100,000 levels", key, value)
    while isinstance(value, list):
        value = value.pop()
    cycle: list = []
    cycle.append(cycle)
    probe.kind("a list in itself", key, cycle)
    knot: dict = {}
    knot["k"] = (knot,)
    probe.kind("a dict in itself", key, knot)
    probe.step("and after that", key, [1])


@scenario
def the_length_of_codes(probe):
    @decorating(["a", "b", "c"], cache=probe.cache())
    def three(a, b=None, c=None):
        return a

    key = three.get_cache_key
    # Each None takes ",N", so these go from 145 to 155 characters of codes.
    for digits in range(140, 151):
        probe.step(f"{digits} digits", key, 10 ** (digits - 1))
    for digits in range(48, 52):
        number = 10 ** (digits - 1)
        probe.step(f"three of {digits}", key, number, number, number)
    probe.step("three texts", key, "a", "b", "c")

    @decorating(["a", "b", "c", "d", "e"], cache=probe.cache())
    def five(a, b, c, d, e):
        return a

    for spare in range(10, 20):
        probe.step("four texts and a number", five.get_cache_key, "a", "b", "c", "d", 10**spare)

    @decorating(lambda count: ["x"] * count, cache=probe.cache())
    def many(count):
        return count

    for count in (0, 1, 4, 5, 1000):
        probe.step(f"{count} texts", many, count)


@scenario
def names_of_functions(probe):
    names = [
        "f",
        "f" * 39,
        "f" * 40,
        "f" * 41,
        "f" * 80,
        "naïve",
        "é" * 40,
        "é" * 41,
        "名" * 45,
        "_",
        "__x__",
    ]
    for name in names:
        source = f"def {name}(x):\n    return x\ngenerated = {name}\n"
        decorated = probe.step(
            "decorate", lambda source=source: decorating(["x"], cache=probe.cache())(from_source(source))
        )
        probe.is_("prefix", decorated.prefix)
        probe.step("call", decorated, 1)
        probe.step("call again", decorated, 1)
    for name in ("𝒳" * 41, "a/b.c,d", "", " ", "{}%s", "x\n" * 30):

        def renamed(x):
            return x

        renamed.__name__ = name
        decorated = probe.step("decorate", lambda f=renamed: decorating(["x"], cache=probe.cache())(f))
        probe.is_("prefix", decorated.prefix)
        probe.step("call", decorated, 1)
        probe.step("key", decorated.get_cache_key, "x")


@scenario
def a_name_with_a_lone_surrogate(probe):
    def renamed(x):
        return x

    renamed.__name__ = "a\udc80b"
    f = decorating(["x"], cache=probe.cache())(renamed)
    probe.is_("prefix", f.prefix)
    probe.step("call", f, 1)
    probe.step("key", f.get_cache_key, "x")


@scenario
def sources_of_functions(probe):
    quickcache = get_quickcache(cache=probe.cache())
    probe.is_("a lambda", quickcache(["x"])(lambda x: x).prefix)
    first, second = quickcache(["x"])(lambda x: x), quickcache(["y"])(lambda y: y)
    probe.is_("lambdas on a line", (first.prefix, second.prefix))
    probe.step("call a lambda", first, 5)

    def make(number):
        @quickcache(["x"])
        def closure(x):
            return x + number

        return closure

    probe.is_("closures share a prefix", [make(n).prefix for n in (1, 2)])
    probe.step("and so values", lambda: [make(n)(10) for n in (1, 2)])

    class Klass:
        @quickcache(["x"])
        def method(self, x):
            return x

        @quickcache(["x"])
        def other(self, x):
            return x

    probe.is_("a method", Klass.method.prefix)
    probe.is_("another", Klass.other.prefix)
    probe.is_("decorated twice", quickcache(["x"])(quickcache(["x"])(lambda x: x).__wrapped__).prefix)
    # 0.5.4 finds the source of a wrapper through __wrapped__, and its arguments by the wrapper itself.
    wrapper = quickcache(["x"])(lambda x: x)
    probe.step("a decorated one decorated", lambda: quickcache(["x"])(wrapper))
    probe.step("with nothing to vary on", lambda: quickcache([])(wrapper)(7))
    for label, source in (
        ("unicode", "def generated(x):\n    return 'naïve 名 𝒳'\n"),
        ("tabs", "def generated(x):\n\treturn x\n"),
        ("a comment after", "def generated(x):\n    return x\n    # and this\n# not this\n"),
        ("no newline at the end", "def generated(x): return x"),
        ("empty lines", "\n\ndef generated(x):\n\n\n    return x\n\n\n\n"),
        ("a lone surrogate", "def generated(x):\n    return x  # \udc80\n".replace("\udc80", "\u2028")),
        ("several lines of lambda", "generated = (\n    lambda x:\n    x\n)\n"),
    ):
        probe.step(label, lambda source=source: quickcache(["x"])(from_source(source)).prefix)


@scenario
def callables_that_are_no_plain_functions(probe):
    import functools

    quickcache = get_quickcache(vary_on=[], cache=probe.cache())

    class Callable_:
        def __call__(self, x):
            return x

        def method(self, x):
            return (type(self).__name__, x)

        @classmethod
        def of_class(cls, x):
            return x

    class WithInit:
        def __init__(self, x):
            self.x = x

        def __repr__(self):
            return f"WithInit({self.x})"

    class WithoutInit:
        def __repr__(self):
            return "WithoutInit()"

    exec_namespace: dict = {}
    exec("def sourceless(x): return x", exec_namespace)
    for label, fn in (
        ("builtin", len),
        ("a type's method", str.upper),
        ("partial", functools.partial(max, 1)),
        ("an object", Callable_()),
        ("no callable", 5),
        ("None", None),
        ("no source", exec_namespace["sourceless"]),
        ("a class", WithInit),
        ("a class without __init__", WithoutInit),
        ("a bound method", Callable_().method),
        ("a bound classmethod", Callable_.of_class),
        ("a staticmethod object", staticmethod(lambda x: x)),
        ("a classmethod object", classmethod(lambda x: x)),
        ("a property", property(lambda x: x)),
        ("a method of a type", Callable_.method),
    ):
        decorated = probe.step(label, lambda fn=fn: quickcache()(fn))
        if decorated is not None:
            probe.step("no arguments", decorated)
            probe.step("one argument", decorated, 5)
            probe.step("again", decorated, 5)
            probe.step("two arguments", decorated, Callable_(), 5)
            probe.step("by name", decorated, x=5)
        probe.step("varying on x", lambda fn=fn: quickcache(["x"])(fn)(7))
        probe.step("varying on self", lambda fn=fn: quickcache(["self"])(fn)(7))


@scenario
def hash_itself(probe):
    helper = keyed(probe).clear.__self__
    for text in ("", "a", "naïve", "𝒳", compat_values.Text("a")):
        for length in (32, 31, 8, 1, 0, -1, -31, 40, 33):
            probe.step("hash", helper._hash, text, length)
        probe.step("default length", helper._hash, text)
        probe.step("by name", lambda text=text: helper._hash(value=text, length=3))
    probe.step("of the class", QuickCacheHelper._hash, "a")
    for value in ("\ud800", 5, None, b"a"):
        probe.kind("not hashable", helper._hash, value)
    probe.step("a bad length", helper._hash, "a", "b")
    probe.is_("a static method", type(QuickCacheHelper.__dict__["_hash"]).__name__)


@scenario
def serialize_itself(probe):
    serialize_for_key = serialize(probe)
    for value in ("a", b"a", b"\xff", 1, True, None, 1.0, [], {}, set(), (1, 2), uuid.UUID(int=1)):
        probe.step("code", serialize_for_key, value)
        probe.step("by name", lambda value=value: serialize_for_key(value=value))
    probe.step("no value", serialize_for_key)
    probe.step("two values", serialize_for_key, 1, 2)


@scenario
def values_changed_under_way(probe):
    key = keyed(probe).get_cache_key
    row: list = [1, 2]

    class Growing(int):
        def __str__(self):
            if len(row) < 6:
                row.append(len(row))
            return "growing"

    row.insert(0, Growing(1))
    probe.step("a list that grows", key, row)
    table: dict = {}

    class Adding(int):
        def __str__(self):
            table[len(table)] = 1
            return "adding"

    table["a"] = Adding(1)
    probe.step("a dict that grows", key, table)
    bag: set = set()

    class Joining(int):
        def __str__(self):
            bag.add(len(bag) + 100)
            return "joining"

    bag.add(Joining(1))
    probe.step("a set that grows", key, bag)


@scenario
def the_soft_assertion(probe):
    quickcache = get_quickcache(vary_on=["x"], cache=probe.cache())

    def raising(ok, message):
        raise AssertionError(message)

    class Callable_:
        def __call__(self, *args, **kwargs):
            probe.note("object called", *args, **kwargs)
            return "ignored"

    def calling_back(ok, message):
        probe.note("again", decorated.get_cache_key("text"))

    for label, soft in (("raises", raising), ("an object", Callable_()), ("re-enters", calling_back)):
        decorated = quickcache(assert_function=soft)(lambda x: x)
        probe.step(label, decorated, b"\xff")
        probe.step("nested", decorated, [b"\xff", {b"\xfe": b"\xfd"}])
        probe.step("utf-8", decorated, b"a")
    for bad in (5, "text", lambda: None, lambda only: None):
        decorated = quickcache(assert_function=bad)(lambda x: x)
        probe.step("cannot be called so", decorated, b"\xff")
    helper = decorated.clear.__self__
    helper.encoding_assert = Callable_()
    probe.step("assigned", decorated, b"\xff")
