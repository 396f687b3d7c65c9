"""The demo of a Django site runs, loses no request, and fails when a page is wrong or a request fails."""

import re

import pytest

# Runs the demo with visitors who are answered otherwise, once they know the pages without a cache.
PLANT = """
import sys
import django_demo as demo
from site_visitors import Visitor

honest_prepare, honest_ask = demo.Stage.prepare, Visitor.ask

def ask(self, connection, path, form=None):
    answer = honest_ask(self, connection, path, form)
    return answer._replace({change}) if {which} else answer

def prepare(self, shop):
    honest_prepare(self, shop)
    Visitor.ask = ask

demo.Stage.prepare = prepare
sys.exit(demo.main(["--seconds", "1", "--only", "none", "--clients", "2"]))
"""


LIMIT = 300  # seconds


def test_no_request_fails(run_example):
    """Without a cache and with ours; nor while gunicorn is reloaded, and while the Valkey is away."""
    done = run_example("django_demo.py", "--seconds", "1", "--only", "ours", limit=LIMIT)
    assert 0 == done.returncode, done.stdout
    time = r"[\d.e+]+ (?:s|ms|us)"
    row = rf"^ +(\w+) +[\d,]+ +[\d,]+ +{time} +{time} +{time} +(\d+)$"
    assert [("none", "0"), ("ours", "0")] == re.findall(row, done.stdout, re.MULTILINE)
    disturbed = r"^ours, while (\w+) .*\n  [\d,]+ requests, (\d+) failed.*\n  (\d+) workers answered"
    reloads, outage = re.findall(disturbed, done.stdout, re.MULTILINE)
    assert ("gunicorn", "0") == reloads[:2]
    assert ("the", "0") == outage[:2]
    # Three, and three more after each reload. One may have had nothing to answer.
    assert 9 >= int(reloads[2]) >= 7


@pytest.mark.parametrize(
    ("which", "change", "said"),
    [
        pytest.param(
            "path == '/'",
            "body=answer.body.replace(b' tins</li>', b' boxes</li>')",
            r"^WRONG: / for \w+, line \d+: .* boxes</li>",
            id="a page is another one",
        ),
        pytest.param(
            "path == '/cart/' and form is None",
            "body=answer.body + b'<i data-tea=\"99\">1<'",
            r"^WRONG: the cart of \w+ has .*99: 1",
            id="a cart has what nobody put there",
        ),
        pytest.param(
            "path.startswith('/tea/')",
            "status=500",
            r"^  failed: /tea/\d+/: status 500$(.*\n)+^Every page .* and [1-9]\d* requests failed",
            id="a request fails",
        ),
    ],
)
def test_the_demo_fails_if(which, change, said, run_example):
    """Status 1, and it says what was wrong."""
    done = run_example("-c", PLANT.format(which=which, change=change), limit=LIMIT)
    assert 1 == done.returncode, done.stdout
    assert re.search(said, done.stdout, re.MULTILINE), done.stdout


def test_unknown_caches_are_refused(run_example):
    """Status 2, and which there are."""
    done = run_example("django_demo.py", "--only", "memcached", limit=LIMIT)
    assert 2 == done.returncode
    assert "no such caches: memcached; there are none, stock, vcache, ours" in done.stdout
