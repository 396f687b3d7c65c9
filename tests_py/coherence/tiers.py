"""The tiers that are tried: a memory that would keep a value for an hour, over a RedisCache."""

import pickle
import random
import time
from typing import Any

from quickcache import MemoryCache, RedisCache, TieredCache

HOUR = 3600
PREFIX = "coherence:"
PLAIN = "plain"  # say nothing of coherence, as before there was any
COHERENT = ("tracking", "pubsub")


class Unhurried:
    """A serializer that now and then takes its time to read a value: clears come before that is in memory."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value, 5)

    def loads(self, data: bytes) -> Any:
        if self._chance.random() < 0.1:
            time.sleep(self._chance.random() * 0.005)
        return pickle.loads(data)


class Tiers:
    """Both, and the two as one."""

    def __init__(
        self,
        url: str,
        coherence: str,
        beat: float = 0.5,
        on_link_loss: str | float = "bypass",
        serializer: Any = "pickle",
    ) -> None:
        self.memory = MemoryCache(timeout=HOUR)
        self.redis = RedisCache(url, timeout=HOUR, key_prefix=PREFIX, serializer=serializer)
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
