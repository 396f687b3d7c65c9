"""Whatever is done to a decorated function, also under way, the body answers and nothing crashes."""

import pytest

FUNCTION = """
import gc

computed = []

@get_quickcache(cache=MemoryCache())(["x"])
def cached(x):
    computed.append(x)
    return x

for _ in range(5):
    cached(1)
cell = cached.__closure__[0]
"""


class TestAnEmptiedClosure:
    def test_gives_the_error_of_the_body(self, run_apart):
        told = run_apart(
            FUNCTION,
            """
            shortcut = cell.cell_contents
            del cell.cell_contents
            for _ in range(3):
                try:
                    cached(1)
                except NameError as error:
                    print(error)
            cell.cell_contents = shortcut
            print(cached(1), computed)
            """,
        )
        *lines, last = told.splitlines()
        assert [True] * 3 == ["free variable 'shortcut'" in line for line in lines]
        assert "1 [1]" == last

    @pytest.mark.parametrize("other", ["None", "cell", "cached", "object()", "QuickCacheHelper", "[]"])
    def test_with_another_object_in_it_gives_the_error_of_the_body(self, run_apart, other):
        told = run_apart(
            FUNCTION,
            f"""
            cell.cell_contents = {other}
            for _ in range(3):
                try:
                    cached(1)
                except TypeError as error:
                    print("_Shortcut" in str(error))
            """,
        )
        assert ["True"] * 3 == told.splitlines()

    def test_with_what_only_looks_like_a_shortcut_in_it_gives_the_error_of_the_body(self, run_apart):
        """Bytes with the address of the function's code wherever a shortcut could have it."""
        told = run_apart(
            FUNCTION,
            """
            cell.cell_contents = id(cached.__code__).to_bytes(8, "little") * 100
            try:
                cached(1)
            except TypeError as error:
                print("_Shortcut" in str(error))
            """,
        )
        assert "True\n" == told

    def test_with_another_functions_shortcut_in_it_is_that_function(self, run_apart):
        told = run_apart(
            FUNCTION,
            """
            @get_quickcache(cache=MemoryCache())(["y"])
            def other(y):
                return [y]

            cell.cell_contents = other.__closure__[0].cell_contents
            print([cached(1) for _ in range(5)], [cached(y=2) for _ in range(5)])
            """,
        )
        assert "[[1], [1], [1], [1], [1]] [[2], [2], [2], [2], [2]]\n" == told

    def test_with_a_shortcut_that_was_never_installed_in_it_takes_the_body(self, run_apart):
        told = run_apart(
            FUNCTION,
            """
            from quickcache import _native
            cell.cell_contents = _native._Shortcut(cached.clear.__self__, _native._Desk())
            print([cached(1) for _ in range(5)], computed)
            """,
        )
        assert "[1, 1, 1, 1, 1] [1]\n" == told


class TestAnotherCode:
    def test_is_run_on_what_was_a_hit(self, run_apart):
        told = run_apart(
            FUNCTION,
            """
            def make(shortcut):
                def other(*args, **kwargs):
                    return "other", args, kwargs, type(shortcut).__name__
                return other

            code = cached.__code__
            cached.__code__ = make(None).__code__
            print([cached(1) for _ in range(2)])
            cached.__code__ = code
            print([cached(1) for _ in range(2)], computed)
            """,
        )
        other = ("other", (1,), {}, "_Shortcut")
        assert [f"[{other}, {other}]", "[1, 1] [1]"] == told.splitlines()

    def test_that_is_a_copy_is_run(self, run_apart):
        told = run_apart(
            FUNCTION,
            """
            code = cached.__code__
            cached.__code__ = code.replace(co_name="renamed")
            print([cached(1) for _ in range(5)], computed)
            """,
        )
        assert "[1, 1, 1, 1, 1] [1]\n" == told

    def test_in_a_function_of_the_same_closure_is_that_function(self, run_apart):
        """Made anew by types.FunctionType, as coverage tools and cloudpickle do."""
        told = run_apart(
            FUNCTION,
            """
            import types
            again = types.FunctionType(cached.__code__, cached.__globals__, "again", None, cached.__closure__)
            print([again(1) for _ in range(5)], [again(2) for _ in range(5)], [cached(2)], computed)
            """,
        )
        assert "[1, 1, 1, 1, 1] [2, 2, 2, 2, 2] [2] [1, 2]\n" == told


# What overwrites memory that was freed, so that its use is seen.
UNDER_WAY = """
import gc
act = []

def spoil():
    gc.collect()
    return [bytes(n) for n in range(16, 600) for _ in range(40)]

class Owner:
    @property
    def id(self):
        if act:
            act.pop()()
            spoil()
        return 1

@get_quickcache(cache=MemoryCache())(["self.id", "x"])
def cached(self, x):
    return x

owner = Owner()
for _ in range(5):
    cached(owner, 1)
cell = cached.__closure__[0]
"""


class TestUnderWay:
    @pytest.mark.parametrize("content", ["None", "object()"])
    def test_a_property_may_replace_what_is_in_the_cell(self, run_apart, content):
        told = run_apart(
            UNDER_WAY,
            f"""
            def replace():
                cell.cell_contents = {content}

            act.append(replace)
            print(cached(owner, 1), act)
            """,
        )
        assert "1 []\n" == told

    def test_a_property_may_empty_the_cell_at_a_miss(self, run_apart):
        """The body then has no shortcut to ask: that is its own error, and no crash."""
        told = run_apart(
            UNDER_WAY,
            """
            def empty():
                del cell.cell_contents

            act.append(empty)
            try:
                print(cached(owner, 2), act)
            except NameError:
                print(2, act)
            """,
        )
        assert "2 []\n" == told

    @pytest.mark.parametrize("x", [1, 2])
    @pytest.mark.parametrize("way", ["cached(owner, {})", "next(map(cached, [owner], [{}]))"])
    def test_a_property_may_delete_the_function(self, run_apart, way, x):
        told = run_apart(
            UNDER_WAY,
            f"""
            def delete():
                global cached, cell
                del cached, cell

            act.append(delete)
            print({way.format(x)}, act)
            """,
        )
        assert f"{x} []\n" == told

    @pytest.mark.parametrize("x", [1, 2])
    def test_a_property_may_delete_the_method(self, run_apart, x):
        told = run_apart(
            UNDER_WAY,
            f"""
            Owner.__getitem__ = cached
            Owner.method = cached
            del cached, cell

            def delete():
                del Owner.__getitem__, Owner.method

            owner[1], owner.method(1)
            method = owner.method
            act.append(delete)
            print(owner[{x}], act)
            Owner.method = method.__func__
            Owner.__getitem__ = method.__func__
            del method
            act.append(delete)
            print(owner.method({x}), act)
            """,
        )
        assert f"{x} []\n{x} []\n" == told

    @pytest.mark.parametrize("raises", [False, True])
    def test_a_value_that_is_read_may_replace_what_is_in_the_cell(self, run_apart, raises):
        """A pickled value runs code of its own at each hit, and may fail after it."""
        told = run_apart(
            UNDER_WAY,
            f"""
            class Value:
                def __getstate__(self):
                    return True

                def __setstate__(self, state):
                    if act:
                        act.pop()()
                        junk = spoil()
                        if {raises}:
                            raise ValueError

            @get_quickcache(cache=MemoryCache())(["x"])
            def make(x):
                return Value()

            def replace():
                make.__closure__[0].cell_contents = None

            import logging
            logging.getLogger("quickcache").addHandler(logging.NullHandler())
            for _ in range(5):
                make(1)
            act.append(replace)
            try:
                print(type(make(1)).__name__, act)
            except TypeError:
                print("Value", act)
            """,
        )
        assert "Value []\n" == told

    def test_a_value_that_is_read_may_delete_the_function(self, run_apart):
        told = run_apart(
            UNDER_WAY,
            """
            class Value:
                def __getstate__(self):
                    return True

                def __setstate__(self, state):
                    if act:
                        act.pop()()
                        spoil()

            @get_quickcache(cache=MemoryCache())(["x"])
            def make(x):
                return Value()

            def delete():
                global make
                del make

            for _ in range(5):
                make(1)
            act.append(delete)
            print(type(next(map(make, [1]))).__name__, act)
            """,
        )
        assert "Value []\n" == told
