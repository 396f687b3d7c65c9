"""README.md and docs/ tell the truth: every Python block in them runs, and shows what it says.

The blocks of a page share one namespace and run from top to bottom, as a reader would type them. A
block with `>>>` is compared with what it shows, by doctest. Any other block is a program: what it
prints is to be the text block after it. Where a page names the server SERVER, it is given a real one.
"""

import contextlib
import doctest
import io
import re
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import django
import pytest
from django.conf import UserSettingsHolder, global_settings, settings
from django.test import override_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WITHOUT_CODE = {
    "docs/README.md",
    "docs/benchmarks-redis.md",
    "docs/benchmarks-django.md",
    "docs/guarantees.md",
    "docs/envelope.md",
}
# What pages call the server that they need.
SERVER = "redis://localhost:6379"
# Only `python` runs. No other language is for code, so that nothing escapes for a typing error.
LANGUAGES = {"python", "text", "console"}

CACHES = {
    alias: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"docs {alias}"}
    for alias in ("default", "locmem")
}

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    line: int  # of its first line, from 1
    text: str


def blocks_of(page: str) -> list[Block]:
    """All blocks of a page in order. ValueError for a fence that is indented or never closed."""
    found: list[Block] = []
    fence: str | None = None
    start, inside = 0, list[str]()
    for number, line in enumerate(page.splitlines(keepends=True), start=1):
        if not line.lstrip().startswith("```"):
            inside.append(line)
        elif line[0] != "`":
            raise ValueError(f"line {number}: an indented fence")
        elif fence is None:
            fence, start, inside = line[3:].strip(), number + 1, []
        else:
            found.append(Block(fence, start, "".join(inside)))
            fence = None
    if fence is not None:
        raise ValueError(f"line {start}: a fence that is never closed")
    return found


def run_page(page: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all Python blocks of a page. AssertionError where one shows what is not so."""
    blocks = blocks_of(page)
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)  # pickles name the module of their classes
    with contextlib.ExitStack() as stack:
        run_blocks(blocks, module, folder, stack)


def run_blocks(
    blocks: list[Block], module: types.ModuleType, folder: Path, stack: contextlib.ExitStack
) -> None:
    """Run the Python blocks of a page in a module. CACHES in it are Django's settings from there on."""
    name = module.__name__
    for block, following in pairwise([*blocks, Block("", 0, "")]):
        if block.language != "python":
            continue
        if re.search(r"^>>> ", block.text, re.MULTILINE):
            run_session(block, name, module.__dict__)
        else:
            expected = following.text if following.language == "text" else ""
            printed = run_program(block, folder / f"{name}_{block.line}.py", module.__dict__)
            assert (block.line, expected if printed else "") == (block.line, printed)
        if "CACHES" in vars(module):
            stack.enter_context(override_settings(CACHES=module.CACHES))


def run_program(block: Block, file: Path, namespace: dict[str, object]) -> str:
    """Run a block as a file, since decorating asks for source text; what it prints."""
    # Lines have the numbers that they have on the page.
    source = "\n" * (block.line - 1) + block.text
    file.write_text(source, encoding="utf-8")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, file, "exec"), namespace)  # noqa: S102  it is our own text
    return printed.getvalue()


def run_session(block: Block, name: str, namespace: dict[str, object]) -> None:
    """Compare a block with `>>>` with what Python says."""
    # Statements in front of the first prompt, or after an answer, would be taken for text.
    unread = [paragraph for paragraph in block.text.split("\n\n") if not paragraph.startswith(">>> ")]
    assert [] == unread
    session = doctest.DocTestParser().get_doctest(block.text, {}, name, name, block.line - 1)
    session.globs = namespace
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    result = runner.run(session, out=told.append, clear_globs=False)
    assert result.attempted > 0
    assert 0 == result.failed, "".join(told)


@pytest.fixture
def django_settings() -> Iterator[None]:
    """Django with two caches and a database; settings are as they were, configured or not, after it."""
    before = settings._wrapped
    settings._wrapped = UserSettingsHolder(global_settings)
    settings.DATABASES = DATABASES
    with override_settings(CACHES=CACHES):
        django.setup()
        yield
    settings._wrapped = before


def named(pages: Sequence[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


# No server runs on Windows.
@pytest.mark.parametrize(
    "page",
    named([page for page in PAGES if sys.platform != "win32" or SERVER not in page.read_text("utf-8")]),
)
@pytest.mark.usefixtures("django_settings")
def test_every_python_block_does_what_it_shows(page, tmp_path, monkeypatch, request):
    name = re.sub(r"\W", "_", page.removesuffix(".md").lower())
    text = (ROOT / page).read_text(encoding="utf-8")
    if SERVER in text:
        server = request.getfixturevalue("shared").server()
        server.cli("FLUSHALL")  # a page begins with nothing, as its reader does
        text = text.replace(SERVER, f"redis://127.0.0.1:{server.port}")

    run_page(text, name, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", named(PAGES))
class TestPages:
    def test_every_block_says_what_it_is(self, page):
        languages = [block.language for block in blocks_of((ROOT / page).read_text(encoding="utf-8"))]

        assert set() == set(languages) - LANGUAGES
        assert (page in WITHOUT_CODE) == ("python" not in languages)

    def test_every_link_leads_to_a_file(self, page):
        text = (ROOT / page).read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#:]+)\)", text)

        assert [] == [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert pages == set(re.findall(r"\]\(([\w-]+\.md)\)", index))


class TestThatMistakesAreSeen:
    """The runner above, on pages that are wrong."""

    @pytest.mark.parametrize(
        "page",
        [
            pytest.param("```python\nassert 1 == 2\n```\n", id="a false assertion"),
            pytest.param("```python\n>>> 1 + 1\n3\n```\n", id="a wrong answer in a session"),
            pytest.param(
                "```python\n>>> 1 + 1\n2\n\nraise KeyError\n```\n", id="a statement that no prompt has"
            ),
            pytest.param("```python\nprint(1)\n```\n", id="a program that prints what is not shown"),
            pytest.param(
                "```python\nprint(1)\n```\n```text\n2\n```\n", id="a program that prints something else"
            ),
        ],
    )
    def test_a_wrong_example_fails(self, page, tmp_path, monkeypatch):
        with pytest.raises(AssertionError):
            run_page(page, "wrong_page", tmp_path, monkeypatch)

    @pytest.mark.parametrize("page", [" ```python\n1 / 0\n ```\n", "```python\n1 / 0\n"])
    def test_a_block_that_could_be_overlooked_fails(self, page):
        with pytest.raises(ValueError, match="fence"):
            blocks_of(page)

    def test_a_right_page_passes_and_its_blocks_see_each_other(self, tmp_path, monkeypatch):
        page = "```python\nx = 1\nprint(x)\n```\n\n```text\n1\n```\n\n```python\n>>> x + 1\n2\n```\n"

        run_page(page, "right_page", tmp_path, monkeypatch)
