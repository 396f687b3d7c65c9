"""What a call asks of its user, it asks once, in the order of 0.5.4, also when it is a hot hit."""

import pytest

from quickcache import CacheWithPresets, ForceSkipCache, MemoryCache, TieredCache, get_quickcache


class Asked(list):
    """Notes what was asked; `told` is that since it was last told."""

    def told(self):
        told = self[:]
        self.clear()
        return told


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def owner(asked):
    class Owner:
        def __init__(self, id_):
            self.hidden = id_

        @property
        def id(self):
            asked.append("id")
            return self.hidden

        def __bool__(self):
            asked.append("bool")
            return True

        def __eq__(self, other):
            asked.append("eq")
            return True

        def __hash__(self):
            asked.append("hash")
            return 1

    return Owner(1)


def presets(asked, memory, **state):
    """A cache whose prefix function notes its calls; `state["prefix"]` is its text, or an error."""

    def prefix():
        asked.append("prefix")
        if isinstance(state["prefix"], type):
            raise state["prefix"]
        return state["prefix"]

    return CacheWithPresets(memory, 60, prefix), state


class TestOrder:
    def test_of_all_that_is_asked_at_a_hot_hit(self, asked, owner, hot):
        cache, _ = presets(asked, MemoryCache(), prefix="p")

        def skip(owner, x):
            asked.append("skip")
            return False

        @get_quickcache(cache=cache)(["owner.id", "x"], skip_arg=skip)
        def cached(owner, x):
            asked.append("function")
            return x

        cached(owner, 1)
        assert ["skip", "id", "prefix", "function", "prefix"] == asked.told()
        for _ in range(6):
            cached(owner, 1)
            assert ["skip", "id", "prefix"] == asked.told()
            cached(x=1, owner=owner)
            assert ["skip", "id", "prefix"] == asked.told()

    def test_of_a_vary_on_function(self, asked, hot):
        cache, _ = presets(asked, MemoryCache(), prefix="p")

        def vary_on(x):
            asked.append("vary_on")
            return [x]

        def skip(x):
            asked.append("skip")

        @get_quickcache(cache=cache)(vary_on, skip_arg=skip)
        def cached(x):
            asked.append("function")
            return x

        cached(1)
        assert ["skip", "vary_on", "prefix", "function", "prefix"] == asked.told()
        for _ in range(6):
            cached(1)
            assert ["skip", "vary_on", "prefix"] == asked.told()

    def test_of_several_attributes_is_that_of_vary_on(self, asked, hot):
        class Owner:
            def __getattr__(self, name):
                asked.append(name)
                return name

        @get_quickcache(cache=MemoryCache())(["b.two", "a.one", "b.three"])
        def cached(a, b):
            return 1

        one, other = Owner(), Owner()
        for _ in range(6):
            cached(one, other)
            assert ["two", "one", "three"] == asked.told()

    def test_of_a_key_of_ones_own_is_after_all_attributes(self, asked, hot):
        class Keyed:
            def __quickcache_key__(self):
                asked.append("key")
                return 1

        class Owner:
            @property
            def id(self):
                asked.append("id")
                return 2

        cache, _ = presets(asked, MemoryCache(), prefix="p")

        @get_quickcache(cache=cache)(["keyed", "owner.id"])
        def cached(keyed, owner):
            return 1

        cached(Keyed(), Owner())
        asked.clear()
        for _ in range(6):
            cached(Keyed(), Owner())
            assert ["id", "key", "prefix"] == asked.told()

    def test_of_wrong_arguments_is_none(self, asked, owner, hot):
        cache, _ = presets(asked, MemoryCache(), prefix="p")

        @get_quickcache(cache=cache)(["owner.id"])
        def cached(owner):
            return 1

        hot(cached, owner)
        asked.clear()
        for _ in range(3):
            with pytest.raises(TypeError):
                cached(owner, 2)
            assert [] == asked.told()

    def test_of_a_value_that_has_no_key_ends_before_the_prefix(self, asked, hot):
        cache, _ = presets(asked, MemoryCache(), prefix="p")

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return 1

        hot(cached, 1)
        asked.clear()
        for _ in range(3):
            with pytest.raises(ValueError, match="Bad type"):
                cached(object())
            assert [] == asked.told()

    def test_of_values_that_the_prefix_changes_is_key_first(self, hot):
        """0.5.4 made the key before it asked for the prefix: what that does to arguments comes too late."""
        argument, changes = [3], []

        def prefix():
            argument[:] = changes or argument
            return "p"

        @get_quickcache(cache=CacheWithPresets(MemoryCache(), 60, prefix))(["x"])
        def cached(x):
            return [*x]

        assert [2] == hot(cached, [2])
        cached.set_cached_value([3]).to("of three")
        changes.append(2)
        found = cached(argument)
        changes.clear()

        assert ("of three", "of three", [2]) == (found, hot(cached, [3]), hot(cached, [2]))


# Prefixes, and the computation that each is to find.
TEXTS = [("a", 1), ("b", 2), ("", 3), ("\xe9", 4), ("a" * 300, 5)]


class TestAPrefix:
    def test_that_changes_is_that_of_the_call(self, asked, hot):
        cache, state = presets(asked, MemoryCache(), prefix="a")
        computed = []

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            computed.append(x)
            return len(computed)

        for prefix, expected in [*TEXTS, *TEXTS]:
            state["prefix"] = prefix
            assert expected == hot(cached, 1)
        for prefix, expected in TEXTS * 3:
            state["prefix"] = prefix
            assert expected == cached(1)

    @pytest.mark.parametrize("is_tiered", [False, True])
    def test_that_says_skip_has_the_function_called(self, asked, is_tiered, hot):
        cache, state = presets(asked, MemoryCache(), prefix="a")
        computed = []

        @get_quickcache(cache=TieredCache([cache]) if is_tiered else cache)(["x"])
        def cached(x):
            computed.append(x)
            return len(computed)

        assert 1 == hot(cached, 1)
        asked.clear()
        state["prefix"] = ForceSkipCache
        assert [2, 3, 4] == [cached(1) for _ in range(3)]
        assert ["prefix", "prefix"] * 3 == asked.told()
        state["prefix"] = "a"
        assert [1, 1] == [cached(1), hot(cached, 1)]

    def test_that_says_skip_in_a_subclass_of_the_error(self, asked, hot):
        class Skip(ForceSkipCache):
            pass

        cache, state = presets(asked, MemoryCache(), prefix="a")

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return len(asked)

        first = hot(cached, 1)
        state["prefix"] = Skip
        assert first != cached(1)
        state["prefix"] = "a"
        assert first == cached(1)

    def test_that_raises_is_that_error(self, asked, hot):
        cache, state = presets(asked, MemoryCache(), prefix="a")

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return x

        hot(cached, 1)
        state["prefix"] = LookupError
        for _ in range(3):
            with pytest.raises(LookupError):
                cached(1)
        state["prefix"] = "a"
        assert 1 == cached(1)

    @pytest.mark.parametrize("prefix", [1, None, b"a", ("a",)])
    def test_that_is_no_text_is_a_type_error_hot_and_cold(self, asked, prefix, hot):
        cache, state = presets(asked, MemoryCache(), prefix="a")

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return x

        hot(cached, 1)
        state["prefix"] = prefix
        for _ in range(4):
            with pytest.raises(TypeError):
                cached(1)

    def test_and_the_last_value_are_told_apart(self, asked, hot):
        """Neither is read into the other."""
        cache, state = presets(asked, MemoryCache(), prefix="")

        @get_quickcache(cache=cache)(["x"])
        def cached(x):
            return x, state["prefix"]

        for _ in range(3):
            for text in ("ab", "a", "b", "", "aab"):
                for prefix in ("ab", "a", "b", "", "aab"):
                    state["prefix"] = prefix
                    assert (text, prefix) == hot(cached, text)


class TestSkipArg:
    @pytest.mark.parametrize("x", [1, "text"])
    def test_by_name_skips_whenever_it_is_true(self, asked, x, hot):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg="skip")
        def cached(x, skip=False, *, other=None):
            computed.append(skip)
            return len(computed)

        assert 1 == hot(cached, x)
        expected = 1
        for skip in (True, 1, "yes", [0], 0.1):
            expected += 1
            assert expected == cached(x, skip)
            assert expected == hot(cached, x)
            expected += 1
            assert expected == cached(x, skip=skip)
            assert [expected] * 5 == [cached(x, no) for no in (False, 0, "", [], None)]
            assert [expected] * 5 == [cached(x, skip=no) for no in (False, 0, "", [], None)]

    def test_by_name_asks_an_object_once_whether_it_is_true(self, asked, hot):
        class Flag:
            def __init__(self, is_true):
                self.is_true = is_true

            def __bool__(self):
                asked.append("bool")
                return self.is_true

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg="skip")
        def cached(x, skip=None):
            return len(asked)

        hot(cached, 1)
        for _ in range(3):
            cached(1, Flag(False))
            assert ["bool"] == asked.told()
            cached(1, skip=Flag(True))
            assert ["bool"] == asked.told()

    def test_by_a_default_that_changes(self, hot):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg="skip")
        def cached(x, skip=False):
            computed.append(skip)
            return len(computed)

        assert 1 == hot(cached, 1)
        cached.__wrapped__.__defaults__ = (True,)
        assert [2, 3] == [cached(1), cached(1)]
        cached.__wrapped__.__defaults__ = (False,)
        assert [3, 3] == [cached(1), cached(1)]

    def test_by_a_function_is_asked_once_with_the_calls_own_arguments(self, asked, hot):
        def skip(*args, **kwargs):
            asked.append((args, kwargs))
            return kwargs.get("y") == "skip"

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg=skip)
        def cached(x, y=None):
            return [x, y]

        hot(cached, 1)
        asked.clear()
        for args, kwargs in [((1,), {}), ((1, 2), {}), ((), {"y": 3, "x": 1}), ((1,), {"y": "skip"})]:
            for _ in range(3):
                cached(*args, **kwargs)
                assert [(args, kwargs)] == asked.told()

    def test_by_a_function_that_raises_is_that_error(self, hot):
        def skip(x):
            if raises:
                raise LookupError
            return False

        @get_quickcache(cache=MemoryCache())(["x"], skip_arg=skip)
        def cached(x):
            return x

        raises = []
        hot(cached, 1)
        raises.append(1)
        with pytest.raises(LookupError):
            cached(1)
        raises.clear()
        assert 1 == cached(1)

    def test_exchanged_on_the_helper_counts_at_once(self, hot):
        computed = []

        @get_quickcache(cache=MemoryCache())(["x"])
        def cached(x, y=False):
            computed.append(x)
            return len(computed)

        assert 1 == hot(cached, 1)
        helper = cached.clear.__self__
        helper.skip_arg = "y"
        assert [1, 2, 2] == [cached(1), cached(1, y=True), cached(1)]
        helper.skip_arg = lambda x, y=False: True
        assert [3, 4] == [cached(1), cached(1)]
        helper.skip_arg = None
        assert [4, 4] == [cached(1), cached(1)]


SHAPES = {
    "list": list,
    "tuple": tuple,
    "iterator": iter,
    "generator": lambda items: (item for item in items),
    "dict": dict.fromkeys,
    "map": lambda items: map(str, items),
}


class TestVaryOnFunctions:
    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    def test_are_called_once_and_their_values_read_once(self, asked, shape, hot):
        def vary_on(x, y=0):
            asked.append((x, y))
            return shape([x, y])

        computed = []

        @get_quickcache(cache=MemoryCache())(vary_on)
        def cached(x, y=0):
            computed.append((x, y))
            return x, y

        for _ in range(5):
            for args in ((1, 2), (1, 3), (2, 1), (1, 0)):
                assert args == cached(*args)
                assert [args] == asked.told()
        assert [(1, 2), (1, 3), (2, 1), (1, 0)] == computed

    def test_whose_generator_raises_give_that_error(self, hot):
        def vary_on(x):
            yield x
            if x == "raise":
                raise LookupError

        @get_quickcache(cache=MemoryCache())(vary_on)
        def cached(x):
            return x

        for _ in range(3):
            assert 1 == hot(cached, 1)
            with pytest.raises(LookupError):
                cached("raise")

    def test_that_return_a_text_vary_on_its_letters(self, hot):
        @get_quickcache(cache=MemoryCache())(lambda x: x)
        def cached(x):
            return x

        for _ in range(3):
            assert ["ab", "ba", ""] == [hot(cached, text) for text in ("ab", "ba", "")]

    def test_of_more_or_fewer_values_are_told_apart(self, hot):
        @get_quickcache(cache=MemoryCache())(lambda *args: args)
        def cached(*args):
            return args

        for _ in range(3):
            for args in ((), (1,), (1, 2), ((1, 2),), ((1,), 2), (1, (2,)), (None,), ((),), ((), ())):
                assert args == hot(cached, *args)

    def test_that_return_a_list_of_their_own_see_it_unchanged(self, hot):
        values = [1, 2]

        @get_quickcache(cache=MemoryCache())(lambda: values)
        def cached():
            return [*values]

        assert [1, 2] == hot(cached)
        values.append(3)
        assert [1, 2, 3] == hot(cached)
        assert [1, 2, 3] == values


class TestAssertFunction:
    def test_hears_of_doubtful_bytes_at_each_call(self, asked, hot):
        @get_quickcache(cache=MemoryCache(), assert_function=lambda ok, message: asked.append(ok))(["x"])
        def cached(x):
            return x

        for _ in range(6):
            cached(b"\xff")
            assert [False] == asked.told()
            cached(b"ascii")
            cached("\xe9".encode())
            assert [] == asked.told()
