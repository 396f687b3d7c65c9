"""The same objects again are the last call's answer only as long as they are the same values."""

import gc
import weakref

import pytest

from quickcache import MemoryCache, get_quickcache


@pytest.fixture
def cached():
    """A decorated function that returns what it varies on."""

    @get_quickcache(cache=MemoryCache())(["x", "y"])
    def compute(x, y=None):
        return repr((x, y))

    return compute


@pytest.fixture
def single():
    """The same of one parameter: all that a call gives is what it varies on."""

    @get_quickcache(cache=MemoryCache())(["x"])
    def compute(x):
        return repr(x)

    return compute


def fresh(text):
    """The same text as another object."""
    return "".join([*text])


class TestTheSameObject:
    @pytest.mark.parametrize(
        ("make", "change"),
        [
            (lambda: [1], lambda value: value.append(2)),
            (lambda: ([1],), lambda value: value[0].append(2)),
            (lambda: {"a": 1}, lambda value: value.update(a=2)),
            (lambda: {1}, lambda value: value.add(2)),
            (lambda: (1, (2, {"a": [3]})), lambda value: value[1][1]["a"].clear()),
        ],
        ids=["list", "list in a tuple", "dict", "set", "deep in a tuple"],
    )
    def test_that_changed_is_another_value(self, single, cached, make, change):
        value = make()
        for _ in range(200):
            assert (repr(value), repr((value, 1))) == (single(value), cached(value, 1))
        change(value)
        assert (repr(value), repr((value, 1))) == (single(value), cached(value, 1))
        assert (repr(make()), repr((make(), 1))) == (single(make()), cached(make(), 1))

    def test_in_another_place_is_another_call(self, cached, hot):
        one, two = fresh("one"), fresh("two")
        for _ in range(3):
            assert "('one', 'two')" == hot(cached, one, two)
            assert "('two', 'one')" == hot(cached, two, one)
            assert "('one', None)" == hot(cached, one)
            assert "('one', 'one')" == hot(cached, one, one)

    def test_by_other_names_is_another_call(self, cached, hot):
        one, two = fresh("one"), fresh("two")
        for _ in range(3):
            assert "('one', 'two')" == hot(cached, x=one, y=two)
            assert "('two', 'one')" == hot(cached, y=one, x=two)
            assert "('two', 'one')" == hot(cached, x=two, y=one)
            assert "('one', 'two')" == hot(cached, one, y=two)

    def test_of_one_call_and_of_more_arguments_is_an_error(self, cached, hot):
        one = fresh("one")
        hot(cached, one, one)
        for wrong in ((), (one, one, one)):
            with pytest.raises(TypeError):
                cached(*wrong)
        with pytest.raises(TypeError):
            cached(one, x=one)
        with pytest.raises(TypeError):
            cached(one, z=one)
        with pytest.raises(TypeError):
            cached(one, one, y=one)
        assert "('one', 'one')" == cached(one, one)


class TestDefaults:
    def test_that_change_between_two_calls_of_the_same_objects_count(self, cached):
        one = fresh("one")
        function = cached.__wrapped__
        for _ in range(3):
            for default in ("a", "b", None):
                function.__defaults__ = (default,)
                assert [repr(("one", default))] * 100 == [cached(one) for _ in range(100)]
        function.__defaults__ = None
        with pytest.raises(TypeError):
            cached(one)

    def test_that_begin_to_skip_between_two_calls_of_the_same_objects_count(self):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg="skip")
        def compute(x, skip=False):
            computed.append(x)
            return len(computed)

        one = fresh("one")
        assert {1} == {compute(one) for _ in range(100)}
        compute.__wrapped__.__defaults__ = (True,)
        assert [2, 3] == [compute(one), compute(one)]
        compute.__wrapped__.__defaults__ = (False,)
        assert {3} == {compute(one) for _ in range(100)}


class TestAnotherObject:
    def test_at_the_address_of_one_that_died_is_another_value(self, single):
        """A memo of addresses alone would take one for the other."""
        for number in range(300):
            for make in (str, "text numb\xe9r {}".format, lambda number: (number + 10**20, number)):
                value = make(number)
                assert {repr(value)} == {single(value) for _ in range(6)}
                del value

    def test_of_the_same_value_finds_the_same_answer(self, single, hot):
        first = hot(single, fresh("text"))
        assert [first] * 200 == [single(fresh("text")) for _ in range(200)]

    def test_that_only_equals_it_is_told_apart(self, single):
        for value in [1, True, 1.0] * 3:
            assert {repr(value)} == {single(value) for _ in range(100)}


class TestWhatIsRemembered:
    def test_is_lost_with_the_value(self, hot):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"])
        def compute(x):
            computed.append(x)
            return len(computed)

        text = fresh("text")
        for number in range(1, 20):
            assert {number} == {compute(text) for _ in range(10)}
            compute.clear(text)

    def test_is_no_argument_that_has_more_to_it(self, cached):
        """What may lead to other objects dies as soon as its caller lets go of it."""

        class Owner:
            id = 1

        @get_quickcache(cache=MemoryCache())(["x.id", "y"])
        def compute(x, y=None):
            return 1

        owner = Owner()
        died = weakref.ref(owner)
        for _ in range(300):
            compute(owner, fresh("text"))
        del owner
        assert died() is None

    def test_is_no_argument_that_nothing_varies_on(self):
        class Request:
            pass

        @get_quickcache(cache=MemoryCache())(["x"])
        def compute(x, request=None):
            return x

        for by_name in (False, True):
            request = Request()
            died = weakref.ref(request)
            for _ in range(300):
                compute("text", request=request) if by_name else compute("text", request)
            del request
            assert died() is None

    def test_goes_with_the_function(self, hot):
        class Text(str):
            __slots__ = ("__weakref__",)

        @get_quickcache(cache=MemoryCache())(["x", "y"])
        def compute(x, y):
            return 1

        function = weakref.ref(compute)
        for _ in range(300):
            compute(fresh("text"), Text("y"))
        del compute
        gc.collect()
        assert function() is None
