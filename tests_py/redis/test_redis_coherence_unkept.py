"""Coherent tiers: what the server does not have is not in memory, since nobody would tell of its changes."""

import pytest
from coherent_tiers import Tiers
from redis_servers import waiting
from redis_servers.binaries import valkey
from redis_servers.server import Server

pytestmark = pytest.mark.filterwarnings("ignore::quickcache.KeyCollisionWarning")


@pytest.mark.parametrize("coherence", ["tracking", "pubsub"])
def test_a_value_too_large_for_the_server(shared, prefix, coherence):
    one = Tiers(shared.server().url, prefix, coherence, max_value_bytes=1_000)
    one.listen()
    cached = one.cached(lambda x: x * 10_000)
    for _ in range(5):
        assert "a" * 10_000 == cached("a")
        assert not cached.is_kept("a")
    cached.take_up("")  # while others are


def test_a_value_computed_before_the_server_is_asked_again_though_it_is_listened_to():
    """The listener is back at once, and a call only after the breaker has tried."""
    with Server(valkey()) as server:
        one = Tiers(server.url, "", "tracking", beat=0.5, deadline=0.25)
        one.listen()
        cached = one.cached(lambda x: [x])
        cached.take_up(1)

        def count(what="rejections"):
            return one.redis.stats()[what]

        for _ in range(10):
            enough = count("errors") + 3
            server.kill()
            while count("errors") < enough:
                cached(1)
            server.restart()
            waiting.until("the server is listened to", lambda: [cached(1)] and one.trusted)
            before = count()
            for _ in range(200):
                # In this order: what is on the server may come into memory in between, and not the reverse.
                is_kept = cached.is_kept(1)
                assert not is_kept or server.cli("EXISTS", cached.get_cache_key(1))
                cached(1)
            if count() > before:
                return
        pytest.fail("whenever the server was listened to, it was asked as well")


def test_it_is_in_memory_all_the_same_while_that_may_serve_without_the_server():
    with Server(valkey()) as server:
        one = Tiers(server.url, "", "tracking", beat=0.2, on_link_loss=600, deadline=0.25)
        one.listen()
        cached = one.cached(lambda x: [x])
        cached.take_up(1)
        server.kill()
        waiting.until("the link is lost", lambda: one.whole.get("other") or one.link_losses)
        cached(2)
        assert cached.is_kept(1)
        assert cached.is_kept(2)
        server.restart()
        waiting.until("there is a new link", lambda: one.whole.get("other") or one.flushes > 1)
        assert not cached.is_kept(1)
        assert not cached.is_kept(2)
