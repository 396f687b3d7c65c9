"""Options that cannot be meant are errors that name the option, what was given and what is accepted."""

import copy
import re

import pytest

from quickcache import RedisCache

URL = "redis://localhost:6379"
LONE = "\udc80"
WRONG_TYPES = {
    "key_prefix": (5, "key_prefix is a str, not int: 5"),
    "compression": (5, "compression is a str or None, not int: 5"),
    "on_error": (None, "on_error is a str, not NoneType: None"),
    "leases": ("no", "leases is True or False, not str: 'no'"),
    "ssl_check_hostname": (0, "ssl_check_hostname is True or False, not int: 0"),
    "ssl_cert_reqs": (None, "ssl_cert_reqs is a str, not NoneType: None"),
    "ssl_ca_certs": (5, "ssl_ca_certs is the path of a file, a str or os.PathLike, or None, not int: 5"),
    "max_value_bytes": (None, "max_value_bytes is a number of bytes, an int, not NoneType: None"),
    "compress_above": (1.5, "compress_above is a number of bytes, an int, not float: 1.5"),
    "signing_keys": (
        5,
        "signing_keys is a list of keys, each a str or bytes, the one that signs first",
    ),
    "deadline": (None, "deadline is seconds (int or float) or a timedelta, not NoneType: None"),
    "timeout": ("5", "a timeout is seconds (int or float), a timedelta, or None for ever, not str: '5'"),
}
WRONG_VALUES = {
    "key_prefix": (LONE, "key_prefix must be text that can be written in UTF-8, not '\\udc80'"),
    "on_error": ("ignore", "on_error must be 'miss' or 'raise', not 'ignore'"),
    "ssl_cert_reqs": ("optional", "ssl_cert_reqs must be 'required' or 'none', not 'optional'"),
    "max_value_bytes": (0, "max_value_bytes is a number of bytes and must be at least 1, not 0"),
    "compress_above": (-1, "compress_above is a number of bytes and must be at least 0, not -1"),
    "deadline": (0, "deadline must be more than 0 seconds and at most 3600, not 0"),
}


class TestOptions:
    @pytest.mark.parametrize("name", WRONG_TYPES)
    def test_of_a_wrong_type_are_type_errors(self, name):
        given, message = WRONG_TYPES[name]
        with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
            RedisCache(URL, **{name: given})

    @pytest.mark.parametrize("name", WRONG_VALUES)
    def test_out_of_bounds_are_value_errors(self, name):
        given, message = WRONG_VALUES[name]
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            RedisCache(URL, **{name: given})

    def test_that_there_are_not_are_named(self):
        with pytest.raises(TypeError, match=r"^RedisCache\(\) got an unexpected .* 'serialiser'$"):
            RedisCache(URL, serialiser="json")

    def test_go_with_copies(self):
        cache = RedisCache(URL, key_prefix="a:", deadline=1, leases=False)

        assert repr(cache) == repr(copy.copy(cache))

    def test_of_any_size_are_taken(self):
        RedisCache(URL, max_value_bytes=2**200)


class TestURLs:
    @pytest.mark.parametrize("given", [5, None, b"redis://localhost", [5], {"a": 1}.values()])
    def test_of_a_wrong_type_are_type_errors(self, given):
        message = r"^url is a str such as 'redis://.*', or a list of them, not (int|NoneType|bytes): "
        with pytest.raises(TypeError, match=message):
            RedisCache(given)

    def test_that_no_server_can_have_are_value_errors(self):
        with pytest.raises(
            ValueError, match=r"^url must be text that can be written in UTF-8, not 'redis://"
        ):
            RedisCache(f"redis://{LONE}")


class TestIncr:
    @pytest.mark.parametrize("delta", ["1", 1.0, None])
    def test_takes_an_int(self, delta):
        with pytest.raises(TypeError, match=r"^delta is an int, not (str|float|NoneType): "):
            RedisCache(URL).incr("key", delta)

    def test_counts_in_64_bits(self):
        with pytest.raises(ValueError, match=r"^delta must fit in 64 bits"):
            RedisCache(URL).incr("key", 2**63)
