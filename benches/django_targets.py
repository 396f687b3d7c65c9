"""The speed to reach through Django's settings."""

from benches.remote_targets import faster
from benches.targets import OURS, Target, times_faster

SERVER = "alias/server"
LOCMEM = "Django LocMemCache"
ORIGINAL = "quickcache 0.5.4 over Django's backends"

DJANGO_TARGETS = [
    faster("a get of an int in memory, times faster than", "alias/memory int", LOCMEM, 8, 12),
    faster("a get of a dict in memory, times faster than", "alias/memory dict", LOCMEM, 8, 12),
    faster("a get of a server, times faster than", SERVER, "Django RedisCache", 5, 6),
    faster("a get of a server, times faster than", SERVER, "django-redis", 2.2, 3),
    faster("a get of a server, times faster than", SERVER, "django-vcache", 1.4, 2),
    Target(
        "a hit of a decorated function, an int, times faster than quickcache 0.5.4",
        times_faster("decorated/int", OURS, ORIGINAL),
        200,
        at_least=True,
    ),
]
