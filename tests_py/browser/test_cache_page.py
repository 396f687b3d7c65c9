"""The page /cache/ of the example of a site, in a browser: it shows what was counted, while it is counted."""

import json
import time
from http.client import HTTPConnection

import pytest

# The cells of a function's row.
ROW = """
    const row = document.querySelector('[data-function="{}"]');
    return row && [...row.cells].map((cell) => cell.textContent);
"""
HEIGHTS = "return [...document.querySelectorAll('{}')].map((bar) => Number(bar.getAttribute('height')));"
# The calls that computed, as far as the page was told.
COMPUTED = "[...before.values()].reduce((all, worker) => all + worker.misses, 0)"
# Their milliseconds as the page was told them, and as its bars have them by the scale of their chart, each
# for as long as it stands for.
COMPUTING = """
    const chart = document.querySelector('#times');
    const lines = [...chart.querySelectorAll('line')].map((line) => Number(line.getAttribute('y1')));
    const marks = [...chart.querySelectorAll('[text-anchor=end]')].map((mark) => mark.textContent);
    const most = Math.max(...marks.map((mark) => Number(mark.replace(',', ''))).filter(Number.isFinite));
    const scale = most / (Math.max(...lines) - Math.min(...lines));
    const long = minute.filter((look) => look.computing > 0).map((look) => look.seconds);
    const heights = [...chart.querySelectorAll('.miss')].map((bar) => Number(bar.getAttribute('height')));
    const drawn = heights.map((height, place) => scale * height * long[place]);
    const told = [...before.values()].map((worker) => 1000 * worker.miss_seconds);
    const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
    return [sum(told), heights.length === long.length ? sum(drawn) : null];
"""


def ask(port, *paths):
    """Pages of the site, as a visitor gets them."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    answers = []
    for path in paths:
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read()))
    connection.close()
    assert {200} == {status for status, _ in answers}
    return [body for _, body in answers]


def counted(port, function, what):
    """The sum of all workers."""
    (body,) = ask(port, "/cache/counts/")
    return sum(worker["functions"][function][what] for worker in json.loads(body)["workers"])


@pytest.fixture
def page(browser, site):
    """The browser, at the page, after its first look at the counts."""
    ask(site, "/", "/tea/7/", "/tea/7/", "/teas/oolong/")
    browser.wide(1200)
    browser.open(f"http://127.0.0.1:{site}/cache/")
    browser.until(ROW.format("facts"))
    return browser


class TestCounts:
    def test_a_functions_row_has_what_all_workers_counted(self, page, site):
        """Once each worker has told of its last calls, and the page has asked for that."""
        end = time.monotonic() + 60
        while True:
            hits, misses, waits = (counted(site, "facts", what) for what in ("hits", "misses", "waits"))
            name, calls, share, _, waited, computed, hit, computing, _ = page.run(ROW.format("facts"))
            if (hits and f"{hits + misses}" == calls) or time.monotonic() > end:
                break
            time.sleep(0.1)
        assert hits > 0 < misses
        assert ("facts", f"{hits + misses}", f"{misses}") == (name, calls, computed)
        assert f"{waits}" == waited
        expected = 100 * (hits - waits) / (hits + misses)
        assert pytest.approx(expected, abs=0.1) == float(share.removesuffix(" %"))
        assert hit.endswith(("ns", "µs", "ms"))
        assert computing.endswith(("µs", "ms", " s"))

    def test_more_calls_are_shown_without_a_reload(self, page, site):
        before = int(page.run(ROW.format("bought_with"))[1])
        ask(site, *["/tea/9/"] * 5)
        calls = "document.querySelector('[data-function=bought_with]').cells[1].textContent"
        page.until(f"return Number({calls}) >= {before + 5}")

    @pytest.mark.parametrize("tier", ["memory", "server"])
    def test_the_tiers_have_hits(self, tier, page):
        hits = f"Number(document.querySelector('[data-tier={tier}] [data-fact=hits]').textContent)"
        assert page.until(f"return {hits}") > 0


class TestCharts:
    def test_calls_are_drawn_in_the_second_they_were_made(self, page, site):
        """Those from a cache, and those that computed."""
        before = len(page.run(HEIGHTS.format("#calls .hit")))
        ask(site, *["/tea/11/"] * 5)
        page.until(HEIGHTS.format("#calls .hit").replace(";", "") + f".length > {before}")
        assert all(height > 0 for height in page.run(HEIGHTS.format("#calls rect")))

    def test_computing_is_drawn_by_its_time(self, page, site):
        """As many milliseconds as the page was told."""
        computed = page.run(f"return {COMPUTED}")
        told_before, drawn_before = page.run(COMPUTING)
        ask(site, *(f"/tea/{tea}/" for tea in range(40, 50)))  # which nobody asked for before
        page.until(f"return {COMPUTED} >= {computed + 10}")
        told, drawn = page.run(COMPUTING)
        assert pytest.approx(told - told_before, rel=0.01) == drawn - drawn_before
        assert told > told_before


class TestLooks:
    def test_it_is_dark_for_those_who_like_that(self, page):
        lightness = {}
        for scheme in ("light", "dark"):
            page.prefer(scheme)
            red_green_blue = page.run(
                "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
            )
            lightness[scheme] = sum(red_green_blue) / 3
        assert lightness["light"] > 200
        assert lightness["dark"] < 50

    @pytest.mark.parametrize("width", [360, 768, 1600])
    def test_nothing_sticks_out(self, width, page):
        """On a telephone the table of functions is scrolled in its box."""
        page.wide(width)
        page.until(f"return innerWidth === {width}")
        assert width >= page.run("return document.scrollingElement.scrollWidth")

    def test_nothing_comes_from_elsewhere_and_nothing_goes_wrong(self, page, site):
        """No library, no font, no error in the console."""
        page.until("return performance.getEntriesByType('resource').length > 1")
        loaded = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert {f"http://127.0.0.1:{site}/cache/counts/"} == set(loaded)
        assert [] == page.log()
