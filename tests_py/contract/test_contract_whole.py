"""What every tier with the whole interface does: lives, several keys at once, counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

NOT_KEPT = [0, 0.0, -1, -0.5, float("-inf"), timedelta(0), timedelta(seconds=-1)]
FOREVER = [None, float("inf"), 10**30, timedelta.max]
TEN_SECONDS = [10, 10.0, timedelta(seconds=10)]


class TestLives:
    @pytest.mark.parametrize("timeout", TEN_SECONDS, ids=repr)
    def test_a_value_lives_for_its_timeout(self, whole, timeout):
        whole.tier.set("k", 1, timeout=timeout)
        whole.advance(9.5)
        assert 1 == whole.tier.get("k")

        whole.advance(0.5)
        assert whole.tier.get("k") is None

    @pytest.mark.parametrize("timeout", FOREVER, ids=repr)
    def test_a_value_may_live_for_ever(self, whole, timeout):
        whole.tier.set("k", 1, timeout=timeout)
        whole.advance(3_000_000_000)

        assert 1 == whole.tier.get("k")

    @pytest.mark.parametrize("timeout", NOT_KEPT, ids=repr)
    def test_no_life_means_not_kept_and_the_old_value_gone(self, whole, timeout):
        whole.tier.set("k", "old")
        whole.tier.set("k", "new", timeout=timeout)

        assert whole.tier.get("k") is None

    @pytest.mark.parametrize("timeout", ["10", b"10", [10], 1j, object()], ids=lambda t: type(t).__name__)
    def test_what_is_no_time_is_refused_and_nothing_changes(self, whole, timeout):
        whole.tier.set("k", "old")
        for operation in (whole.tier.set, lambda k, v, timeout: whole.tier.touch(k, timeout)):
            with pytest.raises(TypeError, match=r"seconds.*timedelta.*None"):
                operation("k", "new", timeout=timeout)

        assert "old" == whole.tier.get("k")

    def test_touch_gives_a_new_life_from_now(self, whole):
        whole.tier.set("k", 1, timeout=10)
        whole.advance(9)
        assert whole.tier.touch("k", 10) is True
        whole.advance(9)
        assert 1 == whole.tier.get("k")

        whole.advance(1)
        assert whole.tier.get("k") is None

    def test_touch_finds_nothing_where_nothing_is(self, whole):
        assert whole.tier.touch("k", 10) is False
        assert whole.tier.get("k") is None

        whole.tier.set("k", 1, timeout=10)
        whole.advance(10)
        assert whole.tier.touch("k", 10) is False
        assert whole.tier.get("k") is None


class TestAdd:
    def test_keeps_a_value_where_none_is(self, whole):
        assert whole.tier.add("k", 1, timeout=10) is True
        assert whole.tier.add("k", 2, timeout=100) is False
        assert 1 == whole.tier.get("k")

        whole.advance(10)
        assert whole.tier.add("k", 3) is True
        assert 3 == whole.tier.get("k")

    def test_what_is_not_kept_is_in_nobodys_way(self, whole):
        whole.tier.set("k", "old", timeout=10)

        assert whole.tier.add("k", "new", timeout=0) is False
        assert "old" == whole.tier.get("k")

    def test_of_many_threads_one_is_told_that_it_was_the_one(self, whole):
        with ThreadPoolExecutor(8) as threads:
            for number in range(whole.rounds // 20):
                added = list(threads.map(lambda it, n=number: whole.tier.add(f"lock {n}", it), range(8)))

                assert 1 == added.count(True)
                assert added.index(True) == whole.tier.get(f"lock {number}")


class TestIncr:
    def test_adds_to_a_number(self, whole):
        whole.tier.set("n", 1)

        assert 2 == whole.tier.incr("n")
        assert 12 == whole.tier.incr("n", 10)
        assert -88 == whole.tier.incr("n", delta=-100)
        assert -88 == whole.tier.get("n")

    def test_leaves_the_life_as_it_was(self, whole):
        whole.tier.set("n", 1, timeout=10)
        for _ in range(50):
            whole.advance(0.19)
            whole.tier.incr("n")
        assert 51 == whole.tier.get("n")

        whole.advance(0.5)
        assert whole.tier.get("n") is None

    @pytest.mark.parametrize("value", ["text", [1], None, 1.5], ids=repr)
    def test_counts_with_nothing_but_ints(self, whole, value):
        whole.tier.set("k", value)
        with pytest.raises(ValueError, match=r"^Key 'k' not found, or it holds no int"):
            whole.tier.incr("k")

        assert value == whole.tier.get("k")

    @pytest.mark.parametrize("delta", [1.5, "1", None], ids=repr)
    def test_adds_nothing_but_ints(self, whole, delta):
        whole.tier.set("n", 1)
        with pytest.raises(TypeError, match=r"^delta is an int, not \w+: "):
            whole.tier.incr("n", delta)

        assert 1 == whole.tier.get("n")

    def test_has_to_be_there(self, whole):
        with pytest.raises(ValueError, match=r"^Key 'k' not found, or it holds no int"):
            whole.tier.incr("k")

        assert "k" not in whole.tier

    def test_loses_nothing_between_threads(self, whole):
        whole.tier.set("n", 0)
        with ThreadPoolExecutor(8) as threads:
            sums = list(threads.map(lambda _: whole.tier.incr("n"), range(whole.rounds)))

        assert sorted(sums) == list(range(1, whole.rounds + 1))
        assert whole.rounds == whole.tier.get("n")


class TestDelete:
    def test_tells_whether_the_key_was_held(self, whole):
        whole.tier.set("k", None)

        assert [True, False] == [whole.tier.delete("k"), whole.tier.delete("k")]

    def test_what_is_over_was_not_held(self, whole):
        whole.tier.set("k", 1, timeout=10)
        whole.advance(10)

        assert whole.tier.delete("k") is False


class TestSeveralKeys:
    def test_get_many_gives_those_that_are_held(self, whole):
        whole.tier.set("a", 1)
        whole.tier.set("b", None)

        assert {"a": 1, "b": None} == whole.tier.get_many(["a", "b", "c"])

    def test_any_iterable_of_keys_will_do(self, whole):
        whole.tier.set_many({"a": 1, "b": 2})

        assert {"a": 1, "b": 2} == whole.tier.get_many(key for key in "abc")
        assert 2 == whole.tier.delete_many(key for key in "abc")

    def test_set_many_sets_each(self, whole):
        whole.tier.set_many({"a": [1], "b": [2]}, timeout=10)
        assert {"a": [1], "b": [2]} == whole.tier.get_many("ab")

        whole.advance(10)
        assert {} == whole.tier.get_many("ab")

    def test_delete_many_tells_how_many_were_held(self, whole):
        whole.tier.set_many({"a": 1, "b": 2, "c": 3})

        assert 2 == whole.tier.delete_many(["a", "b", "nothing"])
        assert {"c": 3} == whole.tier.get_many("abc")

    def test_none_at_all_is_fine(self, whole):
        whole.tier.set_many({})

        assert ({}, 0) == (whole.tier.get_many([]), whole.tier.delete_many([]))

    def test_a_key_that_is_not_text_is_refused(self, whole):
        for operation in (whole.tier.get_many, whole.tier.delete_many):
            with pytest.raises(TypeError, match="str"):
                operation(["a", 5])
        with pytest.raises(TypeError, match="str"):
            whole.tier.set_many({5: 1})


def test_clear_forgets_everything(whole):
    whole.tier.set_many({str(i): i for i in range(100)})
    whole.tier.clear()

    assert {} == whole.tier.get_many(str(i) for i in range(100))
    whole.tier.set("1", "again")
    assert "again" == whole.tier.get("1")


def test_stats_count_hits_and_misses(whole):
    whole.tier.set("k", 1)
    for key in ("k", "k", "nothing"):
        whole.tier.get(key)
    whole.tier.delete("k")

    told = whole.tier.stats()
    assert (2, 1, 1, 1) == tuple(told[name] for name in ("hits", "misses", "stores", "deletes"))
