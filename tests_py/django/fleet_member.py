"""One process of a fleet over Django's CACHES, with quickcache 0.5.4 or with ours: it does as it is told.

    python fleet_member.py NAME BACKEND URL

Each line of its input is JSON, [operation, arguments...]; so is each of its output: what that returned.
"""

import json
import sys
from itertools import count

from django.conf import settings

NAME, BACKEND, URL = sys.argv[1:]
settings.configure(
    CACHES={
        "default": {"BACKEND": BACKEND, "LOCATION": URL, "KEY_PREFIX": "fleet"},
        "locmem": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    }
)

from django.core.cache import cache  # noqa: E402  which takes the settings

from quickcache.django_quickcache import get_django_quickcache  # noqa: E402

computed = count(1)


@get_django_quickcache(timeout=300, memoize_timeout=0)(["n", "name"])
def function(n, name=None):
    return {"n": n, "name": name, "by": [NAME, next(computed)]}


def shown(value):
    """What JSON has no word for, in words."""
    return "a miss" if value is Ellipsis else value


OPERATIONS = {
    "call": function,
    "clear": function.clear,
    "peek": lambda *args: shown(function.get_cached_value(*args)),
    "keep": lambda value, *args: function.set_cached_value(*args).to(value),
    "key": function.get_cache_key,
    "get": cache.get,
    "set": cache.set,
    "add": cache.add,
    "delete": cache.delete,
    "incr": cache.incr,
    "touch": cache.touch,
    "get_many": cache.get_many,
    "set_many": cache.set_many,
    "delete_many": cache.delete_many,
    "where": lambda: sys.modules["quickcache"].__file__,
}

for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        answer = OPERATIONS[name](*arguments)
    except ValueError as error:
        answer = type(error).__name__
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
