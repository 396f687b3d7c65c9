"""Recursion without end is a RecursionError, through C alone as well, and takes little of the stack."""

import sys

import pytest

IN_A_THREAD = """
import functools, sys, threading

def in_a_thread(stack, call):
    told = []

    def tell():
        try:
            told.append(call())
        except RecursionError:
            told.append("RecursionError")

    threading.stack_size(stack)
    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    return told[0]
"""

# Each goes from C to C: no Python function is entered but the decorated ones, if these are.
PROGRAMS = {
    "a property": """
        class Thing:
            @property
            @get_quickcache(cache=MemoryCache())(["self.id"])
            def id(self): return 1

        call = lambda: Thing().id
    """,
    "two properties": """
        quickcache = get_quickcache(cache=MemoryCache())
        class Thing:
            @property
            @quickcache(["self.two"])
            def one(self): return 1

            @property
            @quickcache(["self.one"])
            def two(self): return 2

        call = lambda: Thing().one
    """,
    "max": """
        quickcache = get_quickcache(cache=MemoryCache())
        @quickcache(["self.id"])
        def key(self): return 1

        class Thing(list):
            id = property(functools.partial(max, key=key))

        thing = Thing()
        thing.append(thing)
        call = lambda: thing.id
    """,
    "sorted": """
        quickcache = get_quickcache(cache=MemoryCache())
        @quickcache(["self.id"])
        def key(self): return 1

        class Thing(list):
            id = property(functools.partial(sorted, key=key))

        thing = Thing()
        thing.append(thing)
        call = lambda: thing.id
    """,
    "map": """
        quickcache = get_quickcache(cache=MemoryCache())
        @quickcache(["self.id"])
        def key(self): return 1

        things = []
        class Thing:
            __iter__ = staticmethod(functools.partial(map, key, things))
            id = property(list)

        things.append(Thing())
        call = lambda: things[0].id
    """,
    "__getattr__": """
        quickcache = get_quickcache(cache=MemoryCache())
        class Thing:
            @quickcache(["self.id", "name"])
            def __getattr__(self, name): return 1

        call = lambda: Thing().id
    """,
    "a key of one's own": """
        quickcache = get_quickcache(cache=MemoryCache())
        class Thing:
            @quickcache(["self"])
            def __quickcache_key__(self): return 1

        call = lambda: Thing().__quickcache_key__()
    """,
    "a prefix": """
        cache = CacheWithPresets(MemoryCache(), 60, lambda: cached())
        @get_quickcache(cache=cache)([])
        def cached(): return ""

        call = lambda: cached()
    """,
}
# Kilobytes of stack in which 0.5.4 ends each of them well, at the limit of recursion that Python has.
LEAST = {
    "sorted": 2_048 if sys.version_info[:2] != (3, 12) else 1_024,
    "a prefix": 512,
}


def stacks(program):
    roomy = sys.version_info[:2] in ((3, 11), (3, 13))
    return [LEAST.get(program, 1_024 if roomy else 512), 1_024, 2_048, 8_192]


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_end_is_a_recursion_error_where_the_original_survives(run_apart, program):
    tried = [stack for stack in sorted(set(stacks(program))) if stack >= stacks(program)[0]]
    told = run_apart(
        IN_A_THREAD,
        PROGRAMS[program],
        f"print(*[in_a_thread(stack * 1024, call) for stack in {tried[::-1]} for _ in range(2)])\n",
    )
    assert ["RecursionError"] * 2 * len(tried) == told.split()


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_end_in_the_main_thread_is_a_recursion_error(run_apart, program):
    told = run_apart(
        IN_A_THREAD,
        PROGRAMS[program],
        """
        for _ in range(2):
            try:
                call()
            except RecursionError:
                print("RecursionError")
        """,
    )
    assert "RecursionError\nRecursionError\n" == told


READING = """
import logging
logging.getLogger("quickcache").addHandler(logging.NullHandler())

class Value:
    def __reduce__(self):
        return getattr, (thing, "id")

class Thing:
    id = "plain"

    def __reduce__(self):
        return "thing"

thing = Thing()

@get_quickcache(cache=MemoryCache())(["x"])
def cached(x, self=None):
    return Value()

for _ in range(5):
    cached(1)
Thing.id = property(functools.partial(cached, 1))
"""


@pytest.mark.parametrize("stack", [1_024, 8_192])
def test_without_end_as_a_value_is_read_ends_well(run_apart, stack):
    """A pickle that calls the function whose value it is: what cannot be read is a miss, or an error."""
    told = run_apart(
        IN_A_THREAD,
        READING,
        f"""
        told = in_a_thread({stack} * 1024, lambda: type(cached(1)).__name__)
        print(told in ("Value", "RecursionError"), told)
        """,
    )
    assert told.startswith("True")


class TestAfterwards:
    def test_the_functions_answer_and_cache_again(self, run_apart):
        told = run_apart(
            IN_A_THREAD,
            """
            quickcache = get_quickcache(cache=MemoryCache())
            computed = []

            class Thing:
                @property
                @quickcache(["self.next.id"])
                def id(self):
                    computed.append(self)
                    return 1

            class End:
                id = 0

            thing = Thing()
            thing.next = thing
            print(in_a_thread(1024 * 1024, lambda: thing.id))
            thing.next = End
            print([thing.id for _ in range(5)], len(computed))
            """,
        )
        assert "RecursionError\n[1, 1, 1, 1, 1] 1\n" == told


# Bytes of C stack per level of a recursion through misses, with the interpreter's own frames: 1,590 were
# measured on 3.14 and 3.15, 1,220 on 3.13, 560 on 3.12, and 470 on 3.11, whose body needs no entry.
PER_LEVEL = 1_792
# What a thread needs for itself, and what 3.14 leaves free before the end.
BEFORE = 96 * 1024
# On 3.12, whose C may call itself 1,500 times, 748 are all that there can be.
LEVELS = 700


class TestTheStack:
    @pytest.mark.parametrize(
        "function",
        [
            """
            @get_quickcache(cache=MemoryCache())(["n"])
            def down(n): return n and down(n - 1)
            call = lambda: down(LEVELS)
            """,
            """
            class N(int):
                @property
                def id(self): return int(self)

            @get_quickcache(cache=TieredCache([MemoryCache(), MemoryCache()]))(["n.id"])
            def down(n): return n and down(N(n - 1))
            call = lambda: down(N(LEVELS))
            """,
            """
            @get_quickcache(cache=CacheWithPresets(MemoryCache(), 60, str))(lambda n: [n, str(n)])
            def down(n): return n and down(n=n - 1)
            call = lambda: down(LEVELS)
            """,
            """
            @get_quickcache(cache=MemoryCache())(["n"], skip_arg="fresh")
            def down(n, fresh=True): return n and down(n - 1)
            call = lambda: down(LEVELS)
            """,
        ],
        ids=["positional", "attribute", "vary_on function", "skipped"],
    )
    def test_that_a_level_of_misses_takes_is_bounded(self, run_apart, function):
        stack = (LEVELS * PER_LEVEL + BEFORE) // 4_096 * 4_096
        told = run_apart(
            IN_A_THREAD,
            f"LEVELS = {LEVELS}\nsys.setrecursionlimit(100_000)\n",
            function,
            f"print(in_a_thread({stack}, call))\n",
        )
        assert "0\n" == told

    def test_that_a_hit_takes_is_small(self, run_apart):
        """A hit works in a thread with next to no stack left: the smallest that there is."""
        told = run_apart(
            IN_A_THREAD,
            """
            @get_quickcache(cache=MemoryCache())(["x", "y"])
            def cached(x, y): return {"a": [x, (y, [y])]}
            arguments = ["x" * 1_000, {"a": [1, (2, "\\xe9" * 300)]}]
            for _ in range(5):
                cached(*arguments)
            print(in_a_thread(32 * 1024 + 96 * 1024, lambda: cached(*arguments) == cached(*arguments)))
            """,
        )
        assert "True\n" == told


def test_a_call_within_a_call_is_one_of_the_body(run_apart):
    """So that Python's limit of recursion counts it."""
    told = run_apart(
        """
        import sys

        class Thing:
            depth = 0

            @property
            def id(self):
                Thing.depth += 1
                if Thing.depth < 3:
                    return cached(self)
                frame, names = sys._getframe(), []
                while frame:
                    names.append(frame.f_code)
                    frame = frame.f_back
                print(names.count(cached.__code__) >= 2)
                return 1

        @get_quickcache(cache=MemoryCache())(["self.id"])
        def cached(self):
            return 1

        cached(Thing())
        """
    )
    assert "True\n" == told
