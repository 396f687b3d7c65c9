"""The pytest plugin, in runs of pytest of its own."""

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import quickcache.testing  # noqa: F401  or else it would be imported anew in each run within this process

APP = """
    from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

    cache = {cache}
    called = []

    @get_quickcache(cache=cache)(["a"])
    def function(a):
        called.append(a)
        return a
"""
MEMORY = "MemoryCache()"


@pytest.fixture
def run(pytester, request):
    """Run a file of tests, with an application beside it, in this process or one of its own."""

    def run(tests, *arguments, ini="", cache=MEMORY, apart=False):
        pytester.makepyfile(app=APP.format(cache=cache), test_app=tests)
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{ini}\n")
        if apart:
            return pytester.runpytest_subprocess("-p", "no:hypothesispytest", *arguments, timeout=120)
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *arguments)

    return run


def test_it_is_found_by_pytest():
    [entry] = [one for one in entry_points(group="pytest11") if one.name == "quickcache"]

    assert "quickcache.pytest_plugin" == entry.value


def test_the_example_of_the_page_passes(run):
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(import pytest\n.*?)```", page, re.DOTALL)

    run(example, apart=True).assert_outcomes(passed=3)


class TestFixtures:
    def test_isolated_finds_nothing_and_leaves_nothing(self, run):
        tests = """
            from app import cache, called, function

            def test_before():
                function(1)

            def test_isolated(quickcache_isolated):
                function(1)
                function(1)
                assert called == [1, 1]

            def test_after():
                function(1)
                assert called == [1, 1]
                assert len(cache) == 1
        """
        run(tests).assert_outcomes(passed=3)

    def test_disabled_computes(self, run):
        tests = """
            from app import called, function

            def test_disabled(quickcache_disabled):
                function(1)
                function(1)
                assert called == [1, 1]
        """
        run(tests).assert_outcomes(passed=1)

    def test_recorded_counts(self, run):
        tests = """
            from app import function

            def test_recorded(quickcache_recorded):
                function(1)
                function(1)
                assert (1, 1, 0) == quickcache_recorded[function]
                assert quickcache_recorded[function].hits == 2
        """
        result = run(tests)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*app.function: Counts(hits=1, misses=1, skips=0)*"])

    def test_they_have_descriptions(self, run):
        result = run("", "--fixtures")

        result.stdout.fnmatch_lines(["quickcache_isolated*", "    Decorated functions find nothing*"])


class TestModes:
    TESTS = """
        import pytest
        from app import called, function

        def times():
            before = len(called)
            function(1)
            function(1)
            return len(called) - before

        @pytest.fixture
        def warmed():
            function(1)
            called.clear()

        def test_by_ini():
            assert times() == {first}

        def test_by_ini_again():
            assert times() == {second}

        @pytest.mark.quickcache("disabled")
        def test_disabled():
            assert times() == 2

        @pytest.mark.quickcache("isolated")
        class TestIsolated:
            def test_fixtures_are_inside(self, warmed):
                assert times() == 0

            def test_another_is_not(self):
                assert times() == 1

            @pytest.mark.quickcache("disabled")
            def test_the_closest_marker_counts(self):
                assert times() == 2

        @pytest.mark.quickcache("shared")
        def test_shared():
            times()
            assert times() == 0

        def test_a_fixture_goes_before(quickcache_disabled):
            assert times() == 2
    """

    @pytest.mark.parametrize(
        ("ini", "first", "second"),
        [
            ("", 1, 0),
            ("quickcache = shared", 1, 0),
            ("quickcache = isolated", 1, 1),
            ("quickcache = disabled", 2, 2),
        ],
    )
    def test_an_option_holds_for_all_tests_and_a_marker_for_some(self, run, ini, first, second):
        tests = self.TESTS.format(first=first, second=second)

        run(tests, "--strict-markers", ini=ini).assert_outcomes(passed=8)

    def test_a_test_case_of_unittest_is_isolated_as_well(self, run):
        tests = """
            import unittest
            from app import called, function

            class Case(unittest.TestCase):
                def setUp(self):
                    function(1)

                def test_one(self):
                    function(1)

                def test_two(self):
                    self.assertEqual([1, 1], called)
        """
        run(tests, ini="quickcache = isolated").assert_outcomes(passed=2)

    def test_another_option_is_refused(self, run):
        result = run("def test_nothing(): pass", ini="quickcache = off")

        assert pytest.ExitCode.USAGE_ERROR == result.ret
        assert "collected" not in result.stdout.str()
        expected = "*the ini option quickcache is 'isolated', 'disabled' or 'shared', not 'off'"
        result.stderr.fnmatch_lines([expected])

    @pytest.mark.parametrize("given", ["", "'off', 5", "mode='isolated'"])
    @pytest.mark.parametrize("processes", [(), ("-n", "2")])
    def test_another_marker_fails_its_test_alone(self, run, given, processes):
        tests = f"""
            import pytest

            @pytest.mark.quickcache({given})
            def test_misspelt(quickcache_isolated):
                pass

            def test_another():
                pass
        """
        result = run(tests, *processes)

        result.assert_outcomes(passed=1, errors=1)
        expected = (
            f"*test_misspelt: the marker quickcache takes 'isolated', 'disabled' or 'shared', not ({given})"
        )
        result.stdout.fnmatch_lines([expected])
        assert "INTERNALERROR" not in result.stdout.str()

    def test_the_marker_and_the_option_are_described(self, run):
        run("", "--markers").stdout.fnmatch_lines(["@pytest.mark.quickcache(mode): 'isolated', 'disabled'*"])
        run("", "--help").stdout.fnmatch_lines(["*quickcache (string):*"])


class TestCosts:
    def test_unused_it_imports_nothing(self, run):
        tests = """
            import sys

            def test_nothing():
                names = {"quickcache.testing", "quickcache._native", "quickcache._helper", "django"}
                assert names.isdisjoint(sys.modules)
        """
        run(tests, apart=True).assert_outcomes(passed=1)

    def test_it_can_be_left_out(self, run):
        result = run("def test_nothing(quickcache_isolated): pass", "-p", "no:quickcache")

        result.assert_outcomes(errors=1)


@pytest.fixture
def server(shared):
    """One that has nothing."""
    server = shared.server()
    server.cli("FLUSHALL")
    yield server
    server.cli("FLUSHALL")


@pytest.fixture
def on_server(server):
    """A cache on it, as it is written."""
    return f"RedisCache({server.url!r}, key_prefix='xdist:', deadline=60, on_error='raise')"


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
def test_processes_of_xdist_that_share_a_server_do_not_see_one_another(run, server, on_server):
    """Each test would find what another has cached, and the counts would be others."""
    tests = """
        import pytest
        from app import called, function

        @pytest.mark.parametrize("turn", range(40))
        def test_alone(turn, quickcache_recorded, worker_id):
            assert worker_id != "master"
            for a in range(5):
                assert function.get_cached_value(a) is ...
                function(a)
                function(a)
            assert (5, 5, 0) == quickcache_recorded[function]
    """
    result = run(
        tests, "-n", "2", ini="quickcache = isolated", cache=f"TieredCache([MemoryCache(), {on_server}])"
    )

    result.assert_outcomes(passed=40)
    assert 0 == server.cli("DBSIZE")


@pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")
def test_without_isolation_the_same_tests_fail(run, on_server):
    """So that the test above is known to see something."""
    tests = """
        import pytest
        from app import function

        @pytest.mark.parametrize("turn", range(4))
        def test_alone(turn, quickcache_recorded):
            function(1)
            assert (0, 1, 0) == quickcache_recorded[function]
    """
    # The first of each worker may come at the same time, when nothing is there yet.
    assert run(tests, "-n", "2", cache=on_server).parseoutcomes()["failed"] >= 2
