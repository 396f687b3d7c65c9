"""The pytest plugin: quickcache.testing as fixtures, and for each test by an ini option or a marker.

It is loaded wherever quickcache and pytest are installed, and imports the rest when a test asks for it.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Recording

MODES = ("isolated", "disabled", "shared")
USAGE = (
    "quickcache(mode): 'isolated', 'disabled' or 'shared': how decorated functions are cached in this test"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of ini files."""
    parser.addini(
        "quickcache",
        "how functions decorated by quickcache are cached in each test: 'isolated' (a namespace of its own), "
        "'disabled' (not at all), or 'shared' (as in production, the default)",
        default="shared",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and refuse a mode that there is not."""
    config.addinivalue_line("markers", USAGE)
    _mode_of_ini(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Around all of a test, its fixtures included."""
    marker = item.get_closest_marker("quickcache")
    mode = _mode_of_ini(item.config) if marker is None else _mode_of_marker(marker)
    if mode in {"shared", None}:
        return (yield)
    from . import testing  # noqa: PLC0415  not before a test asks for it

    with testing.isolated() if mode == "isolated" else testing.disabled():
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose markers say nothing: that test alone, in whatever process it runs."""
    for marker in item.iter_markers("quickcache"):
        if _mode_of_marker(marker) is None:
            named = (f"{name}={one!r}" for name, one in marker.kwargs.items())
            given = ", ".join([*map(repr, marker.args), *named])
            pytest.fail(
                f"{item.nodeid}: the marker quickcache takes 'isolated', 'disabled' or 'shared', "
                f"not ({given})",
                pytrace=False,
            )


@pytest.fixture
def quickcache_isolated() -> Generator[None]:
    """Decorated functions find nothing that was cached before the test, and leave nothing behind."""
    from .testing import isolated  # noqa: PLC0415

    with isolated():
        yield


@pytest.fixture
def quickcache_disabled() -> Generator[None]:
    """Each call of a decorated function computes."""
    from .testing import disabled  # noqa: PLC0415

    with disabled():
        yield


@pytest.fixture
def quickcache_recorded() -> "Generator[Recording]":
    """Hits and misses of decorated functions: `quickcache_recorded[function].hits`."""
    from .testing import recorded  # noqa: PLC0415

    with recorded() as recording:
        yield recording


def _mode_of_ini(config: pytest.Config) -> str:
    mode = config.getini("quickcache")
    if mode not in MODES:
        raise pytest.UsageError(
            f"the ini option quickcache is 'isolated', 'disabled' or 'shared', not {mode!r}"
        )
    return str(mode)


def _mode_of_marker(marker: pytest.Mark) -> str | None:
    """None where it says nothing that there is."""
    if len(marker.args) == 1 and not marker.kwargs and marker.args[0] in MODES:
        return str(marker.args[0])
    return None
