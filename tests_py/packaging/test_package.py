"""The installed package: what a user gets from the wheel."""

import subprocess
import sys
import sysconfig
from importlib.metadata import distribution, requires
from importlib.resources import files

import pytest


def run(*arguments: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """The lines of `python -m quickcache` by their first word."""
    return dict(line.split(maxsplit=1) for line in run("-m", "quickcache").splitlines())


class TestMetadata:
    def test_name_version_and_licence(self):
        told = distribution("quickcache").metadata

        assert ("quickcache", "1.0.0a1", "BSD-3-Clause", ">=3.11") == (
            told["Name"],
            told["Version"],
            told["License-Expression"],
            told["Requires-Python"],
        )

    def test_nothing_else_is_installed_along_with_it(self):
        unconditional = [line for line in requires("quickcache") or () if "extra ==" not in line]

        assert [] == unconditional

    def test_it_is_typed_and_the_part_in_rust_has_stubs(self):
        assert [True, True] == [
            files("quickcache").joinpath(name).is_file() for name in ("py.typed", "_native.pyi")
        ]

    def test_the_extension_is_built_for_this_version_alone(self):
        wheel = distribution("quickcache").read_text("WHEEL") or ""
        version = f"cp{sys.version_info.major}{sys.version_info.minor}"
        threading = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""

        assert f"Tag: {version}-{version}{threading}-" in wheel


class TestCommand:
    def test_prints_the_version(self, told):
        assert distribution("quickcache").version == told["quickcache"]

    def test_prints_the_build_with_its_features(self, told):
        assert "python" in told["features"]
        assert told["build"]

    def test_prints_the_tiers_that_are_available(self, told):
        assert "memory" in told["tiers"]


class TestImport:
    def test_imports_no_django(self):
        assert "False\n" == run("-c", "import quickcache, sys; print('django' in sys.modules)")

    def test_version_is_the_distributions(self):
        printed = run("-c", "import quickcache; print(quickcache.__version__)")

        assert distribution("quickcache").version == printed.strip()
