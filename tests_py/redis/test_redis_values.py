"""Values of all sizes come back; what cannot be read is a miss that is counted, told and removed."""

import logging
import pickle
import threading
from contextlib import closing

import pytest

from quickcache import RedisCache

SIZES = [0, 1, 100, 1_023, 1_024, 1_025, 65_535, 65_536, 65_537, 1_000_000, 5_000_000]
DEADLINE = 60


class Moved:
    """A class that is not where it was when a value of it was pickled."""


class Raising:
    """Raises when it is unpickled."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        return raise_again, (self.error,)


def raise_again(error):
    raise error


def _moved(protocol):
    return pickle.dumps(Moved(), protocol).replace(b"Moved", b"Moves")


ERRORS = [
    EOFError("e"),
    ValueError("e"),
    TypeError("e"),
    AttributeError("e"),
    ModuleNotFoundError("e"),
    ImportError("e"),
    KeyError("e"),
    IndexError("e"),
    MemoryError("e"),
    RecursionError("e"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "e"),
    pickle.UnpicklingError("e"),
    StopIteration("e"),
    OSError("e"),
]
WHOLE = pickle.dumps({"a": [1, "text"]}, 5)
UNREADABLE = {
    "nothing at all": b"",
    "a moved class": _moved(5),
    "a moved class, in protocol 0": _moved(0),
    "a module that is not there": b"\x80\x04\x8c\x0bno_such_mod\x8c\x01C\x93.",
    "a pickle without its end": WHOLE[:-1],
    "half a pickle": WHOLE[: len(WHOLE) // 2],
    "the first byte of a pickle": b"\x80",
    "a later protocol": b"\x80\x7f" + WHOLE[2:],
    "text": b"text of another program",
    "digits and text": b"12 monkeys",
    "a minus": b"-",
    "bytes": bytes(range(256)),
    "an envelope without its contents": b"\xc1qc",
    "an envelope of a later version": b"\xc1qc\xff" + WHOLE,
    "an envelope of nonsense": b"\xc1qc\x01" + bytes(range(50)),
    **{f"what raises {type(error).__name__}": pickle.dumps(Raising(error), 5) for error in ERRORS},
}


@pytest.fixture
def cache(shared, prefix):
    with closing(RedisCache(shared.server().url, key_prefix=prefix, deadline=DEADLINE)) as cache:
        yield cache


@pytest.fixture
def raw(shared, prefix):
    """Ask for a key's bytes on the server, or write them."""

    def raw(key, written=None):
        if written is None:
            return shared.server().cli("GET", prefix + key)
        return shared.server().cli("SET", prefix + key, written)

    return raw


class TestSizes:
    def test_of_all_kinds_come_back(self, shared_tier_server, prefix):
        one = shared_tier_server
        with closing(RedisCache(one.url, key_prefix=prefix, deadline=DEADLINE, **one.options)) as cache:
            for size in SIZES:
                value = bytes(range(256)) * (size // 256) + b"." * (size % 256)
                cache.set("k", value)
                assert value == cache.get("k"), size

    def test_of_many_at_once_come_back(self, shared_tier_server, prefix):
        one = shared_tier_server
        with closing(RedisCache(one.url, key_prefix=prefix, deadline=DEADLINE, **one.options)) as cache:
            values = {f"{size} {i}": "x" * size for size in (0, 1, 1_000, 50_000) for i in range(25)}
            cache.set_many(values)
            assert values == cache.get_many(values)
            assert len(values) == cache.delete_many(values)

    @pytest.mark.parametrize("compression", ["zstd", "lz4"])
    def test_are_the_same_when_compressed(self, cache, shared, prefix, compression):
        options = {"key_prefix": prefix, "deadline": DEADLINE, "compression": compression}
        with closing(RedisCache(shared.server().url, **options)) as compressing:
            for size in SIZES:
                compressing.set("k", b"x" * size)
                assert b"x" * size == compressing.get("k") == cache.get("k")
                if size > 2_000:
                    assert shared.server().cli("STRLEN", prefix + "k") < size / 2

    def test_up_to_the_bound_are_kept(self, cache, shared, prefix, raw, caplog):
        pickled = len(pickle.dumps(b"x" * 1_000, 5))
        options = {"key_prefix": prefix, "deadline": DEADLINE, "max_value_bytes": pickled}
        with closing(RedisCache(shared.server().url, **options)) as bounded:
            bounded.set("k", b"x" * 1_000)
            assert b"x" * 1_000 == bounded.get("k")

            bounded.set("k", b"x" * 1_001)
            assert bounded.get("k") is None
            assert raw("k") is None
            assert bounded.add("k", b"x" * 1_001) is False
            bounded.set_many({"a": b"x" * 1_001, "b": 1})
            assert {"b": 1} == bounded.get_many("ab")

        assert 3 == bounded.stats()["refusals"]
        assert 1 == caplog.text.count("max_value_bytes is")


class TestSignedValues:
    @pytest.mark.parametrize("life", [0, -1, 0.0001])
    def test_are_forgotten_by_a_touch_of_no_time(self, shared, prefix, raw, life):
        options = {"key_prefix": prefix, "deadline": DEADLINE, "signing_keys": ["x" * 32]}
        with closing(RedisCache(shared.server().url, **options)) as cache:
            cache.set("k", 1)
            assert cache.touch("k", life) is True
            assert (None, None) == (raw("k"), cache.get("k"))
            assert 0 == cache.stats()["undecodable"]

    def test_are_read_only_by_who_has_the_key_and_under_their_own_name(self, cache, shared, prefix, raw):
        options = {"key_prefix": prefix, "deadline": DEADLINE}
        url = shared.server().url
        with (
            closing(RedisCache(url, signing_keys=["x" * 32], **options)) as signing,
            closing(RedisCache(url, signing_keys=["y" * 32], **options)) as other,
        ):
            for value in (5, ["text"]):
                signing.set("k", value)
                stored = raw("k")
                assert value == signing.get("k")
                raw("another", stored)
                assert signing.get("another") is None
                assert other.get("k") is None  # and is gone
                for forged in (pickle.dumps(value, 5), b"5", stored[:-1] + bytes([stored[-1] ^ 1])):
                    raw("k", forged)
                    assert signing.get("k") is None


class TestPickles:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("value", [None, 5, True, 1.5, "text", b"bytes", [1, {"a": {2}}], len], ids=repr)
    def test_of_each_protocol_are_read(self, cache, raw, value, protocol):
        raw("k", pickle.dumps(value, protocol))
        found = cache.get("k", default="missing")

        assert (type(value), value) == (type(found), found)

    def test_are_written_in_protocol_5(self, cache, raw):
        cache.set("k", ["text"])

        assert pickle.dumps(["text"], 5) == raw("k")

    @pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63)])
    def test_are_not_made_of_ints(self, cache, raw, value):
        cache.set("k", value)

        assert str(value).encode() == raw("k")

    @pytest.mark.parametrize("value", [True, False, 2**63, -(2**63) - 1], ids=repr)
    def test_are_made_of_what_is_no_int_of_64_bits(self, cache, raw, value):
        cache.set("k", value)

        assert pickle.dumps(value, 5) == raw("k")


@pytest.mark.parametrize("stored", UNREADABLE.values(), ids=UNREADABLE)
class TestWhatCannotBeRead:
    def test_is_missing_and_counted_and_removed(self, cache, raw, stored):
        raw("k", stored)

        assert "missing" == cache.get("k", default="missing")
        told = cache.stats()
        assert (0, 1, 1, 0) == tuple(told[name] for name in ("hits", "misses", "undecodable", "errors"))
        assert raw("k") is None

    def test_is_missing_among_others(self, cache, raw, stored):
        cache.set("a", 1)
        raw("k", stored)
        cache.set("z", 2)

        assert {"a": 1, "z": 2} == cache.get_many("akz")
        assert (2, 1) == (cache.stats()["hits"], cache.stats()["undecodable"])


class TestTellingOfIt:
    def test_is_done_once_and_says_why(self, cache, raw, caplog):
        for i in range(20):
            raw(f"k{i}", _moved(5))
            cache.get(f"k{i}")

        [record] = [record for record in caplog.records if record.name == "quickcache"]
        assert logging.WARNING == record.levelno
        assert "Moves" in record.getMessage()
        assert 20 == cache.stats()["undecodable"]

    def test_leaves_what_another_has_written_meanwhile(self, cache, raw, monkeypatch):
        """The new value comes while the old one is being read."""
        raw("k", pickle.dumps(Overtaken(), 5))
        monkeypatch.setattr(Overtaken, "then", lambda: raw("k", b"5"))

        assert cache.get("k") is None
        assert 5 == cache.get("k")

    @pytest.mark.parametrize(
        "error", [KeyboardInterrupt(), SystemExit(3)], ids=lambda error: type(error).__name__
    )
    def test_is_not_done_of_what_ends_the_program(self, cache, raw, error):
        raw("k", pickle.dumps(Raising(error), 5))
        with pytest.raises(type(error)):
            cache.get("k")

        assert raw("k") is not None


class Overtaken:
    then = staticmethod(lambda: None)

    def __reduce__(self):
        return overtake, ()


def overtake():
    Overtaken.then()
    raise ValueError("it cannot be read")


class TestUnpickling:
    def test_may_use_the_cache_itself(self, cache, raw, monkeypatch):
        """Code runs there that may do anything, so nothing is locked meanwhile."""
        raw("k", pickle.dumps(Overtaken(), 5))
        cache.set("other", [1])
        seen = []
        monkeypatch.setattr(Overtaken, "then", lambda: seen.append(cache.get("other")))

        assert cache.get("k") is None
        assert [[1]] == seen

    def test_by_many_threads_of_values_that_cannot_be_read(self, cache, raw):
        start = threading.Barrier(4)
        found = []

        def work():
            start.wait()
            for i in range(50):
                raw(f"k{i}", WHOLE[:-1])
                found.append(cache.get(f"k{i}"))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [None] * 200 == found
        told = cache.stats()
        assert 200 == told["misses"]
        assert (0, 0) == (told["hits"], told["errors"])
