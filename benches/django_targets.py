"""The speed to reach through Django's settings."""

from benches.remote_targets import faster
from benches.targets import OURS, Target, times_faster

MEMORY, SERVER = "alias/memory", "alias/server"
ORIGINAL = "quickcache 0.5.4 over Django's backends"

DJANGO_TARGETS = [
    faster("a get of memory, times faster than", MEMORY, "Django LocMemCache", 8, 15),
    faster("a get of a server, times faster than", SERVER, "Django RedisCache", 5, 6),
    faster("a get of a server, times faster than", SERVER, "django-redis", 2.2, 3),
    faster("a get of a server, times faster than", SERVER, "django-vcache", 1.4, 2),
    Target(
        "a hit of a decorated function, times faster than quickcache 0.5.4",
        times_faster("decorated/int", OURS, ORIGINAL),
        200,
        at_least=True,
    ),
]
