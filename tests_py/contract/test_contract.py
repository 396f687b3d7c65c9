"""What every tier does, whichever it is."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from quickcache import get_quickcache

WIRE_KEY = "quickcache.permissions.0123abcd/u9dd4e461268c8034f5c8564e155c67a6,n5"

VALUES = [
    None,
    False,
    True,
    0,
    -1,
    2**200,
    1.5,
    float("inf"),
    "",
    "text",
    "\N{SNOWMAN}\x00\n",
    b"",
    b"\xff\x00",
    (),
    (1, (2, [3])),
    [],
    [1, [2, [3]]],
    {},
    {"a": {"b": [1, 2]}, 5: None, (1, 2): "tuple"},
    set(),
    {1, 2},
    frozenset({"a"}),
    date(2024, 2, 29),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    timedelta(microseconds=1),
    Decimal("1.10"),
    UUID(int=5),
    ValueError,
    len,
    range(3),
    bytearray(b"bytes that change"),
]

KEYS = [
    "",
    " ",
    "k",
    "k ",
    "K",
    "a,b/c",
    "line\nbreak",
    "nul\x00byte",
    "\N{SNOWMAN}",
    "\ud800",
    "\udcff lone surrogate",
    "k" * 10_000,
    "k" * 10_001,
    WIRE_KEY,
    WIRE_KEY.upper(),
    WIRE_KEY[:-1],
    WIRE_KEY + "5",
    ":1:" + WIRE_KEY,
]


class TestGetSetDelete:
    def test_a_missing_key_gives_none(self, tier):
        assert tier.get("k") is None

    @pytest.mark.parametrize("default", [Ellipsis, 0, [], "d"], ids=repr)
    def test_a_missing_key_gives_the_very_default(self, tier, default):
        assert tier.get("k", default=default) is default
        assert tier.get("k", default) is default

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_a_value_comes_back_equal_and_of_its_type(self, tier, value):
        tier.set("k", value)

        for _ in range(2):  # the second time from where the first has left it
            found = tier.get("k", default=Ellipsis)
            assert (type(value), value) == (type(found), found)

    def test_minus_zero_and_nan_keep_their_text(self, tier):
        tier.set("k", [-0.0, float("nan")])

        assert "[-0.0, nan]" == repr(tier.get("k"))

    def test_a_held_none_is_not_a_miss(self, tier):
        tier.set("k", None)

        assert tier.get("k", default="missing") is None

    def test_a_second_value_replaces_the_first(self, tier):
        tier.set("k", "first")
        tier.set("k", "second")

        assert "second" == tier.get("k")

    def test_a_deleted_key_is_missing_until_it_is_set_again(self, tier):
        tier.set("k", 1)
        tier.delete("k")
        assert tier.get("k", default=Ellipsis) is Ellipsis

        tier.set("k", 2)
        assert 2 == tier.get("k")

    def test_a_missing_key_may_be_deleted(self, tier):
        tier.delete("k")

        assert tier.get("k") is None

    def test_set_returns_nothing(self, tier):
        assert tier.set("k", 1) is None


class TestKeys:
    def test_each_text_is_a_key_of_its_own(self, tier):
        for place, key in enumerate(KEYS):
            tier.set(key, place)

        assert list(range(len(KEYS))) == [tier.get(key) for key in KEYS]

    def test_deleting_one_key_leaves_the_others(self, tier):
        for key in KEYS:
            tier.set(key, key)
        tier.delete(WIRE_KEY)

        assert [key for key in KEYS if key != WIRE_KEY] == [key for key in KEYS if tier.get(key) == key]

    @pytest.mark.parametrize("key", [None, 5, b"k", ("k",), ["k"]], ids=repr)
    def test_what_is_not_text_is_no_key(self, tier, key):
        """Not a miss in silence: a tier that took any of these would mix up 1 and '1' on its way to Redis."""
        for operation in (lambda: tier.get(key), lambda: tier.set(key, 1), lambda: tier.delete(key)):
            with pytest.raises(TypeError):
                operation()


class TestIsolation:
    def test_changing_a_value_after_set_changes_nothing(self, isolated):
        value = {"list": [1]}
        isolated.set("k", value)
        value["list"].append(2)

        assert {"list": [1]} == isolated.get("k")

    def test_changing_a_returned_value_changes_nothing(self, isolated):
        isolated.set("k", {"list": [1]})
        for _ in range(3):
            isolated.get("k")["list"].append(2)

        assert {"list": [1]} == isolated.get("k")

    def test_an_unpicklable_value_is_refused_with_a_cure(self, isolated_subject):
        with pytest.raises(TypeError, match=isolated_subject.cure):
            isolated_subject.tier.set("k", lambda: None)

        assert isolated_subject.tier.get("k", default=Ellipsis) is Ellipsis


class TestUnderADecoratedFunction:
    def test_computes_once_for_each_argument(self, tier):
        computed = []

        @get_quickcache(cache=tier)(["x"])
        def double(x):
            computed.append(x)
            return [x, x]

        assert [[1, 1], [1, 1], [2, 2], [1, 1]] == [double(1), double(1), double(2), double(1)]
        assert [1, 2] == computed

    @pytest.mark.parametrize("value", [None, False, 0, "", []], ids=repr)
    def test_false_values_are_cached_too(self, tier, value):
        computed = []

        @get_quickcache(cache=tier)([])
        def answer():
            computed.append(1)
            return value

        assert [value, value] == [answer(), answer()]
        assert [1] == computed

    def test_an_exception_is_not_cached(self, tier):
        computed = []

        @get_quickcache(cache=tier)([])
        def fail():
            computed.append(1)
            raise KeyError("nothing there")

        for _ in range(2):
            with pytest.raises(KeyError, match="nothing there"):
                fail()
        assert [1, 1] == computed

    def test_clear_has_the_next_call_compute(self, tier):
        computed = []

        @get_quickcache(cache=tier)(["x"])
        def count(x):
            computed.append(x)
            return len(computed)

        assert [1, 2] == [count("a"), count("b")]
        count.clear("a")
        assert [3, 2] == [count("a"), count("b")]

    def test_the_value_is_found_under_the_functions_key(self, tier):
        @get_quickcache(cache=tier)(["x"])
        def double(x):
            return x * 2

        assert double.get_cached_value(4) is Ellipsis
        double(4)
        assert [8, 8] == [double.get_cached_value(4), tier.get(double.get_cache_key(4))]

        double.set_cached_value(4).to(9)
        assert 9 == double(4)

        tier.delete(double.get_cache_key(4))
        assert 8 == double(4)

    def test_skip_arg_replaces_what_is_held(self, tier):
        computed = []

        @get_quickcache(cache=tier)(["x"], skip_arg="fresh")
        def count(x, fresh=False):
            computed.append(x)
            return len(computed)

        assert [1, 1, 2, 2] == [count(0), count(0), count(0, fresh=True), count(0)]

    def test_ellipsis_is_never_taken_from_the_cache(self, tier):
        computed = []

        @get_quickcache(cache=tier)([])
        def answer():
            computed.append(1)
            return Ellipsis

        assert [Ellipsis, Ellipsis] == [answer(), answer()]
        assert [1, 1] == computed


def test_threads_see_only_values_of_their_keys(subject):
    """A value names its key; four threads set, get and delete the same twenty keys."""
    tier = subject.tier
    keys = [f"k{i}" for i in range(20)]
    wrong = []
    start = threading.Barrier(4)

    def work(seed):
        start.wait()
        for i in range(seed, seed + subject.rounds):
            key = keys[i * 7 % len(keys)]
            if i % 5 == 0:
                tier.delete(key)
            elif i % 2:
                tier.set(key, [key, i])
            elif (found := tier.get(key)) is not None and found[0] != key:
                wrong.append((key, found))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong
