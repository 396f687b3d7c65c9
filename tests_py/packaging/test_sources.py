"""The source distribution, the crate and the lists that must agree with each other."""

import os
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# All that a source distribution may hold.
SOURCES = (
    r"PKG-INFO|Cargo\.(toml|lock)|build\.rs|LICENSE|README\.md|pyproject\.toml"
    r"|(src|tests_rs)/.*\.rs|python/.*"
)


@pytest.fixture(scope="module")
def names() -> set[str]:
    """What is in the source distribution."""
    archive = os.environ.get("QUICKCACHE_SDIST")
    assert archive, "QUICKCACHE_SDIST must name the archive: run `make test-python`"
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


class TestSourceDistribution:
    """That it builds is shown elsewhere: `make test` builds one of the tested wheels from it."""

    def test_holds_every_source_of_the_package(self, names):
        sources = {
            path.relative_to(ROOT).as_posix()
            for folder, kinds in (("src", {".rs"}), ("python", {".py", ".pyi", ".typed"}))
            for path in (ROOT / folder).rglob("*")
            if path.suffix in kinds or path.name == "py.typed"
        }

        assert set() == sources - names

    def test_holds_nothing_but_sources(self, names):
        assert [] == [name for name in names if not re.fullmatch(SOURCES, name)]
        assert [] == [name for name in names if name.endswith((".so", ".pyd", ".pyc"))]

    def test_holds_the_lock_that_makes_the_build_repeatable(self, names):
        assert "Cargo.lock" in names


class TestCrate:
    def test_the_core_needs_no_pyo3(self):
        tree = subprocess.run(
            ["cargo", "tree", "--locked", "--no-default-features", "--prefix", "none", "--format", "{p}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        packages = {line.split()[0] for line in tree.splitlines() if line}

        assert {"moka", "quickcache-python"} <= packages
        assert [] == [name for name in packages if "pyo3" in name]

    def test_its_version_is_the_packages(self):
        crate = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]

        assert PROJECT["version"] == crate["version"].replace("-alpha.", "a").replace("-beta.", "b")


class TestListsThatMustAgree:
    def declared(self) -> list[str]:
        prefix = "Programming Language :: Python :: 3."
        return [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith(prefix)]

    @pytest.mark.parametrize("workflow", ["ci", "release"])
    def test_workflows_run_every_declared_version_and_the_free_threaded_one(self, workflow):
        text = (ROOT / f".github/workflows/{workflow}.yml").read_text(encoding="utf-8")
        lists = [re.findall(r"3\.\d+t?", line) for line in text.splitlines() if "3.11" in line]

        every = sorted([*self.declared(), "3.14t"])
        assert every in [sorted(versions) for versions in lists]
        # Django's own tests run on those that its versions are for.
        assert not {version for versions in lists for version in versions} - set(every)

    def test_make_help_describes_every_target(self):
        text = (ROOT / "Makefile").read_text(encoding="utf-8")
        (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)

        assert phony.split() == re.findall(r"^([a-z-]+):.*## \S", text, re.MULTILINE)
