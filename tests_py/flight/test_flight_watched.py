"""What is computed is kept, however many other keys are cleared meanwhile; and not if its own is."""

import pytest

from quickcache import MemoryCache, TieredCache, get_quickcache

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")

OTHERS = 20_000  # so many that each shard of keys has some


class InPython(dict):
    """A tier in Python."""

    def get(self, key, default=None):
        return dict.get(self, key, default)

    def set(self, key, value, timeout=None):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


CACHES = {
    "memory": MemoryCache,
    "Python": InPython,
    "memory above Python": lambda: TieredCache([MemoryCache(), InPython()]),
}
CHANGES = {
    "clear": lambda other, n: other.clear(n),
    "set": lambda other, n: other.set_cached_value(n).to(1),
    "refresh": lambda other, n: other(n, fresh=True),
}


@pytest.fixture(params=CACHES.values(), ids=CACHES)
def decorate(request):
    return get_quickcache(cache=request.param())


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def change(request, decorate):
    @decorate(["n"], skip_arg="fresh")
    def other(n, fresh=False):
        return n

    def change():
        for n in range(OTHERS):
            request.param(other, n)

    return change


def test_a_miss_is_kept(decorate, change):
    @decorate(["n"])
    def slow(n):
        change()
        return [n]

    slow(1)
    assert [1] == slow.get_cached_value(1)


def test_a_refresh_is_kept(decorate, change):
    @decorate(["n"], skip_arg="fresh")
    def slow(n, fresh=False):
        change()
        return [n, fresh]

    slow(1, fresh=True)
    assert [1, True] == slow.get_cached_value(1)


def test_a_helpers_own_way_keeps_it_too(decorate, change):
    @decorate(["n"])
    def slow(n):
        change()
        return [n]

    helper = slow.get_cache_key.__self__
    assert [1] == type(helper).call(helper, 1)
    assert [1] == slow.get_cached_value(1)


def test_what_is_cleared_itself_among_them_is_not(decorate, change):
    @decorate(["n"])
    def slow(n):
        slow.clear(n)
        change()
        return [n]

    slow(1)
    assert slow.get_cached_value(1) is Ellipsis


def test_nobody_is_watched_in_the_end(decorate, change):
    """Else a later clear would be taken for one of before."""

    @decorate(["n"])
    def failing(n):
        change()
        raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            failing(1)

    @decorate(["n"])
    def slow(n):
        return [n]

    assert [1] == slow(1) == slow.get_cached_value(1)
