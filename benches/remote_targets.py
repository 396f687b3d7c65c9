"""The speed to reach with a cache at a server."""

from benches.targets import OURS, Target, over, times_faster

UNDER_MEMORY = "quickcache, 10 s of memory above"

HIT, EIGHT, MANY = "get/dict TCP", "threaded/dict TCP", "many/TCP"


def faster(what: str, race: str, peer: str, commit: float, stretch: float) -> Target:
    return Target(f"{what} {peer}", times_faster(race, OURS, peer), commit, stretch, at_least=True)


REMOTE_TARGETS = [
    faster("a hit, times faster than", HIT, "redis-py", 2.5, 3),
    faster("a hit, times faster than", HIT, "django-redis", 2.8, 3.9),
    faster("a hit, times faster than", HIT, "Django RedisCache", 6, 8),
    faster("a hit, times faster than", HIT, "django-vcache", 1.5, 2),
    faster("hits of 8 threads per second, of", EIGHT, "redis-py", 3, 6),
    faster("hits of 8 threads per second, of", EIGHT, "django-vcache", 1, 1.3),
    faster("get_many(100), times faster than", MANY, "redis-py", 1.3, 1.5),
    faster("get_many(100), times faster than", MANY, "django-redis", 3.3, 4),
    faster("get_many(100), times faster than", MANY, "django-vcache", 1.8, 2.2),
    Target("16,159 calls, memory above, of django-redis", over("story", UNDER_MEMORY, "django-redis"), 0.1),
    Target("16,159 calls, no memory, of django-redis", over("story", OURS, "django-redis"), 0.4),
]
