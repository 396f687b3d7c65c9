"""The Django configuration as type checkers see it: nothing to run, since it needs settings.

Each ignored error must be there: an unused ignore is an error.
"""

from typing import TYPE_CHECKING, assert_type

if TYPE_CHECKING:
    from quickcache.django import DjangoQuickCache, get_django_quickcache

    quickcache = assert_type(get_django_quickcache(timeout=5 * 60, memoize_timeout=10), DjangoQuickCache)

    @quickcache(["domain", "user_id"], skip_arg="strict", timeout=60)
    def permissions(domain: str, user_id: int, strict: bool = False) -> list[str]:
        return [domain]

    assert_type(permissions("d", 1), list[str])
    permissions.clear("d", 1)
    permissions.clear("d", "1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    quickcache.but_with(session_function=lambda: "session", skip_arg=None)
    quickcache.but_with(cache=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    quickcache(["domain"], memoize_timeout="10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
