"""Settings for the caches of one test."""

from contextlib import contextmanager

from django.core.cache import caches
from django.test import override_settings


def config(kind, location, prefix="", options=None, **more):
    # The machine may be busy, and the server is not what is tried here.
    patience = {"deadline": 60} if kind != "MemoryCache" else {}
    found = {"BACKEND": f"quickcache.django.{kind}", "LOCATION": location, "KEY_PREFIX": prefix}
    return {**found, "OPTIONS": {**patience, **(options or {})}, **more}


@contextmanager
def in_settings(**configs):
    with override_settings(CACHES=configs):
        yield caches
