"""django-vcache, whose driver is in Rust: with pickle, and with msgpack, which is its default."""

import sys
from collections.abc import Callable

from django_vcache.backend import ValkeyCache

from benches.address import Address
from benches.contender import Client, Remote
from benches.contenders.remote_django import client_of


def connect_with(serializer: str) -> Callable[[Address], Client]:
    """Without its compression, which no other contender has by default."""
    options = {"SERIALIZER": serializer, "COMPRESS_MIN_LEN": sys.maxsize}

    def connect(address: Address) -> Client:
        return client_of(ValkeyCache(address.url, {"TIMEOUT": None, "OPTIONS": options}))

    return connect


CONTENDERS = [
    Remote("django-vcache", connect_with("pickle"), frozenset({"target", "threads"})),
    Remote("django-vcache, msgpack", connect_with("msgpack"), frozenset({"threads"})),
]
