"""A hot hit binds its arguments as the function itself would, and refuses what the function refuses."""

import functools
import sys
from itertools import starmap

import pytest

from quickcache import MemoryCache, get_quickcache


class Name(str):
    """A keyword that is no exact str."""

    __slots__ = ()


def fresh_name(text):
    """The same text as another object: not interned."""
    return "".join([*text])


def plain(a, b):
    return a, b


def with_defaults(a, b=2):
    return a, b


def keyword_only(a, *, b=2):
    return a, b


def keyword_only_required(*, a, b):
    return a, b


def positional_only(a, b=2, /):
    return a, b


def positional_only_and_kwargs(a, b=2, /, **kwargs):
    return a, b


def with_args(a, b=2, *args):
    return a, b


def with_kwargs(a, b=2, **kwargs):
    return a, b


def with_everything(a, /, c=None, *args, b=2, **kwargs):
    return a, b


def only_keywords_collected(a=1, *args, b=2, **kwargs):
    return a, b


FUNCTIONS = [
    plain,
    with_defaults,
    keyword_only,
    keyword_only_required,
    positional_only,
    positional_only_and_kwargs,
    with_args,
    with_kwargs,
    with_everything,
    only_keywords_collected,
]

# Calls of all forms: each is right for some of the functions and wrong for others.
FORMS = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 3), {}),
    ((1, 2, 3), {}),
    ((2, 1), {}),
    ((1,), {"b": 2}),
    ((1,), {"b": 3}),
    ((1,), {"a": 1}),
    ((1, 2), {"b": 2}),
    ((1,), {"c": 5}),
    ((1,), {"c": 5, "b": 3}),
    ((), {"a": 1, "b": 2}),
    ((), {"b": 2, "a": 1}),
    ((), {"b": 1, "a": 2}),
    ((), {"a": 1}),
    ((), {"b": 1}),
    ((1,), {"bogus": 1}),
    ((1,), {"a": 5, "b": 3}),
    ((1, 2), {"self": 1, "args": 2, "kwargs": 3}),
    ((), {fresh_name("a"): 1, fresh_name("b"): 3}),
    ((1,), {Name("b"): 3}),
    ((), {Name("a"): 3, "b": 4}),
    ((1,), {"\xe9": 1}),
    ((1,), {"": 1}),
]


def outcome(function, args, kwargs):
    """What a call returns or raises."""
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        return f"TypeError: {error}"


def is_error(told):
    return str(told).startswith("TypeError")


def forms_of(function, *, right):
    """The calls that the function takes, or refuses.

    Not those that name a positional-only parameter: 0.5.4 binds by inspect.getcallargs, which lets them.
    """
    positional_only = function.__code__.co_varnames[: function.__code__.co_posonlyargcount]
    clear = [form for form in FORMS if not {*positional_only} & {*form[1]}]
    return [form for form in clear if is_error(outcome(function, *form)) is not right]


def decorated(function):
    """The function, decorated in a memory of its own; it returns what it varies on."""
    return get_quickcache(cache=MemoryCache())(["a", "b"])(function)


@pytest.mark.parametrize("function", FUNCTIONS)
class TestForms:
    def test_give_what_the_function_gives(self, function):
        cached = decorated(function)
        forms = forms_of(function, right=True)
        expected = [outcome(function, *form) for form in forms]

        for _ in range(5):
            assert expected == [outcome(cached, *form) for form in forms]

    def test_that_are_wrong_raise_the_same_before_a_hit_is_hot_and_after(self, function):
        wrong, right = forms_of(function, right=False), forms_of(function, right=True)
        cached = decorated(function)
        cold = [outcome(cached, *form) for form in wrong]
        for _ in range(5):
            for form in right:
                outcome(cached, *form)

        assert all(is_error(told) for told in cold)
        assert cold == [outcome(cached, *form) for form in wrong]
        assert [outcome(function, *form) for form in right] == [outcome(cached, *form) for form in right]

    def test_through_partials_and_calls_from_c_are_the_same(self, function):
        cached = decorated(function)
        for args, kwargs in forms_of(function, right=True):
            expected = outcome(function, args, kwargs)
            for _ in range(4):
                assert expected == functools.partial(cached, *args, **kwargs)()
                assert expected == functools.partial(cached, **kwargs)(*args)
                assert expected == cached.__call__(*args, **kwargs)
                assert expected == next(starmap(functools.partial(cached, **kwargs), [args]))


class TestPositionalOnly:
    def test_by_name_are_bound_as_in_the_original_where_there_is_a_hit(self, hot):
        """By inspect.getcallargs, which knows of none; only the function itself refuses them."""
        cached = decorated(positional_only)
        with pytest.raises(TypeError, match="positional-only"):
            cached(a=1)
        hot(cached, 1)

        assert [(1, 2)] * 3 == [cached(a=1), cached(a=1, b=2), cached(1, b=2)]
        with pytest.raises(TypeError, match="positional-only"):
            cached(a=2)

    def test_leave_their_names_to_the_keywords(self, hot):
        """By getcallargs, `a=7` would be the parameter's, and `f(7)` be given the value of `f(a=7)`."""

        @get_quickcache(cache=MemoryCache())(["a"])
        def f(a=5, /, **kwargs):
            return (a, kwargs)

        assert (5, {"a": 7}) == f(a=7) == hot(f, a=7)
        assert (7, {}) == f(7) == hot(f, 7)
        assert (8, {"a": 1}) == hot(f, 8, a=1)
        assert f.get_cache_key(a=7) == f.get_cache_key()

    def test_cannot_be_given_by_name_where_there_are_keywords(self, hot):
        @get_quickcache(cache=MemoryCache())(["a"])
        def f(a, /, **kwargs):
            return (a, kwargs)

        hot(f, 1)
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
            f(a=1)


class TestWrongArguments:
    """On what would be a hit otherwise."""

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1, 2), {"x": 1}), ((1, 2), {"b": 2})],
    )
    @pytest.mark.parametrize("varies", [["a", "b"], ["a"], [], lambda a, b: [a, b]])
    def test_raise_the_same_error_hot_and_cold(self, args, kwargs, varies, hot):
        def function(a, b):
            return a, b

        cached = get_quickcache(cache=MemoryCache())(varies)(function)
        cold = outcome(cached, args, kwargs)
        hot(cached, 1, 2)

        assert cold.startswith("TypeError")
        assert [cold] * 3 == [outcome(cached, args, kwargs) for _ in range(3)]
        assert (1, 2) == cached(1, 2)

    def test_never_reach_the_function(self, hot):
        entered = []

        @get_quickcache(cache=MemoryCache())([])
        def function(a):
            entered.append(a)

        hot(function, 1)
        for args in ((), (1, 2)):
            with pytest.raises(TypeError):
                function(*args)
        assert [1] == entered


class TestDefaults:
    """Those that a function has now, not those that it had when it was decorated."""

    def test_changed_after_hot_hits_count(self, hot):
        @get_quickcache(cache=MemoryCache())(["a", "b"])
        def cached(a, b=2):
            return a, b

        function = cached.__wrapped__
        for defaults in ((3,), ([4],), (1, 5), None, (2,), ()):
            hot(cached, 1, b=2)
            function.__defaults__ = defaults
            if not defaults:
                with pytest.raises(TypeError):
                    cached(1)
                continue
            assert (1, defaults[-1]) == hot(cached, 1)

    def test_of_keywords_changed_after_hot_hits_count(self, hot):
        @get_quickcache(cache=MemoryCache())(["a", "b"])
        def cached(a, *, b=2):
            return a, b

        function = cached.__wrapped__
        for defaults in ({"b": 3}, {"b": 4, "x": 1}, None, {"b": 2}, {}):
            hot(cached, 1, b=2)
            function.__kwdefaults__ = defaults
            if not defaults:
                with pytest.raises(TypeError):
                    cached(1)
                continue
            assert (1, defaults["b"]) == hot(cached, 1)
        function.__kwdefaults__ = {"b": 7}
        assert (1, 7) == hot(cached, 1)
        function.__kwdefaults__["b"] = 8
        assert (1, 8) == hot(cached, 1)

    def test_that_are_changed_in_place_count(self, hot):
        shared = [1]

        @get_quickcache(cache=MemoryCache())(["a"])
        def cached(a=shared):
            return list(a)

        assert [1] == hot(cached)
        shared.append(2)
        assert [1, 2] == hot(cached)

    def test_of_the_decorated_function_say_nothing(self, hot):
        """It takes whatever it is given: its own defaults are none."""

        @get_quickcache(cache=MemoryCache())(["a"])
        def cached(a, b=2):
            return a, b

        hot(cached, 1)
        cached.__defaults__ = (5,)
        cached.__kwdefaults__ = {"a": 6}
        assert (1, 2) == hot(cached, 1)


class TestAnotherFunction:
    def test_whose_code_is_replaced_is_bound_by_its_new_parameters(self, hot):
        @get_quickcache(cache=MemoryCache())(["a"])
        def cached(a, b):
            return "first", a, b

        hot(cached, 1, 2)

        def second(b, a):
            return "second", a, b

        cached.__wrapped__.__code__ = second.__code__
        assert ("first", 1, 2) == cached(2, 1)
        assert ("second", 3, 2) == hot(cached, 2, 3)

    def test_in_the_place_of_the_helpers_is_called(self, hot):
        @get_quickcache(cache=MemoryCache())(["a"])
        def cached(a):
            return "first", a

        hot(cached, 1)
        cached.clear.__self__.fn = lambda x, a=5: ("second", x, a)

        assert ("second", 1, 5) == hot(cached, 1)
        assert ("first", 1) == cached(9, 1)


def test_many_parameters_are_all_told_apart(hot):
    names = [f"p{i}" for i in range(70)]
    for count in (1, 2, 6, 7, 63, 64, 65, 70):
        used = names[:count]
        space = {}
        exec(f"def function({', '.join(used)}): return ({', '.join(used)},)", space)  # noqa: S102
        function = space["function"]
        helper_class = with_prefix(count)
        cached = get_quickcache(cache=MemoryCache(), helper_class=helper_class)(used)(function)
        values = list(range(count))
        assert tuple(values) == hot(cached, *values)
        for place in (0, count // 2, count - 1):
            other = values.copy()
            other[place] = "other"
            assert tuple(other) == hot(cached, *other)
            assert tuple(other) == hot(cached, **dict(zip(used, other, strict=True)))
        assert tuple(values) == cached(*values)


def with_prefix(number):
    """A helper class for functions that have no source to be read."""
    from quickcache import QuickCacheHelper

    class Helper(QuickCacheHelper):
        def __init__(self, fn, **options):
            fn.__wrapped__ = plain
            super().__init__(fn, **options)
            del fn.__wrapped__
            self.prefix = f"many{number}"

    return Helper


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 calls the body")
def test_a_hit_by_any_form_enters_no_python(hot, entered):
    """That the forms above are those of the entry, and not of the body alone."""
    cached = decorated(plain)
    for args, kwargs in forms_of(plain, right=True):
        hot(cached, *args, **kwargs)
        has_odd_names = any(type(name) is Name for name in kwargs)
        assert has_odd_names or [] == entered(cached, *args, **kwargs)
