"""MemoryCache across fork: a child never inherits a lock that is held.

A child that used an inherited moka cache hung in 27 of 60 forks with eight busy threads.
"""

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

PROGRAM = """
import os, sys, threading, time, warnings
from quickcache import MemoryCache, get_quickcache

warnings.simplefilter("ignore")  # of threads and fork together, which is what this is about
cache = MemoryCache(max_entries=100)
large = MemoryCache(max_entries=None)
busy = True

@get_quickcache(cache=cache)(["x"])
def double(x):
    return [x, x]

def work(seed):
    i = seed
    while busy:
        i += 1
        assert double(i % 300) == [i % 300] * 2
        cache.set(f"k{i % 300}", [i])
        if i % 50 == 0:
            cache.clear()
        time.sleep(0)

def work_in_background():
    while busy:
        large.set_many({str(i): i for i in range(2_000)})
        large.clear()  # so large an index is dropped by a thread that Python knows nothing of
        time.sleep(0)

threads = [threading.Thread(target=work, args=(seed,)) for seed in range(7)]
threads.append(threading.Thread(target=work_in_background))

fork = os.fork
if sys.argv[1] == "from C":  # without Python's own hooks
    import ctypes
    fork = ctypes.PyDLL(None).fork
    # A thread that wants the interpreter makes the child give it up, and wait for a thread that is
    # not there: plain CPython, without any cache. So here threads give it up by themselves alone.
    sys.setswitchinterval(1_000)
else:
    sys.setswitchinterval(1e-5)

for thread in threads:
    thread.start()
outcomes = []
for _ in range(15):
    time.sleep(0.002)
    child = fork()
    if child == 0:
        code = 1
        try:
            for i in range(300):
                cache.set(f"mine{i}", [i])
                assert cache.get(f"mine{i}") in ([i], None)
                assert double(i) == [i, i]
            large.set_many({str(i): i for i in range(2_000)})
            large.clear()
            code = 0 if len(cache) <= 100 and len(large) == 0 else 2
            cache.clear()
            if len(cache):
                code = 3
        finally:
            os._exit(code)
    deadline = time.monotonic() + 5
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.001)
    if ended == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
        outcomes.append("hung")
    else:
        outcomes.append(os.waitstatus_to_exitcode(ended[1]))
busy = False
for thread in threads:
    thread.join()
print(outcomes)
"""


@pytest.mark.parametrize("way", ["from Python", "from C"])
def test_a_child_of_a_busy_parent_uses_the_cache(run_apart, way):
    assert f"{[0] * 15}\n" == run_apart(PROGRAM, way)


def test_a_child_has_what_the_parent_had_and_changes_only_its_own(run_apart):
    told = run_apart("""
        import os, warnings
        from quickcache import MemoryCache
        warnings.simplefilter("ignore")  # the watch over this program is a thread
        cache = MemoryCache()
        cache.set("k", ["parent"])
        child = os.fork()
        if child == 0:
            right = cache.get("k") == ["parent"]
            cache.set("k", "child")
            cache.set("other", 1)
            os._exit(0 if right and cache.get("k") == "child" else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), cache.get("k"), cache.get("other"))
    """)

    assert "0 ['parent'] None\n" == told


def test_processes_of_multiprocessing_may_be_forked(run_apart):
    told = run_apart("""
        import multiprocessing, warnings
        from quickcache import MemoryCache, get_quickcache
        warnings.simplefilter("ignore")
        cache = MemoryCache()

        @get_quickcache(cache=cache)(["x"])
        def double(x):
            return x * 2

        double(1)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(double, [1, 2, 3]))
    """)

    assert "[2, 4, 6]\n" == told


def test_a_child_waits_for_no_import_that_a_thread_of_the_parent_has_begun(run_apart):
    """Each module has a lock while it is imported, and no child ever sees that of a thread released."""
    told = run_apart("""
        import contextlib, importlib.abc, importlib.util, os, signal, sys, threading, warnings
        from quickcache import MemoryCache

        warnings.simplefilter("ignore")
        reached, go_on = threading.Event(), threading.Event()

        class Gate(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path, target=None):
                if threading.current_thread() is not threading.main_thread():
                    return importlib.util.spec_from_loader(name, self)

            def exec_module(self, module):
                reached.set()
                go_on.wait()
                raise ImportError

        class Pickled:
            pass

        for name in ("pickle", "_pickle", "_compat_pickle"):
            sys.modules.pop(name, None)
        sys.meta_path.insert(0, Gate())
        cache = MemoryCache()

        def use():
            with contextlib.suppress(ImportError):
                cache.set("k", Pickled())
            reached.set()

        thread = threading.Thread(target=use)
        thread.start()
        reached.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(2)
            cache.set("k", Pickled())
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        go_on.set()
        thread.join()
    """)

    assert "0\n" == told
