"""Listeners that nobody wants any more, and somebody then does again."""

GIVEN_UP = """
    import gc
    import os
    import sys
    import time

    from quickcache import MemoryCache, RedisCache, TieredCache

    files = []
    for number in range(30):
        redis = RedisCache(sys.argv[1], key_prefix=f"{number}:", deadline=30)
        tiers = TieredCache([MemoryCache(), redis], beat=0.05)
        while not tiers.stats()["trusted"]:
            tiers.get("x")
            time.sleep(0.001)
        del tiers, redis
        gc.collect()
        files += [open(os.devnull) for _ in range(3)]
        time.sleep(0.01 * (number % 7))
    for file in files:
        os.fstat(file.fileno())
    print("all there", flush=True)
"""


def test_a_listener_that_nobody_wants_any_more_can_be_wanted_again(run_program, shared):
    """While its threads are still about to end: none of them closes what is another's."""
    for name in ("cluster", "sentinel", "valkey"):
        server = shared.tier_server(name)
        assert "all there\n" == run_program(GIVEN_UP, arguments=(server.url,))
