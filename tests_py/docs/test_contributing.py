"""CONTRIBUTING.md is in step with the checkout: its map has every file, and the tests it names exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAP = TEXT.split("## The map of the house")[1].split("## ")[0]
BREAKING = TEXT.split("## Breaking the code on purpose")[1]


@pytest.mark.parametrize("folder", ["src", "python/quickcache"])
def test_the_map_has_every_source_file(folder):
    files = {path.name for path in (ROOT / folder).rglob("*") if path.suffix in {".rs", ".py", ".pyi"}}

    assert set() == files - {"mod.rs"} - set(re.findall(r"\w+\.(?:rs|pyi?)\b", MAP))


def test_the_map_has_every_folder_of_tests():
    folders = {path.name for path in (ROOT / "tests_py").iterdir() if list(path.rglob("*.py"))}

    assert set() == folders - set(re.findall(r"(\w+)/", MAP))


def test_the_tests_that_are_to_fail_on_broken_code_exist():
    named = set(re.findall(r"`((?:test_|Test)\w+|\w+(?:_\w+){4,})`", BREAKING))
    files = [*(ROOT / "tests_rs").rglob("*.rs"), *(ROOT / "tests_py").rglob("test_*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    defined = {name for text in texts for name in re.findall(r"(?:fn|def|class) (\w+)", text)}

    assert len(named) >= 9
    assert set() == named - defined
