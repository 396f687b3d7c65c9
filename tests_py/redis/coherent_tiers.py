"""What stands for one process in tests of coherent tiers: a memory of its own, above the server of all."""

from redis_servers import waiting

from quickcache import MemoryCache, RedisCache, TieredCache, get_quickcache

HOUR = 3600
BEAT = 10  # seconds: on a busy machine, no answer is missed


class Tiers:
    """A memory that would keep values for an hour, over a RedisCache, and both as one."""

    def __init__(self, url, prefix, coherence, *, clock=None, on_link_loss="bypass", beat=BEAT, **options):
        self.memory = MemoryCache(timeout=HOUR, **({"clock": clock} if clock else {}))
        options = {"timeout": HOUR, "deadline": waiting.LIMIT, **options}
        self.redis = RedisCache(url, key_prefix=prefix, **options)
        self.whole = TieredCache(
            [self.memory, self.redis], coherence=coherence, on_link_loss=on_link_loss, beat=beat
        )

    def __getattr__(self, name):
        """One of `stats()`, by its name."""
        return self.whole.stats()[name]

    def listen(self):
        """Return once memory is used."""
        waiting.until("memory is trusted", lambda: self.whole.get("nothing") or self.trusted)

    def hear_all(self):
        """Return once what was written before is heard of, by this process as well."""
        if self.coherence != "off":
            waiting.until_heard(self.memory, self.redis)

    def take_up(self, *keys):
        """Have values that are on the server in memory as well."""
        for key in keys:
            waiting.until(f"memory has {key}", lambda key=key: self.whole.get(key) and key in self.memory)

    def cached(self, function, **options):
        """The function, cached in this process, with `is_kept` and `take_up` of its values in memory."""
        cached = get_quickcache(cache=self.whole)(["x"], **options)(function)
        cached.is_kept = lambda x: cached.get_cache_key(x) in self.memory

        def take_up(x):
            cached(x)
            self.hear_all()  # or else what it has written itself may void the value later
            waiting.until("memory has it", lambda: [cached(x)] and cached.is_kept(x))

        cached.take_up = take_up
        return cached
