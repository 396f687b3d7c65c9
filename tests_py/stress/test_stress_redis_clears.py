"""Clears of shared values are never lost: processes that compute, clear and read few keys at once."""

import pytest
from redis_fleet import Fleet, check
from redis_servers.binaries import PROGRAMS
from redis_servers.server import Server

from .lengths import length


@pytest.fixture(params=PROGRAMS)
def server(request):
    with Server(PROGRAMS[request.param]()) as one:
        yield one


def fleet_over(server, folder, **options):
    fleet = Fleet(folder, server.url, names=4, foreign=True, options=options)
    fleet.truth.port = server.port
    return fleet


def test_no_value_is_older_than_a_clear_that_has_returned(server, tmp_path, record_property):
    """Clears of ours and deletes by others, which know nothing of leases."""
    with fleet_over(server, tmp_path) as fleet:
        fleet.run_for(length(5, 60))
        seen, stats = check(fleet, record_property)

    assert min(seen["clears"], seen["foreign deletes"], stats["hits"], stats["stores"]) > 0
    assert stats["refusals"] > 0, "no clear has overtaken a computation"


def test_without_leases_the_same_traffic_finds_values_that_are_older(server, tmp_path):
    """What shows that the test above can fail."""
    with fleet_over(server, tmp_path, leases=False) as fleet:
        fleet.run_for(length(2, 10))
        seen, _, _ = fleet.end()

    assert seen["stale"] > 0
    assert (0, 0) == (seen["wrong"], seen["exceptions"])
