"""Every contender that is installed answers as the plain function, and one that does not is seen."""

import functools

import pytest
from benches.contender import Cached, Contender
from benches.contenders import load
from benches.preparing import (
    WrongAnswerError,
    check_apart,
    check_lives,
    prepared,
    value,
)
from benches.scenarios import hot, values
from benches.scenarios.arguments import LOADS as ARGUMENTS
from benches.subjects import ONE, computed
from benches.timing import Plan

CONTENDERS, VERSIONS, ABSENT = load()
LOADS = [*hot.LOADS, *ARGUMENTS, values.DICT, values.ROWS]
BRIEF = Plan(rounds=2, seconds=1e-5, quick=True)


def contender(name, call):
    return Contender(name, lambda _subject, _capacity, _timeout: Cached(call))


@pytest.mark.parametrize("one", CONTENDERS, ids=lambda one: one.name)
class TestContenders:
    @pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
    def test_answers_as_the_plain_function_does(self, one, load):
        found = prepared(load, [one])

        if one.name.startswith(("quickcache", "lru_cache")) and load.name != "arguments/dict":
            assert {} == found.left_out
        for cached in found.cached.values():
            expected = value(load, load.names_for(load.subject.function))
            assert expected == value(load, load.names_for(cached.call), cached.complete)


class TestThoseThatAreAlwaysThere:
    def test_are_loaded(self):
        names = {one.name for one in CONTENDERS}

        assert {"quickcache", "lru_cache", "lru_cache(None)", "quickcache 0.5.4"} <= names
        assert "quickcache" in VERSIONS

    def test_the_original_is_not_ours(self):
        (original,) = (one for one in CONTENDERS if one.name == "quickcache 0.5.4")

        call = original.decorate(ONE, 10, None).call

        assert call.get_cache_key.__self__.__class__.__module__.startswith("quickcache_original.")

    def test_keep_callers_apart_where_they_are_timed_for_it(self):
        apart = [one for one in CONTENDERS if "apart" in one.tags]
        found = prepared(values.DICT, apart)

        for name, cached in found.cached.items():
            check_apart(name, values.DICT, cached)
        assert {one.name for one in apart} == set(found.cached)

    def test_have_a_sample_of_a_race(self):
        ours = [one for one in CONTENDERS if one.name in {"quickcache", "lru_cache"}]

        race = hot.race(BRIEF, hot.LOADS[0], ours)

        assert {"quickcache": 2, "lru_cache": 2} == {
            name: len(rounds) for name, rounds in race.samples.items()
        }


class TestChecks:
    def test_a_wrong_answer_is_seen(self):
        with pytest.raises(WrongAnswerError, match="not 1004"):
            prepared(hot.LOADS[0], [contender("wrong", lambda _x: 1)])

    def test_a_miss_is_seen(self):
        with pytest.raises(WrongAnswerError, match="no hit"):
            prepared(hot.LOADS[0], [contender("uncached", ONE.function)])

    def test_callers_that_share_a_value_are_seen(self):
        shared = Cached(functools.cache(values.DICT.subject.function))

        with pytest.raises(WrongAnswerError, match="share a value"):
            check_apart("shared", values.DICT, shared)

    def test_a_life_that_does_not_end_is_seen(self, monkeypatch):
        monkeypatch.setattr("benches.preparing.LIFE", 0.0)
        endless = Contender("endless", lambda *_: Cached(functools.cache(ONE.function)))

        with pytest.raises(WrongAnswerError, match="endless"):
            check_lives([endless])

    def test_a_type_that_a_peer_refuses_leaves_it_out(self):
        (load,) = (load for load in ARGUMENTS if load.name == "arguments/dict")

        found = prepared(load, [contender("cache", functools.cache(load.subject.function))])

        assert {} == found.cached
        assert "unhashable" in found.left_out["cache"]

    def test_computations_are_counted(self):
        before = computed[0]
        ONE.function(1)

        assert before + 1 == computed[0]
