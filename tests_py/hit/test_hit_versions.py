"""Once classes have run out of versions, results stay right and patches are still noticed."""

import pytest

# CPython 3.13 gives a class about a thousand versions, and each patch takes two.
PATCHES = """
from unittest import mock
import resource

cache = {cache}
computed = []

@get_quickcache(cache=cache)(["x"])
def cached(x):
    computed.append(x)
    return [x]

for _ in range(5):
    cached(1)

seen = 0
for _ in range(1_100):
    with mock.patch.object({patched}, "{name}", side_effect=[{answer}]) as patch:
        cached(1)
        seen += patch.called
    assert [1] == cached(1)
print("patches seen", seen, "computed", computed)
"""

CLASSES = [
    ("QuickCacheHelper", "__call__", "MemoryCache()", "['patched']"),
    ("QuickCacheHelper", "get_cache_key", "MemoryCache()", "cached.get_cache_key(1)"),
    ("MemoryCache", "get", "MemoryCache()", "['patched']"),
    ("CacheWithPresets", "get", "CacheWithPresets(MemoryCache(), 60)", "['patched']"),
    ("CacheWithPresets", "prefixed_key", "CacheWithPresets(MemoryCache(), 60)", "cached.get_cache_key(1)"),
    ("TieredCache", "get", "TieredCache([MemoryCache(), MemoryCache()])", "['patched']"),
]
IDS = [f"{patched}.{name}" for patched, name, _, _ in CLASSES]


@pytest.mark.parametrize(("patched", "name", "cache", "answer"), CLASSES, ids=IDS)
class TestRunOut:
    def test_results_are_right_and_patches_noticed(self, run_apart, patched, name, cache, answer):
        program = PATCHES.format(patched=patched, name=name, cache=cache, answer=answer)
        told = run_apart(
            program,
            """
            print([cached(2) for _ in range(5)], computed)
            cached.clear(2)
            print(cached(2), computed)
            cached.set_cached_value(2).to(["set"])
            print(cached(2), cached(2), computed)
            """,
        )
        assert told.splitlines() == [
            "patches seen 1100 computed [1]",
            "[[2], [2], [2], [2], [2]] [1, 2]",
            "[2] [1, 2, 2]",
            "['set'] ['set'] [1, 2, 2]",
        ]

    def test_hits_take_no_memory(self, run_apart, patched, name, cache, answer):
        """A table made anew at each call would add 100 MB here."""
        program = PATCHES.format(patched=patched, name=name, cache=cache, answer=answer)
        told = run_apart(
            program,
            """
            def grown(calls):
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                for _ in range(calls):
                    cached(1)
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

            grown(2_000)
            print(grown(40_000) < 2_000)
            """,
        )
        assert "True" == told.splitlines()[-1]


def test_with_their_first_version_yet_to_come_are_noticed(run_apart):
    """No comparison may succeed by chance, between a tag that is not there and one that never was."""
    told = run_apart(
        """
        from unittest import mock

        with mock.patch.object(QuickCacheHelper, "__call__", return_value="patched"):
            @get_quickcache(cache=MemoryCache())(["x"])
            def cached(x):
                return x

            print(cached(1))
        print(cached(1))
        """
    )
    assert "patched\n1\n" == told
