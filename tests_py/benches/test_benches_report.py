"""Tables and comparisons, of results that are made up."""

import pytest
from benches import instructions, markdown
from benches.names import stem
from benches.remote_targets import REMOTE_TARGETS
from benches.result import Race
from benches.targets import TARGETS, verdicts

RACES = [
    Race(
        "hot/int",
        "an int",
        "ns",
        {
            "quickcache": [40.0, 42.0, 44.0],
            "lru_cache": [60.0, 63.0, 66.0],
            "cachebox": [500.0, 500.0, 500.0],
        },
    ),
    Race("hot/keyword", "an int by keyword", "ns", {"quickcache": [50.0], "lru_cache": [100.0]}),
    Race("zipf", "500 calls", "ms", {"quickcache": [900.0]}, notes={"quickcache": "75.0% hits"}),
]
RESULT = {
    "quick": False,
    "date": "2026-01-02",
    "facts": {"python": "CPython 3.14.0", "python_tag": "3.14", "optimised": "no", "cpu_count": "2"},
    "versions": {"cachebox": "6.0"},
    "absent": {"theine": "No module named 'theine_core'\nand more"},
    "verdicts": [row.as_json() for row in verdicts({race.name: race for race in RACES}, TARGETS)],
    "races": [race.as_json() for race in RACES],
}


class TestReport:
    @pytest.mark.parametrize(
        "line",
        [
            "| hot hit, an int, of lru_cache | ≤ 0.95x | ≤ 0.75x | 0.667x | 0.667 to 0.667 | met, stretch |",
            "| hot hit by keyword, of lru_cache | ≤ 0.42x | ≤ 0.35x | 0.5x | 0.5 to 0.5 | **not met** |",
            "| memory per small int, of lru_cache's | ≤ 4.20x | ≤ 3.50x | - | - | not measured |",
            "| lru_cache | 63.0 (1.50x) | 100 (2.00x) |",
            "| cachebox | 500 (11.9x) | - |",
            "| quickcache | 900, 75.0% hits |",
            "- CPython 3.14.0, optimised: no",
            "- cachebox 6.0",
            "- left out: theine, No module named 'theine_core'",
        ],
    )
    def test_has_the_line(self, line):
        assert line in markdown.report(RESULT).splitlines()

    def test_has_a_section_for_what_was_measured_and_no_other(self):
        titles = [line for line in markdown.report(RESULT).splitlines() if line.startswith("## ")]

        assert ["## Targets", "## Hot hits", "## A cache that is too small"] == titles

    def test_a_race_is_the_same_after_json(self):
        assert RACES == [Race.of_json(race.as_json()) for race in RACES]


class TestReportOfRedis:
    RACES = (
        Race("get/dict TCP", "a dict, TCP", "us", {"quickcache": [20.0], "redis-py": [60.0]}),
        Race("reads/TCP", "TCP", "commands", {"quickcache": [4.0], "redis-py": [1.0]}),
        Race("story", "16,159 calls", "ms", {"quickcache": [500.0], "django-redis": [1000.0]}),
    )

    def report(self):
        judged = verdicts({race.name: race for race in self.RACES}, REMOTE_TARGETS)
        races = [race.as_json() for race in self.RACES]
        return markdown.report({**RESULT, "verdicts": [row.as_json() for row in judged], "races": races})

    @pytest.mark.parametrize(
        "line",
        [
            "| a hit, times faster than redis-py | ≥ 2.50x | ≥ 3.00x | 3.00x | 3.00 to 3.00 | met, stretch |",
            "| 16,159 calls, no memory, of django-redis | ≤ 0.4x | - | 0.5x | 0.5 to 0.5 | **not met** |",
            "| redis-py | 60.0 (3.00x) |",
            "| redis-py | 1.00 (0.25x) |",
        ],
    )
    def test_has_the_line(self, line):
        assert line in self.report().splitlines()

    def test_has_a_section_for_what_was_measured_and_no_other(self):
        titles = [line for line in self.report().splitlines() if line.startswith("## ")]

        assert ["## Targets", "## Hits of one thread", "## Commands per read", "## 16,159 calls"] == titles


class TestNames:
    def test_caches_in_memory_keep_the_plain_name(self):
        assert ["3.14", "3.14-redis"] == [stem("memory", "3.14"), stem("redis", "3.14")]


class TestInstructions:
    @pytest.mark.parametrize(("counted", "expected"), [(100, None), (102.9, None), (105, True), (95, False)])
    def test_five_percent_are_seen(self, counted, expected):
        assert expected is instructions.changed("hit", {"hit": counted}, {"hit": 100})

    def test_a_load_that_is_not_recorded_is_not_passed_over(self):
        assert instructions.changed("new", {"new": 1}, {}) is True

    def test_counts_are_differences_between_marks(self, tmp_path):
        # For each load: what came before it, N hits, 2N hits.
        for place, total in enumerate((999, 100 + 5 * instructions.N, 100 + 10 * instructions.N), start=1):
            (tmp_path / f"counts.{place}").write_text(f"events: Ir\ntotals: {total}\n", encoding="utf-8")

        assert {"hit": 5} == instructions.per_hit(["hit"], tmp_path)

    def test_a_lost_mark_is_seen(self, tmp_path):
        with pytest.raises(instructions.CountingError, match="0 marks for 1 loads"):
            instructions.per_hit(["hit"], tmp_path)
