"""Clears that wait for the commit: others do not see what may be rolled back, and the transaction does."""

import gc
import sys
import threading
import unittest
import weakref
from contextlib import contextmanager
from unittest import mock

import pytest
from django import test
from django.core.cache import caches
from django.db import connections, transaction
from django.utils.connection import ConnectionDoesNotExist
from django_settings import config, in_settings

from quickcache.django import _transactions, get_django_quickcache

quickcache = get_django_quickcache(timeout=300, memoize_timeout=100)


FORK = """
    import os, threading, warnings
    import django
    from django.conf import settings
    memory = {"BACKEND": "quickcache.django.MemoryCache"}
    settings.configure(
        CACHES={"default": memory, "locmem": memory},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )
    django.setup()
    from django.db import connections, transaction
    from quickcache.django import _transactions, get_django_quickcache

    @get_django_quickcache(timeout=300, memoize_timeout=10)(["x"])
    def price(x):
        return x

    inside, go_on = threading.Event(), threading.Event()

    def wait():
        with transaction.atomic():
            price.clear_on_commit(1)
            with _transactions._changing:
                inside.set()
                go_on.wait()
        connections.close_all()

    price(1)
    thread = threading.Thread(target=wait)
    thread.start()
    inside.wait()
    warnings.simplefilter("ignore")  # of forks of threads, which is what is tried
    child = os.fork()
    if not child:
        price(1)
        with transaction.atomic():
            price.clear_on_commit(1)
            price(1)
        price(1)
        os._exit(1 if "call" in vars(price.get_cache_key.__self__) else 0)
    print(os.waitpid(child, 0)[1])
    go_on.set()
    thread.join()
    connections.close_all()
"""


@contextmanager
def rolled_back():
    """A transaction, or a savepoint, that comes to nothing."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def memory(prefix):
    with in_settings(locmem=config("MemoryCache", prefix), default=config("MemoryCache", f"{prefix} 2")):
        yield


@pytest.fixture
def function():
    return decorated()


def decorated(decorate=quickcache, **options):
    """A function that tells how many calls there were."""
    calls = []

    @decorate(["n"], **options)
    def count(n, fresh=False):
        calls.append(n)
        return len(calls)

    return count


def elsewhere(call, *args):
    """What a call returns in another thread, which has connections of its own."""
    found = []

    def run():
        found.append(call(*args))
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def is_native(function):
    return not {"call", "skip"} & set(vars(function.get_cache_key.__self__))


class TestClearOnCommit:
    def test_outside_of_a_transaction_it_is_done_at_once(self, function):
        assert 1 == function(1) == function(1)
        function.clear_on_commit(1)
        assert 2 == function(1)
        assert is_native(function)

    def test_others_have_the_old_value_until_the_commit(self, function):
        assert 1 == function(1)
        with transaction.atomic():
            function.clear_on_commit(1)
            assert 1 == elsewhere(function, 1)
        assert 2 == elsewhere(function, 1) == function(1)
        assert is_native(function)

    def test_the_transaction_itself_does_not_and_keeps_nothing(self, function):
        assert 1 == function(1)
        with transaction.atomic():
            assert 1 == function(1)
            function.clear_on_commit(1)
            assert 2 == function(1)
            assert 3 == function(1)
            assert 4 == function(1, fresh=True)
            assert function.get_cached_value(1) is Ellipsis
            assert (
                1
                == elsewhere(function.get_cached_value, 1)
                == caches["default"].get(function.get_cache_key(1))
            )
        assert 5 == function(1) == function(1)

    def test_other_keys_are_left_alone(self, function):
        assert (1, 2) == (function(1), function(2))
        with transaction.atomic():
            function.clear_on_commit(1)
            assert 2 == function(2) == function.get_cached_value(2)
        assert 2 == function(2)

    def test_a_refresh_in_the_transaction_is_not_kept(self):
        function = decorated(skip_arg="fresh")
        assert 1 == function(1)
        with transaction.atomic():
            function.clear_on_commit(1)
            assert 2 == function(1, fresh=True)
            assert 1 == elsewhere(function, 1)
        assert 3 == function(1)

    def test_nobody_joins_what_it_computes(self, function):
        inside, go_on = threading.Event(), threading.Event()
        first = threading.current_thread()
        calls = []

        @quickcache(["n"])
        def slow(n):
            calls.append(n)
            if threading.current_thread() is not first and len(calls) == 2:
                inside.set()
                assert go_on.wait(10)
            return len(calls)

        found = []
        slow(1)
        slow.clear(1)
        with transaction.atomic():
            slow.clear_on_commit(1)
            thread = threading.Thread(target=lambda: found.append(slow(1)))
            thread.start()
            assert inside.wait(10)
            assert 3 == slow(1)  # and does not wait for the other
            go_on.set()
            thread.join()
        assert [3] == found

    def test_what_is_rolled_back_clears_nothing(self, function):
        assert 1 == function(1)
        with rolled_back():
            function.clear_on_commit(1)
            assert 2 == function(1)
        assert 1 == function(1)
        assert is_native(function)

    def test_a_savepoint_that_is_rolled_back_neither(self, function):
        assert (1, 2) == (function(1), function(2))
        with transaction.atomic():
            with rolled_back():
                function.clear_on_commit(1)
                assert 3 == function(1)
            assert 1 == function(1)
            with transaction.atomic():
                function.clear_on_commit(2)
            assert 4 == function(2)
        assert 1 == function(1)
        assert 5 == function(2)

    def test_arguments_are_those_of_the_call(self, function):
        class Row:
            pk = 1

        row = Row()

        @quickcache(["row.pk"])
        def of_row(row):
            return row.pk

        assert 1 == of_row(row)
        key = of_row.get_cache_key(row)
        with transaction.atomic():
            of_row.clear_on_commit(row)
            row.pk = None
        assert key not in caches["default"]
        assert key not in caches["locmem"]

    def test_wrong_arguments_are_told_at_once(self, function):
        with transaction.atomic(), pytest.raises(TypeError, match="missing"):
            function.clear_on_commit()

    def test_of_another_database(self, function):
        assert 1 == function(1)
        with transaction.atomic(using="other"):
            with transaction.atomic():
                function.clear_on_commit(1, using="other")
            assert 2 == function(1)
            assert 1 == elsewhere(function, 1)
        assert 3 == function(1)

    def test_none_stands_for_the_database_by_default(self, function):
        function(1)
        with transaction.atomic():
            function.clear_on_commit(1, using=None)
            assert function.get_cached_value(1) is Ellipsis
        with transaction.atomic():

            @quickcache(["a"], using=None)
            def another(a):
                return [a]

            another(1)
            another.clear_on_commit(1)
            assert another.get_cached_value(1) is Ellipsis

    def test_of_a_database_that_is_missing_are_refused_at_the_decoration(self):
        with pytest.raises(ConnectionDoesNotExist, match="nowhere"):
            quickcache(["a"], using="nowhere")

    def test_a_parameter_named_using_is_the_functions(self):
        @quickcache(["using"], using="other")
        def function(using):
            return [using]

        function("a")
        with transaction.atomic():
            with transaction.atomic(using="other"):
                function.clear_on_commit(using="a")
            assert function.get_cached_value("a") is Ellipsis

    def test_many_that_are_rolled_back_leave_nothing(self, function):
        for _ in range(3):
            with rolled_back():
                function.clear_on_commit(1)
        assert not is_native(function)
        function(1)
        assert is_native(function)

    def test_it_comes_before_what_else_is_done_at_the_commit(self, function):
        seen = []
        assert 1 == function(1)
        with transaction.atomic():
            transaction.on_commit(lambda: seen.append(function(1)))
            function.clear_on_commit(1)
        assert [2] == seen

    def test_hooks_that_raise_do_not_keep_it_back(self, function):
        other = decorated()

        def change():
            with transaction.atomic():
                transaction.on_commit(mock.Mock(side_effect=ConnectionError("the broker is away")))
                function.clear_on_commit(1)
                other.clear_on_commit(1)

        assert (1, 1) == (function(1), other(1))
        with pytest.raises(ConnectionError, match="broker"):
            change()
        assert (2, 2) == (function(1), other(1))

    def test_one_that_raises_keeps_back_no_other_and_no_hook(self, function):
        failing, hook = decorated(), mock.Mock()
        failing.clear.__self__.cache = mock.Mock(delete=mock.Mock(side_effect=ConnectionError("away")))

        def change():
            with transaction.atomic():
                failing.clear_on_commit(1)
                function.clear_on_commit(1)
                transaction.on_commit(hook)

        assert 1 == function(1)
        with pytest.raises(ConnectionError, match="away"):
            change()
        hook.assert_called_once_with()
        assert 2 == function(1)

    def test_thousands_are_not_looked_through_at_each(self, function):
        among = _transactions._clears_among
        with (
            transaction.atomic(),
            mock.patch.object(_transactions, "_clears_among", side_effect=among) as scans,
        ):
            for number in range(2_000):
                function.clear_on_commit(number)
                function(number)
            assert scans.call_count <= 2

    def test_what_is_set_within_is_kept_nowhere(self, function):
        assert 1 == function(1)
        with rolled_back():
            function.clear_on_commit(1)
            function.set_cached_value(1).to(99)
            assert 2 == function(1)
        assert 1 == function(1)
        function.set_cached_value(1).to(99)
        assert 99 == function(1)

    @pytest.mark.skipif(sys.platform == "win32", reason="no forks there")
    def test_a_child_of_a_fork_waits_for_nobody(self, run_program):
        told = run_program(FORK)
        assert "0\n" == told


class TestConfiguration:
    def test_all_clears_of_one_can_wait(self):
        function = decorated(quickcache.but_with(clear="on_commit"))
        assert 1 == function(1)
        with transaction.atomic():
            function.clear(1)
            assert 1 == elsewhere(function, 1)
            assert 2 == function(1)
        assert 3 == function(1)

    def test_those_of_one_function_can(self):
        function = decorated(clear="on_commit")
        assert 1 == function(1)
        with transaction.atomic():
            function.clear(1)
            assert 1 == elsewhere(function, 1)
        assert 2 == function(1)

    def test_anything_else_is_refused(self):
        with pytest.raises(ValueError, match="clear is 'now' or 'on_commit', not 'later'"):
            decorated(clear="later")

    def test_methods_of_a_helper_are_called(self):
        from quickcache import QuickCacheHelper

        cleared = []

        class Helper(QuickCacheHelper):
            def clear(self, *args, **kwargs):
                cleared.append(args)
                super().clear(*args, **kwargs)

        function = decorated(helper_class=Helper)
        function(1)
        with transaction.atomic():
            function.clear_on_commit(1)
            assert [] == cleared
        assert [(1,)] == cleared
        assert 2 == function(1)

    def test_a_helper_of_another_kind_waits_too(self):
        class Helper:
            def __init__(self, fn, **_options):
                self.fn = fn
                self.prefix = "p"
                self.cleared = []
                self.get_cache_key = self.get_cached_value = self.set_cached_value = fn

            def __call__(self, *args):
                return self.fn(*args)

            def clear(self, *args):
                self.cleared.append(args)

        function = decorated(helper_class=Helper, clear="on_commit")
        helper = function.clear.__self__
        with transaction.atomic():
            function.clear(1)
            assert [] == helper.cleared
        assert [(1,)] == helper.cleared


class TestInTests:
    def test_of_a_test_case_reads_are_fresh_and_commits_can_be_played(self, function):
        class Case(test.TestCase):
            def runTest(self):  # noqa: N802  unittest's name
                assert 1 == function(1)
                function.clear_on_commit(1)
                assert 2 == function(1)
                with self.captureOnCommitCallbacks(execute=True) as callbacks:
                    function.clear_on_commit(1)
                assert 1 == len(callbacks)
                assert 3 == function(1)

        result = unittest.TestSuite([Case()]).run(unittest.TestResult())
        assert (1, [], []) == (result.testsRun, result.failures, result.errors)
        function(1)

    def test_functions_die_once_their_transactions_are_over(self):
        function = decorated()
        with transaction.atomic():
            function.clear_on_commit(1)
        dead = weakref.ref(function)
        del function
        gc.collect()
        assert dead() is None

    def test_also_where_these_are_rolled_back(self):
        function = decorated()
        with rolled_back():
            function.clear_on_commit(1)
        dead = weakref.ref(function)
        del function
        gc.collect()
        assert dead() is None
