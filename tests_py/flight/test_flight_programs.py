"""Waiting for another thread's computation, in programs of their own: forks, signals, Django, the end."""

import functools
import os

import pytest

PRELUDE = """
import os, signal, threading, time, warnings
from quickcache import MemoryCache, get_quickcache, stats
warnings.simplefilter("ignore")  # of threads and fork together

def until(is_so):
    while not is_so():
        time.sleep(0.001)
"""


@pytest.fixture
def run(run_program):
    """Run a program after the prelude: what it prints."""
    return functools.partial(run_program, PRELUDE)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


@needs_fork
class TestAChildOfAFork:
    @pytest.mark.parametrize("how", ["os.fork", "__import__('ctypes').PyDLL(None).fork"])
    def test_waits_for_no_thread_of_its_parents(self, run, how):
        told = run(f"""
            import sys
            sys.setswitchinterval(1_000)
            gate = threading.Event()

            @get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
            def f(x):
                if threading.current_thread() is not threading.main_thread():
                    gate.wait()
                return x

            thread = threading.Thread(target=f, args=(1,))
            thread.start()
            waiter = threading.Thread(target=f, args=(1,))
            waiter.start()
            until(lambda: stats(f)["waits"] == 1)
            child = {how}()
            if child == 0:
                os._exit(0 if f(1) == 1 and f(1) == 1 else 1)
            print(os.waitpid(child, 0)[1])
            gate.set()
            thread.join()
            waiter.join()
            print(stats(f))
        """)
        assert ["0", "{'computations': 1, 'waits': 1, 'wait_cycles': 0, 'wait_timeouts': 0}"] == (
            told.splitlines()
        )

    def test_may_be_forked_by_the_one_who_computes(self, run):
        told = run("""
            @get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
            def f(x):
                child = os.fork()
                if child == 0:
                    return "child"
                print(os.waitpid(child, 0)[1])
                return "parent"

            value = f(1)
            again = f(1)
            if value == "child":
                os._exit(0 if again == "child" else 1)
            print(value, again)
        """)
        assert ["0", "parent parent"] == told.splitlines()


class TestAWait:
    def test_is_ended_by_ctrl_c(self, run):
        told = run("""
            gate = threading.Event()

            @get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
            def f(x):
                gate.wait()
                return x

            thread = threading.Thread(target=f, args=(1,))
            thread.start()
            threading.Timer(0.1, lambda: signal.raise_signal(signal.SIGINT)).start()
            try:
                f(1)
            except KeyboardInterrupt:
                print("ended")
            gate.set()
            thread.join()
            print(f(1))
        """)
        assert ["ended", "1"] == told.splitlines()

    def test_lets_other_threads_run(self, run):
        told = run("""
            gate = threading.Event()

            @get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
            def f(x):
                gate.wait()
                return x

            threading.Thread(target=f, args=(1,)).start()
            threading.Thread(target=lambda: (until(lambda: stats(f)["waits"] == 1), gate.set())).start()
            print(f(1))
        """)
        assert ["1"] == told.splitlines()

    def test_does_not_keep_the_process_from_ending(self, run):
        assert "end\n" == run("""
            started = threading.Event()

            @get_quickcache(cache=MemoryCache(), flight_wait=1_000)(["x"])
            def f(x):
                started.set()
                threading.Event().wait()

            threading.Thread(target=f, args=(1,), daemon=True).start()
            started.wait()
            for _ in range(5):
                threading.Thread(target=f, args=(1,), daemon=True).start()
            until(lambda: stats(f)["waits"] == 5)
            print("end")
        """)


class TestDjango:
    def test_a_key_function_of_the_users_keeps_tenants_apart(self, run):
        """Both miss one key of quickcache's, which are two of Django's."""
        told = run("""
            import django
            from django.conf import settings

            tenant = threading.local()

            def make_key(key, prefix, version):
                return f"{tenant.name}:{key}"

            settings.configure(CACHES={
                name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "KEY_FUNCTION": make_key}
                for name in ("locmem", "default")
            })
            from quickcache.django import get_django_quickcache

            both = threading.Barrier(2)

            @get_django_quickcache(timeout=10, memoize_timeout=10)(["x"])
            def f(x):
                both.wait(10)
                return tenant.name

            told = []

            def call(name):
                tenant.name = name
                told.append((name, f(1), f(1)))

            threads = [threading.Thread(target=call, args=(name,)) for name in "ab"]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            print(sorted(told))
        """)
        assert "[('a', 'a', 'a'), ('b', 'b', 'b')]\n" == told

    def test_threads_of_one_tenant_compute_once(self, run):
        told = run("""
            from django.conf import settings

            settings.configure(CACHES={
                name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
                for name in ("locmem", "default")
            })
            from quickcache.django import get_django_quickcache

            gate = threading.Event()

            @get_django_quickcache(timeout=10, memoize_timeout=10)(["x"])
            def f(x):
                gate.wait()
                return [x]

            threads = [threading.Thread(target=f, args=(1,)) for _ in range(10)]
            [thread.start() for thread in threads]
            until(lambda: stats(f)["waits"] == 9)
            gate.set()
            [thread.join() for thread in threads]
            print(stats(f)["computations"])
        """)
        assert "1\n" == told
