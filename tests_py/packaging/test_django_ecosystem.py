"""tools/django_ecosystem: what a run of a package's tests is taken for, and the list of the packages."""

import tarfile
import tomllib
from pathlib import Path

import pytest
from django_ecosystem.backends import BACKENDS
from django_ecosystem.outcomes import Outcomes, read
from django_ecosystem.sources import ChangedSourceError, unpack
from django_ecosystem.verdict import cell, judge

TOOLS = Path(__file__).parents[2] / "tools"
PACKAGES = tomllib.loads((TOOLS / "django_ecosystem" / "packages.toml").read_text(encoding="utf-8"))[
    "package"
]

REPORT = """\
<testsuites><testsuite>
<testcase classname="tests.Case" name="test_passes" />
<testcase classname="tests.Case" name="test_fails"><failure message="1 != 2">trace</failure></testcase>
<testcase classname="tests.Case" name="test_breaks"><error message="no database">trace</error></testcase>
<testcase classname="tests.Case" name="test_skips"><skipped message="not here" /></testcase>
<testcase classname="tests.Case" name="test_of_parts"><failure message="part 2">trace</failure></testcase>
<testcase classname="tests.Case" name="test_of_parts" />
</testsuite></testsuites>
"""


def results(**ours):
    """Outcomes in which each test passes, other than those given for a backend."""
    return {
        backend.name: Outcomes({"tests.Case::test_a": "passed", "tests.Case::test_b": "passed"})
        if backend.name not in ours
        else Outcomes(ours[backend.name])
        for backend in BACKENDS
    }


class TestAReport:
    def test_is_read_by_test_and_the_worst_of_its_parts_counts(self, tmp_path):
        report = tmp_path / "report.xml"
        report.write_text(REPORT, encoding="utf-8")

        expected = {"passes": "passed", "fails": "failed", "breaks": "failed", "skips": "skipped"}
        expected = {f"tests.Case::test_{name}": outcome for name, outcome in expected.items()}
        assert {**expected, "tests.Case::test_of_parts": "failed"} == read(report).by_test

    def test_has_the_reasons(self, tmp_path):
        report = tmp_path / "report.xml"
        report.write_text(REPORT, encoding="utf-8")

        assert read(report).messages["tests.Case::test_fails"] == "1 != 2"


class TestAPackage:
    def test_without_differences_has_no_problem(self):
        assert [] == judge({}, results())

    @pytest.mark.parametrize(
        "ours",
        [
            {"tests.Case::test_a": "failed", "tests.Case::test_b": "passed"},
            {"tests.Case::test_a": "skipped", "tests.Case::test_b": "passed"},
            {"tests.Case::test_b": "passed"},
        ],
        ids=["failed", "skipped", "missing"],
    )
    def test_has_one_for_what_passes_with_djangos_backend_alone(self, ours):
        [problem] = judge({}, results(TieredCache=ours))

        assert problem.startswith("TieredCache, tests.Case::test_a: ")

    def test_has_none_for_what_fails_with_both(self):
        both = {"tests.Case::test_a": "failed", "tests.Case::test_b": "passed"}

        assert [] == judge({}, results(MemoryCache=both, LocMemCache=both))

    def test_has_none_for_a_difference_that_is_named(self):
        package = {"differs": [{"test": "tests.Case::test_a", "why": "it does"}]}
        ours = {"tests.Case::test_a": "failed", "tests.Case::test_b": "passed"}

        assert [] == judge(package, results(RedisCache=ours))
        assert cell(package, Outcomes(ours)) == "1* of 2"

    def test_has_one_for_a_named_difference_that_is_none(self):
        package = {"differs": [{"test": "tests.Case::test_a", "why": "it did"}]}

        assert ["packages.toml names a difference that is none: tests.Case::test_a"] == judge(
            package, results()
        )


class TestASource:
    @pytest.fixture
    def archive(self, tmp_path):
        folder = tmp_path / "package-1.0"
        folder.mkdir()
        cache = '{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}'
        (folder / "tests.py").write_text(f"CACHES = {cache}\n", encoding="utf-8")
        with tarfile.open(tmp_path / "package-1.0.tar.gz", "w:gz") as packed:
            packed.add(folder, folder.name)
        return tmp_path / "package-1.0.tar.gz"

    def test_has_the_backend_on_trial_where_it_named_another(self, archive, tmp_path):
        top = unpack({"local": ["tests.py"]}, archive, tmp_path / "run")

        text = (top / "tests.py").read_text(encoding="utf-8")
        assert text == 'CACHES = {**__import__("ecosystem_settings").LOCAL}\n'

    def test_that_is_not_as_expected_is_not_run(self, archive, tmp_path):
        replacement = {"file": "tests.py", "old": "no such text", "new": ""}

        with pytest.raises(ChangedSourceError, match=r"tests\.py has no 'no such text' to replace"):
            unpack({"replace": [replacement]}, archive, tmp_path / "run")


class TestTheList:
    def test_says_of_each_package_why_it_is_there_and_what_is_run(self):
        without = [one["name"] for one in PACKAGES if not one.get("leans") or not one.get("runs")]

        assert [] == without

    def test_names_no_difference_and_no_replacement_without_a_reason(self):
        changes = [change for one in PACKAGES for change in one.get("differs", []) + one.get("replace", [])]

        assert [] == [change for change in changes if not change.get("why")]
        assert len(changes) >= 5

    def test_is_of_packages_that_are_pinned(self):
        pins = (TOOLS / "requirements" / "ecosystem.txt").read_text(encoding="utf-8")

        assert [] == [one["name"] for one in PACKAGES if f"\n{one['name']}==" not in pins]
