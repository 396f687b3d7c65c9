"""quickcache.testing as type checkers see it: nothing to run."""

from typing import TYPE_CHECKING, assert_type

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from quickcache import MemoryCache, get_quickcache
    from quickcache.testing import Counts, Recording, disabled, isolated, recorded

    class Basket:
        @get_quickcache(cache=MemoryCache())(["self"])
        def total(self, country: str) -> int:
            return 1

    with disabled(), isolated() as nothing, recorded() as calls:
        assert_type(nothing, None)
        assert_type(calls, Recording)
        assert_type(calls[Basket.total], Counts)
        assert_type(calls[Basket().total].hits, int)
        assert_type(calls.total.skips, int)
    calls["total"]  # type: ignore[index]  # pyright: ignore[reportArgumentType]

    @isolated()
    def plain(a: int, *, b: str = "") -> list[str]:
        return [b]

    @recorded()
    async def awaited(a: int) -> str:
        return ""

    assert_type(plain(1, b="b"), list[str])
    plain("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    checked: Callable[[int], Coroutine[Any, Any, str]] = awaited
