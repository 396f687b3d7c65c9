"""The statistics behind the benchmarks."""

from collections import Counter

import pytest
from benches import figures
from benches.draw import seeded, zipf
from benches.remote_targets import REMOTE_TARGETS
from benches.result import Race
from benches.targets import LRU, OURS, TARGETS, Target, memory, over, scaling, times_faster, verdicts
from benches.timing import Plan, calibrated, interleaved

EVERY = [*TARGETS, *REMOTE_TARGETS]


def race(name, **samples):
    return {name: Race(name, name, "ns", samples)}


class TestFigures:
    def test_a_spread_is_the_median_and_the_quartiles(self):
        assert figures.Spread(2, 3, 4) == figures.spread([5, 1, 4, 2, 3])

    def test_a_single_sample_has_no_spread(self):
        assert figures.Spread(7, 7, 7) == figures.spread([7])

    def test_ratios_are_taken_within_each_round(self):
        # The third round was disturbed: both took three times as long.
        assert [0.5, 0.5, 0.5] == figures.ratios([10, 10, 30], [20, 20, 60])

    @pytest.mark.parametrize(
        ("percent", "expected"), [(50, 500), (90, 900), (99.9, 999), (99.99, 1000), (100, 1000), (0, 1)]
    )
    def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(self, percent, expected):
        assert expected == figures.percentile(range(1, 1001), percent)

    def test_the_geometric_mean_treats_half_and_double_alike(self):
        assert 1 == pytest.approx(figures.geometric_mean([0.5, 2.0, 0.25, 4.0]))


class TestTargets:
    def test_times_faster_is_the_peers_time_over_ours(self):
        races = race("hot", ours=[10, 20], peer=[110, 240])

        assert [11, 12] == times_faster("hot", "ours", "peer")(races)

    def test_scaling_compares_what_threads_do_to_each(self):
        races = {
            "threads/1": Race("threads/1", "", "ns", {OURS: [10.0], LRU: [50.0]}),
            "threads/2": Race("threads/2", "", "ns", {OURS: [20.0], LRU: [50.0]}),
        }

        assert [2] == scaling(2)(races)

    def test_memory_is_averaged_over_the_numbers_of_entries(self):
        races = {
            f"memory/{size}": Race("", "", "bytes", {OURS: [ours], LRU: [100.0]})
            for size, ours in ((10_000, 200.0), (20_000, 800.0))
        }

        assert [pytest.approx(4)] == memory(races)

    @pytest.mark.parametrize(
        ("ours", "at_least", "met"),
        [
            (70, False, "stretch"),
            (75, False, "stretch"),
            (80, False, "commit"),
            (95, False, "commit"),
            (96, False, "missed"),
            (96, True, "stretch"),
            (70, True, "missed"),
        ],
    )
    def test_a_limit_is_met_by_the_median_of_the_ratios(self, ours, at_least, met):
        commit, stretch = (0.75, 0.95) if at_least else (0.95, 0.75)
        target = Target("row", over("hot", "ours", "peer"), commit, stretch, at_least)

        (row,) = verdicts(race("hot", ours=[1, ours, 1000], peer=[100, 100, 100]), [target])

        assert (ours / 100, met) == (row.ratio, row.met)

    def test_a_row_with_nothing_more_to_hope_for_is_met_at_best(self):
        target = Target("row", over("hot", "ours", "peer"), 0.4)

        (row,) = verdicts(race("hot", ours=[1], peer=[100]), [target])

        assert "commit" == row.met

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        assert {"not measured"} == {row.met for row in verdicts({}, EVERY)}

    def test_a_ratio_to_hope_for_is_never_easier_than_the_one_promised(self):
        hoped = [row for row in EVERY if row.stretch is not None]
        easier = [row.what for row in hoped if not row.keeps(row.stretch, row.commit)]

        assert [] == easier


class TestTiming:
    def test_a_sample_is_made_to_last(self):
        # 1,000 ns at the beginning, and 100 ns a turn.
        turns = calibrated(lambda n: 1_000 + 100 * n, 0.001)

        assert 0.001 * 1e9 <= 1_000 + 100 * turns <= 0.001 * 1e9 * 1.2

    def test_every_contender_has_a_sample_in_each_round(self):
        taken = interleaved(
            {"one": lambda n: 10 * n, "other": lambda n: 30 * n}, Plan(3, 1e-6, quick=True), 5
        )

        assert {"one": [2, 2, 2], "other": [6, 6, 6]} == taken

    def test_the_most_frequent_key_of_zipf_is_twice_as_frequent_as_the_next(self):
        drawn = Counter(zipf(range(1000), 50_000, seeded(1)))
        (_, first), (_, second) = drawn.most_common(2)

        assert 1.8 < first / second < 2.2
