"""quickcache 0.5.4 and this one do the same in every scenario."""

import compat_sides
import pytest

SCENARIOS = compat_sides.scenario_names(deviating=False)


@pytest.mark.parametrize("debug", [False, True], ids=["quiet", "debug"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_goes_the_same(original, ours, tally, name, debug):
    """Values, errors, warnings, log records and calls on caches are equal, step by step."""
    expected, actual = original.run(name, debug), ours.run(name, debug)
    tally.count(expected, actual)
    assert not (account := compat_sides.differences(expected, actual)), account


def test_every_scenario_is_run(original):
    """The names read off the files are those that the worker knows."""
    assert original.ask("names") == sorted([*SCENARIOS, *compat_sides.scenario_names(deviating=True)])


def test_the_sides_are_what_they_claim(original, ours):
    """One side is 0.5.4, the other is not."""
    (original_version, original_file), (our_version, our_file) = original.ask("about"), ours.ask("about")
    assert original_version is None
    assert our_version is not None
    assert original_file != our_file
