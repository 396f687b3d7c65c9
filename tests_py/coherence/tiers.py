"""The tiers that are tried: a memory that would keep a value for an hour, over a RedisCache."""

from typing import Any

from quickcache import MemoryCache, RedisCache, TieredCache

HOUR = 3600
PREFIX = "coherence:"
PLAIN = "plain"  # say nothing of coherence, as before there was any
COHERENT = ("tracking", "pubsub")


class Tiers:
    """Both, and the two as one."""

    def __init__(
        self, url: str, coherence: str, beat: float = 0.5, on_link_loss: str | float = "bypass"
    ) -> None:
        self.memory = MemoryCache(timeout=HOUR)
        self.redis = RedisCache(url, timeout=HOUR, key_prefix=PREFIX)
        options: dict[str, Any] = {} if coherence == PLAIN else {"coherence": coherence}
        if coherence in COHERENT:
            options |= {"on_link_loss": on_link_loss, "beat": beat}
        self.whole = TieredCache([self.memory, self.redis], **options)

    def deletes_queued(self) -> int:
        """How many deletes the server has not taken so far, those included that it took later."""
        return self.redis.stats()["deletes_queued"]

    def stats(self) -> dict[str, dict[str, Any]]:
        """What each counted."""
        whole = self.whole.stats() if hasattr(self.whole, "stats") else {}
        told = {"tiers": whole, "memory": self.memory.stats(), "redis": self.redis.stats()}
        return {name: {key: _plain(value) for key, value in stats.items()} for name, stats in told.items()}


def _plain(value: Any) -> Any:
    """As JSON may have it."""
    return value if isinstance(value, (bool, int, float, str)) or value is None else repr(value)
