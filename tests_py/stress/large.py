"""Texts and bytes of so many characters, as arguments and as values: `python large.py 100000000`."""

import faulthandler
import sys

from quickcache import MemoryCache, TieredCache, get_quickcache


def main(size):
    faulthandler.enable()
    faulthandler.dump_traceback_later(300, exit=True)
    ascii_text, wide_text, data = "a" * size, "\u20ac" * size, bytes(size)
    for isolate in (True, False):
        first, second = MemoryCache(isolate=isolate), MemoryCache(max_bytes=size // 2, isolate=isolate)
        computed = []

        @get_quickcache(cache=TieredCache([first, second]))(["x"])
        def f(x):
            computed.append(1)  # noqa: B023
            return x

        arguments = [ascii_text, ascii_text[:-1] + "b", wide_text, data, [ascii_text], {"a": wide_text}]
        for argument in arguments:
            for _ in range(3):
                assert f(argument) == argument
        # Bytes that are text have the key of that text, as in 0.5.4.
        assert len(arguments) == len(computed) == len(first)
        assert 0 == len(second), "more than its bytes"
        assert all(len(f.get_cache_key(argument)) < 100 for argument in arguments)
        for argument in arguments:
            f.clear(argument)
        assert 0 == len(first)
        first.set(ascii_text, "under a long key")
        assert "under a long key" == first.get("a" * size)
        assert first.get("a" * (size - 1)) is None
        message = ""
        try:
            first.get(data)
        except TypeError as error:
            message = str(error)
        assert 20 < len(message) < 300
    print("right")


if __name__ == "__main__":
    main(int(sys.argv[1]))
