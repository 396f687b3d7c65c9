"""Servers are killed, restarted, replaced and reshaped under verified traffic of several processes."""

import itertools

from redis.crc import key_slot
from redis_fleet import Fleet, check
from redis_servers.binaries import valkey
from redis_servers.cluster import Cluster, Move
from redis_servers.sentinel import Sentinels
from redis_servers.server import Server

from .lengths import length

NAMES = 40


def test_a_server_that_is_killed_and_comes_back_with_its_data(tmp_path, record_property):
    with (
        Server(valkey(), persistence="append") as server,
        Fleet(tmp_path, server.url, names=NAMES) as fleet,
    ):
        kill_and_restart(server, fleet, length(2, 20))
        seen, stats = check(fleet, record_property)

    assert stats["errors"] > 0 < seen["clears kept for later"]


def test_a_server_that_is_killed_and_comes_back_empty(tmp_path, record_property):
    with Server(valkey()) as server, Fleet(tmp_path, server.url, names=NAMES) as fleet:
        kill_and_restart(server, fleet, length(2, 20))
        seen, stats = check(fleet, record_property)

    assert stats["errors"] > 0 < seen["clears kept for later"]


def kill_and_restart(server, fleet, times):
    for time in range(times):
        fleet.run_for(0.5)
        server.kill()
        # Now for less than what a breaker takes to open, now for longer.
        fleet.run_for(0.1 + time % 2)
        server.restart()
        fleet.run_for(1.5)


def test_a_server_that_is_suspended(tmp_path, record_property):
    """It has what was sent to it meanwhile, and acts on that when it goes on."""
    with Server(valkey()) as server, Fleet(tmp_path, server.url, names=NAMES) as fleet:
        for time in range(length(2, 20)):
            fleet.run_for(0.5)
            server.pause()
            fleet.run_for(0.1 + time % 2)
            server.resume()
            fleet.run_for(1.5)
        seen, stats = check(fleet, record_property)

    assert stats["timeouts"] > 0 < seen["clears kept for later"]


def test_sentinels_that_make_another_server_the_primary(tmp_path, record_property):
    with (
        Sentinels(valkey()) as sentinels,
        Fleet(tmp_path, sentinels.url, names=NAMES, loses=True) as fleet,
    ):
        fleet.truth.port = sentinels.primary().port
        ways = [sentinels.failover, sentinels.kill_primary]
        for way in itertools.islice(itertools.cycle(ways), length(2, 12)):
            fleet.run_for(1)
            with fleet.harm():
                way()
                fleet.truth.port = sentinels.primary().port
                fleet.run_for(1)
                for server in sentinels.servers:
                    if not server.runs:
                        server.restart()
                sentinels.settle()
            fleet.run_for(1)
        check(fleet, record_property)


def test_a_cluster_whose_slots_move_and_whose_replicas_take_over(tmp_path, record_property):
    """Nothing is lost by these."""
    with (
        Cluster(valkey()) as cluster,
        Fleet(tmp_path, cluster.url, names=NAMES) as fleet,
    ):
        for _ in range(length(1, 8)):
            fleet.run_for(0.5)
            move_keys(cluster, fleet)
            fleet.run_for(0.5)
            cluster.failover(0)
            fleet.run_for(1)
        check(fleet, record_property)


def move_keys(cluster, fleet):
    """Move some slots that have keys from one primary to another, with calls between the steps."""
    source, target, *_ = cluster.primaries()
    slots = sorted({key_slot(key) for key in source.cli("KEYS", "*")})
    for slot in slots[: length(3, 10)]:
        move = Move(cluster, slot, target)
        move.begin()
        keys = move.keys()
        fleet.more_calls()
        move.migrate(*keys[: len(keys) // 2 + 1])
        fleet.more_calls()
        move.migrate(*move.keys())
        move.finish()


def test_a_cluster_that_loses_primaries(tmp_path, record_property):
    with (
        Cluster(valkey()) as cluster,
        Fleet(tmp_path, cluster.url, names=NAMES, loses=True, is_cluster=True) as fleet,
    ):
        fleet.truth.port = cluster.nodes[0].port
        for slot in range(0, 16_384, 16_384 // length(1, 6)):
            fleet.run_for(1)
            with fleet.harm():
                lost = cluster.owner(slot)
                cluster.kill(lost)
                fleet.truth.port = cluster.running()[0].port
                fleet.run_for(1)
                lost.restart()
                cluster.settle()
                fleet.run_for(1)
            fleet.run_for(1)
        check(fleet, record_property)
