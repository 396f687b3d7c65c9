"""Where this quickcache leaves 0.5.4 on purpose: the whole list, with what each side does.

Sections are those of the design. "No stampede protection" (section 7) is not here:
it is not built yet.
"""

# What each side does is stated verbatim.
# ruff: noqa: E501

from typing import NamedTuple

import compat_sides
import pytest


class Deviation(NamedTuple):
    """A scenario, why the sides differ in it, and all that each does."""

    scenario: str
    reason: str
    original: str
    ours: str


DEVIATIONS = [
    Deviation(
        "generators_and_coroutines",
        "Section 7: async functions and generators are cached as spent objects; here a TypeError at decoration.",
        r"""
a generator:
  -> function <function generators_and_coroutines.<locals>.generator at 0x...>
consumed once:
  -> list [1]
consumed twice:
  -> list []
coroutine:
  -> str 'coroutine'
asynchronous_generator:
  -> str 'asynchronous_generator'
""",
        r"""
a generator:
  -> raised TypeError: ('cannot cache generator: it is a generator function, and what its call returns can be used only once. Cache a function that returns the finished value, such as a list.',)
coroutine:
  -> raised TypeError: ('cannot cache coroutine: it is a coroutine function, and what its call returns can be used only once. Cache a function that returns the finished value, such as a list.',)
asynchronous_generator:
  -> raised TypeError: ('cannot cache asynchronous_generator: it is an asynchronous generator function, and what its call returns can be used only once. Cache a function that returns the finished value, such as a list.',)
""",
    ),
    Deviation(
        "a_keyword_named_self",
        "Section 7: a keyword named `self` collides; here it works.",
        r"""
call:
  -> raised TypeError: ("QuickCacheHelper.__call__() got multiple values for argument 'self'",)
key:
  -> raised TypeError: ("QuickCacheHelper.get_cache_key() got multiple values for argument 'self'",)
clear:
  -> raised TypeError: ("QuickCacheHelper.clear() got multiple values for argument 'self'",)
""",
        r"""
call:
  -> tuple (5, 1)
key:
  -> str 'n5'
clear:
  -> NoneType None
""",
    ),
    Deviation(
        "a_keyword_named_as_a_positional_only_argument",
        "A right call was keyed as another, and answered with its value: one of the `**kwargs` is no parameter.",
        r"""
by keyword:
  -> tuple (5, [('a', 7)])
by place:
  -> tuple (5, [('a', 7)])
""",
        r"""
by keyword:
  -> tuple (5, [('a', 7)])
by place:
  -> tuple (7, [])
""",
    ),
    Deviation(
        "a_clear_during_a_call",
        "Section 3: a clear always wins, over what was computed before it as well.",
        r"""
call:
  -> int 5
peek:
  -> int 5
""",
        r"""
call:
  -> int 5
peek:
  -> ellipsis Ellipsis
""",
    ),
    Deviation(
        "keyword_only_arguments",
        "Section 7: keyword-only arguments cannot be varied on (nor skipped by); here they can.",
        r"""
vary_on:
  -> raised ValueError: ('We cannot vary on "k" because the function keyword_only has no such argument',)
skip_arg:
  -> raised ValueError: ('We cannot use "k" as the "skip" parameter because the function keyword_only has no such argument',)
""",
        r"""
vary_on:
  -> function <function keyword_only_arguments.<locals>.keyword_only at 0x...>
call:
    called(int 1, int 2)
  -> tuple (1, 2)
hit:
  -> tuple (1, 2)
default:
    called(int 3, int 1)
  -> tuple (3, 1)
skip_arg:
  -> function <function keyword_only_arguments.<locals>.keyword_only at 0x...>
skipping:
    called(int 1, int 2)
  -> tuple (1, 2)
not skipping:
  -> tuple (1, 2)
""",
    ),
    Deviation(
        "the_default_assert_function",
        "Section 7: the default assert_function speaks only for true assertions; here for false ones.",
        r"""
true:
    warning DeprecationWarning(str "The 'warn' method is deprecated, use 'warning' instead")
    log quickcache WARNING(str 'a message')
  -> NoneType None
false:
  -> NoneType None
bytes that are not utf-8:
  -> str 'u00594fd4f42ba43fc1ca0427a0576295'
""",
        r"""
true:
  -> NoneType None
false:
    log quickcache WARNING(str 'a message')
  -> NoneType None
bytes that are not utf-8:
    log quickcache WARNING(str 'Non-utf8 encoded string used as cache vary on')
  -> str 'u00594fd4f42ba43fc1ca0427a0576295'
""",
    ),
    Deviation(
        "a_helper_without_assert_function",
        "Section 7: a hand-made helper fails on bytes that are not utf-8; here it uses the default.",
        r"""
not utf-8:
  -> raised TypeError: ("'NoneType' object is not callable",)
""",
        r"""
not utf-8:
    log quickcache WARNING(str 'Non-utf8 encoded string used as cache vary on')
  -> str 'u00594fd4f42ba43fc1ca0427a0576295'
""",
    ),
    Deviation(
        "overridden_django_caches",
        "Section 7: Django caches are fetched once, at decoration; here override_settings is followed.",
        r"""
call:
  -> str 'value'
kept in the overriding cache:
  -> int 0
""",
        r"""
call:
  -> str 'value'
kept in the overriding cache:
  -> int 1
""",
    ),
    Deviation(
        "no_timeouts_at_all",
        "Section 7: both timeouts 0 silently cache nothing; here with a warning.",
        r"""
decorate:
  -> NoneType None
call:
    called()
  -> NoneType None
call again:
    called()
  -> NoneType None
""",
        r"""
decorate:
    warning NothingCachedWarning(str 'nothing will be cached: no tier was given a timeout of more than 0. Give at least one tier a timeout in seconds.')
  -> NoneType None
call:
    called()
  -> NoneType None
call again:
    called()
  -> NoneType None
""",
    ),
    Deviation(
        "deprecated_presets_copied",
        "Section 7: CacheWithTimeout cannot be pickled or copied; here it can.",
        r"""
copied:
    warning DeprecationWarning(str 'CacheWithTimeout is deprecated. Please use CacheWithPresets instead.')
  -> raised TypeError: ('CacheWithTimeout.__new__() takes 3 positional arguments but 4 were given',)
pickled:
  -> raised TypeError: ('CacheWithTimeout.__new__() takes 3 positional arguments but 4 were given',)
""",
        r"""
copied:
    warning DeprecationWarning(str 'CacheWithTimeout is deprecated. Please use CacheWithPresets instead.')
  -> CacheWithTimeout CacheWithTimeout(cache='cache', timeout=60, prefix_function=None)
pickled:
  -> CacheWithTimeout CacheWithTimeout(cache='cache', timeout=60, prefix_function=None)
""",
    ),
    Deviation(
        "an_iterator_of_tiers",
        "Section 7: an iterator of tiers is used up by the first operation; here it is made a list.",
        r"""
set:
    one.set(str 'key', str 'value')
    two.set(str 'key', str 'value')
  -> NoneType None
get:
  -> NoneType None
""",
        r"""
set:
    one.set(str 'key', str 'value')
    two.set(str 'key', str 'value')
  -> NoneType None
get:
    one.get(str 'key', default=ellipsis Ellipsis)
  -> str 'value'
""",
    ),
    Deviation(
        "more_types_of_values",
        "Sections 2 and 7: more types have keys, none of which 0.5.4 makes for anything.",
        r"""
frozenset:
  -> raised ValueError: ('Bad type "<class \'frozenset\'>": frozenset({1})',)
date:
  -> raised ValueError: ('Bad type "<class \'datetime.date\'>": 2020-02-29',)
time:
  -> raised ValueError: ('Bad type "<class \'datetime.time\'>": 01:02:03',)
timedelta:
  -> raised ValueError: ('Bad type "<class \'datetime.timedelta\'>": 1 day, 0:00:00.000005',)
Decimal:
  -> raised ValueError: ('Bad type "<class \'decimal.Decimal\'>": 1.50',)
Colour:
  -> raised ValueError: ('Bad type "<enum \'Colour\'>": Colour.RED',)
Path:
  -> raised ValueError: ('Bad type "<class \'compat_scenarios.deviations.more_types_of_values.<locals>.Path\'>": a/b',)
Own:
  -> raised ValueError: ('Bad type "<class \'compat_scenarios.deviations.more_types_of_values.<locals>.Own\'>": Own()',)
still refused:
  -> raised ValueError: ('Bad type "<class \'fractions.Fraction\'>": 1/2',)
""",
        r"""
frozenset:
  -> str 'Sc82561ec215a6e31807ceedf3b3bd25e'
date:
  -> str 'd2020-02-29'
time:
  -> str 't01:02:03'
timedelta:
  -> str 'i1:0:5'
Decimal:
  -> str 'c1.50'
Colour:
  -> str 'E3846c1ca9d7805f0baabb386650fddb6'
Path:
  -> str 'p7e1127a64d4f4805d951aaede3811dca'
Own:
  -> str 'Q4e6bc0f2f94c8ed4b845adf94fa6bedc'
still refused:
  -> raised ValueError: ('Bad type "<class \'fractions.Fraction\'>": 1/2',)
""",
    ),
    Deviation(
        "lazy_text",
        "Sections 2 and 7: Django's lazy text has the key of its text.",
        r"""
lazy text:
  -> str 'refused'
""",
        r"""
lazy text:
  -> bool True
""",
    ),
    Deviation(
        "the_edge_of_the_calendar",
        "Section 7: an aware datetime at the calendar's edge is an OverflowError; here it has a key.",
        r"""
the first hour, east:
  -> raised OverflowError: ('date value out of range',)
the last hour, west:
  -> raised OverflowError: ('date value out of range',)
away from the edge:
  -> str 'DT9999-12-31T22:00:00+00:00'
""",
        r"""
the first hour, east:
  -> str 'DT0001-01-01T00:00:00+05:00'
the last hour, west:
  -> str 'DT9999-12-31T23:00:00-05:00'
away from the edge:
  -> str 'DT9999-12-31T22:00:00+00:00'
""",
    ),
    Deviation(
        "two_functions_of_one_text",
        "Section 2: two functions that share their keys are warned of.",
        r"""
decorate one:
  -> function <function one at 0x...>
decorate two:
  -> function <function two at 0x...>
one prefix:
  -> bool True
""",
        r"""
decorate one:
  -> function <function one at 0x...>
decorate two:
    warning KeyCollisionWarning(str "compat_scenarios.deviations.two and compat_scenarios.deviations.one share their cache keys (quickcache.same.5850bd5b/...), as functions of one name and source text do: within one cache, each is answered with the other's values. Change the text of one of them, or decorate both with key_format='qualified', which puts module and qualified name into the key.")
  -> function <function two at 0x...>
one prefix:
  -> bool True
""",
    ),
    Deviation(
        "an_element_that_raises_stop_iteration",
        "A container had the key of another one, that of the elements before the one that raises.",
        r"""
alone:
  -> raised RuntimeError: ('generator raised StopIteration',) from StopIteration
in a list:
  -> str 'Lc82561ec215a6e31807ceedf3b3bd25e'
the elements before it:
  -> str 'Lc82561ec215a6e31807ceedf3b3bd25e'
""",
        r"""
alone:
  -> raised RuntimeError: ('generator raised StopIteration',) from StopIteration
in a list:
  -> raised RuntimeError: ('generator raised StopIteration',) from StopIteration
the elements before it:
  -> str 'Lc82561ec215a6e31807ceedf3b3bd25e'
""",
    ),
]


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=[deviation.scenario for deviation in DEVIATIONS])
def test_deviation_is_exactly_this(original, ours, tally, deviation):
    """0.5.4 does what is stated of it, this quickcache what is stated of it, and the two differ."""
    expected, actual = (
        original.run(deviation.scenario, debug=False),
        ours.run(deviation.scenario, debug=False),
    )
    assert deviation.original.strip() == "\n".join(map(str, expected))
    assert deviation.ours.strip() == "\n".join(map(str, actual))
    assert compat_sides.differences(expected, actual)
    tally.deviations += 1


def test_every_deviation_has_its_scenario():
    """No scenario of deviations is without a row in the list, and none has two."""
    listed = [deviation.scenario for deviation in DEVIATIONS]

    assert sorted(listed) == sorted(compat_sides.scenario_names(deviating=True))
