"""A browser, and the example of a site under gunicorn with quickcache.django's caches.

QUICKCACHE_CHROMEDRIVER, which `make test-browser` sets, is the program that drives a Chromium. Without it the
tests here are left out: `make test` says so in its summary.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "examples")]

DRIVER = os.environ.get("QUICKCACHE_CHROMEDRIVER", "")
collect_ignore_glob = [] if DRIVER else ["test_*"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The port of the site."""
    from site_servers import Shop, Valkey, manage  # takes packages that most tests do without

    folder = tmp_path_factory.mktemp("site")
    with Valkey(folder / "valkey") as valkey:
        env = {
            "SHOP_CACHES": "ours",
            "SHOP_DATABASE": str(folder / "shop.sqlite3"),
            "SHOP_COUNTS": str(folder / "counts"),
            "REDIS_URL": valkey.url,
        }
        manage("fill", env=env)
        with Shop(2, 2, folder / "gunicorn.log", env) as shop:
            yield shop.port


@pytest.fixture
def browser(tmp_path):
    """A browser with an empty profile."""
    from webdriver import Browser

    with Browser(DRIVER, tmp_path) as browser:
        yield browser
