"""tools/django_conformance: what is replaced in Django's tests, and what a run of them is taken for."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from django_conformance.sources import CHANGES, ChangedSourceError, unpack
from django_conformance.verdict import Exclusion, Selection, judge, selection

LIST = Path(__file__).parents[2] / "tools" / "django_conformance" / "tests.toml"
THREE_REASONS = ["private", "culling", "client"]
BACKENDS = ["MemoryCache", "RedisCache", "TieredCache"]

# The places of Django's tests in which something is replaced, and what is like them.
BEFORE = """\
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCacheClient
BACKEND="django.core.cache.backends.locmem.LocMemCache",
configured_caches.get("django.core.cache.backends.redis.RedisCache")
        caches["v2"]._cache = cache._cache
        caches["v2"]._expire_info = cache._expire_info

    @property
    def incr_decr_type_error(self):
        return self.lib.ResponseError

        expire = cache._expire_info[_key]
        mock.patch("django.core.cache.backends.redis.RedisCacheClient.get_client")
"""
AFTER = """\
from django_conformance.stand_ins import LocMemCache
from django.core.cache.backends.redis import RedisCacheClient
BACKEND="django_conformance.stand_ins.LocMemCache",
configured_caches.get("django_conformance.stand_ins.RedisCache")

    @property
    def incr_decr_type_error(self):
        return TypeError

        expire = cache._expire_info[_key]
        mock.patch("django.core.cache.backends.redis.RedisCacheClient.get_client")
"""


@pytest.fixture
def archive(tmp_path):
    """Make a source distribution of files by their paths."""

    def archive(**files: str) -> Path:
        path = tmp_path / "django-9.tar.gz"
        with tarfile.open(path, "w:gz") as opened:
            for name, text in files.items():
                member = tarfile.TarInfo(f"django-9/{name.replace('__', '/')}.py")
                member.size = len(text)
                opened.addfile(member, io.BytesIO(text.encode()))
        return path

    return archive


class TestUnpack:
    def test_replaces_the_backends_and_nothing_else(self, archive, tmp_path):
        tests = unpack(archive(tests__cache__tests=BEFORE, tests__urls="other"), tmp_path / "out")

        assert AFTER == (tests / "cache" / "tests.py").read_text()
        assert "other" == (tests / "urls.py").read_text()

    def test_takes_the_tests_alone(self, archive, tmp_path):
        unpack(archive(tests__cache__tests=BEFORE, django__cache=BEFORE), tmp_path / "out")

        assert ["tests"] == [path.name for path in (tmp_path / "out" / "django-9").iterdir()]

    def test_leaves_nothing_of_another_time(self, archive, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "old.py").touch()
        unpack(archive(tests__cache__tests=BEFORE), tmp_path / "out")

        assert ["django-9"] == [path.name for path in (tmp_path / "out").iterdir()]

    @pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
    def test_refuses_tests_in_which_a_place_is_missing(self, archive, tmp_path, change):
        without, times = change.made_in(BEFORE)
        assert times

        with pytest.raises(ChangedSourceError, match=change.what):
            unpack(archive(tests__cache__tests=without), tmp_path / "out")


CHOSEN = Selection(
    labels=["a"],
    others=["a.Other"],
    subjects={"a.Local": ["MemoryCache"], "a.Remote": ["RedisCache"]},
    reasons={"private": "it is private"},
    skips={"not here": "it is so"},
    excluded=[
        Exclusion(test="a.Local.test_lock", reason="private", what="_lock", fails="no _lock"),
        Exclusion(test="a.Remote.test_pool", reason="private", what="_pool", fails="no _pool"),
    ],
)
RECORD = {
    "left out": ["a.Other", "a.Remote"],
    "tests": ["a.Local.test_get", "a.Local.test_lock"],
    "run": 2,
    "failures": [["a.Local.test_lock", "AttributeError: no _lock"]],
    "locmem": False,
    "skipped": [],
}


def judged(chosen=CHOSEN, whole=True, django="6.1.3", **recorded):
    return judge({**RECORD, **recorded}, chosen, "MemoryCache", django, whole=whole)


class TestJudge:
    def test_what_fails_as_listed_is_excluded(self):
        verdict = judged()

        assert verdict.passed
        assert (2, [], ["a.Local.test_lock"]) == (verdict.run, verdict.failures, verdict.excluded)

    def test_another_test_that_fails_is_a_failure(self):
        failure = ["a.Local.test_get", "AssertionError"]
        verdict = judged(failures=[*RECORD["failures"], failure])

        assert not verdict.passed
        assert [tuple(failure)] == verdict.failures

    def test_each_subtest_that_fails_is_a_failure(self):
        failure = ["a.Local.test_get", "AssertionError"]

        assert 2 == len(judged(failures=[*RECORD["failures"], failure, failure]).failures)

    def test_a_class_that_cannot_be_set_up_is_a_failure(self):
        failure = ["setUpClass (a.Local)", "OSError"]

        assert [tuple(failure)] == judged(failures=[*RECORD["failures"], failure]).failures

    def test_what_is_listed_and_fails_for_another_reason_is_a_failure(self):
        failure = ["a.Local.test_lock", "AssertionError: 1 != 2"]
        verdict = judged(failures=[failure])

        assert not verdict.passed
        assert [tuple(failure)] == verdict.failures
        assert [] == verdict.excluded

    def test_a_subtest_that_fails_for_another_reason_is_a_failure_too(self):
        failure = ["a.Local.test_lock", "AssertionError: 1 != 2"]

        assert not judged(failures=[*RECORD["failures"], failure]).passed

    def test_what_is_listed_must_fail(self):
        verdict = judged(failures=[])

        assert not verdict.passed
        assert ["a.Local.test_lock does not fail"] == verdict.untrue

    def test_what_is_listed_must_be_there(self):
        verdict = judged(tests=["a.Local.test_get"], run=1, failures=[])

        assert not verdict.passed
        assert ["a.Local.test_lock is not there"] == verdict.untrue

    def test_it_must_be_there_from_its_version_of_django_on(self):
        later = replace(CHOSEN.excluded[0], since="6.1")
        chosen = replace(CHOSEN, excluded=[later])
        without = {"tests": ["a.Local.test_get"], "run": 1, "failures": []}

        assert judged(chosen, django="5.2.19", **without).passed
        assert not judged(chosen, django="6.1", **without).passed
        assert not judged(chosen, django="10.0", **without).passed

    def test_what_is_left_out_must_be_there(self):
        assert ["a.Other is not there"] == judged(**{"left out": ["a.Remote"]}).untrue

    def test_in_a_part_of_the_tests_nothing_need_be_there(self):
        part = {"tests": ["a.Local.test_get"], "run": 1, "failures": [], "left out": []}

        assert judged(whole=False, **part).passed

    def test_what_is_skipped_must_be_listed(self):
        assert judged(skipped=[["a.Local.test_get", "not here"]]).passed
        assert not judged(skipped=[["a.Local.test_get", "not today"]]).passed

    def test_the_cache_of_django_that_was_replaced_must_not_have_been_used(self):
        assert not judged(locmem=True).passed

    def test_all_tests_that_were_found_must_have_been_run(self):
        assert ["of 2 tests 1 were run"] == judged(run=1).untrue


class TestList:
    def test_has_no_other_reasons_than_the_three(self):
        assert THREE_REASONS == list(selection(LIST).reasons)

    def test_has_each_test_once(self):
        excluded = [one.test for one in selection(LIST).excluded]

        assert sorted(set(excluded)) == sorted(excluded)

    def test_has_no_test_that_no_backend_is_run_with(self):
        chosen = selection(LIST)
        run = {test for backend in BACKENDS for test in chosen.excluded_from(backend, "99")}

        assert set() == {one.test for one in chosen.excluded} - run

    def test_a_reason_that_is_none_of_these_is_refused(self, tmp_path):
        other = tmp_path / "tests.toml"
        other.write_text(LIST.read_text().replace('reason = "culling"', 'reason = "slow"'))

        with pytest.raises(ValueError, match="test_zero_cull"):
            selection(other)
