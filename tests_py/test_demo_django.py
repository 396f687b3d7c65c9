"""The example of a site passes its own tests with each kind of caches. stress/ has it served."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

SITE = Path(__file__).parent.parent / "examples" / "site"


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
@pytest.mark.parametrize("caches", ["ours", "stock"])
def test_the_tests_of_the_site_pass(caches, shared, tmp_path):
    """Pages are cached, what changes is cleared, and sessions outlive the cache."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "test"],
        cwd=SITE,
        env={
            **os.environ,
            "SHOP_CACHES": caches,
            "SHOP_COUNTS": str(tmp_path),
            "REDIS_URL": urlsplit(shared.server().url)._replace(path="/9").geturl(),  # which they empty
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stdout
    ran = re.search(r"^Ran (\d+) tests in .*\n\nOK$", done.stdout, re.MULTILINE)
    assert ran is not None, done.stdout
    tests = (SITE / "shop" / "tests.py").read_text("utf-8")
    assert tests.count("    def test_") == int(ran[1])
