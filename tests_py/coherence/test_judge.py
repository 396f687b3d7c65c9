"""The judge of coherence finds what each rule forbids, to the nanosecond, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
from judge import RESEND, SECOND, Fault, Judge, Verdict
from records import LONGEST, Clears, Reads, clears_file, reads_file, runs_of

BOUND = 1.0
NS = int(BOUND * SECOND)
START = 100 * SECOND
KEY = 3
JudgeOf = Callable[..., Verdict]


@pytest.fixture
def judged(tmp_path: Path) -> JudgeOf:
    """The verdict on two processes of one thread each. Process 0 clears, and `process` reads."""

    def judge(
        process: int,
        reads: list[tuple[int, int]],
        clears: list[tuple[int, int, bool]],
        faults: tuple[Fault, ...] = (),
        end: int = START + 100 * SECOND,
    ) -> Verdict:
        for number in (0, 1):
            written = Reads(reads_file(tmp_path, number, 0), KEY + 1)
            for version, begin in reads if number == process else ():
                written.note(KEY, version, begin, begin + 10)
            written.close()
            made = Clears(clears_file(tmp_path, number))
            for version, returned, acknowledged in clears if number == 0 else ():
                made.note(KEY, version, returned - 100, returned, acknowledged)
            made.close()
        return Judge(tmp_path, 2, 1, BOUND, faults, end).judge()

    return judge


def broken(verdict: Verdict) -> dict[str, int]:
    return dict(verdict.violations)


def test_own_reads_are_judged_from_the_clears_return(judged: JudgeOf) -> None:
    clears = [(5, START, True)]

    assert broken(judged(0, [(4, START)], clears)) == {}
    assert broken(judged(0, [(4, START + 1)], clears)) == {"1 own": 1}
    assert broken(judged(0, [(5, START + 1)], clears)) == {}


def test_own_reads_are_judged_also_by_clears_that_no_server_took(judged: JudgeOf) -> None:
    assert broken(judged(0, [(4, START + 1)], [(5, START, False)])) == {"1 own": 1}


def test_others_reads_are_judged_from_the_bound_on(judged: JudgeOf) -> None:
    clears = [(5, START, True)]

    assert broken(judged(1, [(4, START + NS)], clears)) == {}
    assert broken(judged(1, [(4, START + NS + 1)], clears)) == {"2 others": 1}
    assert broken(judged(1, [(6, START + NS + 1)], clears)) == {}


def test_the_last_read_of_a_run_decides(judged: JudgeOf) -> None:
    reads = [(4, START + NS - 2), (4, START + NS - 1), (4, START + NS + 1)]
    verdict = judged(1, reads, [(5, START, True)])

    assert (verdict.reads, verdict.runs, broken(verdict)) == (3, 1, {"2 others": 1})


def test_a_clear_that_returned_late_does_not_hide_a_later_version(judged: JudgeOf) -> None:
    """Two writers: that of the newer version returned first."""
    clears = [(6, START, True), (5, START + SECOND, True)]

    assert broken(judged(1, [(5, START + NS + 1)], clears)) == {"2 others": 1}


def test_a_clear_that_no_server_took_counts_elsewhere_once_it_was_sent_again(judged: JudgeOf) -> None:
    fault = Fault("away", "", START - SECOND, START + 2 * SECOND)
    clears, counts = [(5, START, False)], fault.end + RESEND + NS

    assert broken(judged(1, [(4, counts)], clears, (fault,))) == {}
    assert broken(judged(1, [(4, counts + 1)], clears, (fault,))) == {"3 healed": 1}


def test_health_that_is_too_short_for_sending_again_does_not_count(judged: JudgeOf) -> None:
    faults = (
        Fault("away", "", START - SECOND, START + SECOND),
        Fault("away", "", START + SECOND + RESEND - 1, START + 20 * SECOND),
    )
    clears, counts = [(5, START, False)], faults[1].end + RESEND + NS

    assert broken(judged(1, [(4, counts)], clears, faults)) == {}
    assert broken(judged(1, [(4, counts + 1)], clears, faults)) == {"3 healed": 1}


def test_what_a_server_may_have_lost_is_not_judged(judged: JudgeOf) -> None:
    fault = Fault("killed", "", START, START + SECOND, frozenset([KEY]))
    clears = [(5, START, True), (7, START - 2 * SECOND, True)]
    verdict = judged(1, [(6, START), (6, START + 10 * SECOND)], clears, (fault,))

    assert (verdict.at_risk, verdict.unjudged, broken(verdict)) == (1, 1, {"2 others": 1})
    assert verdict.examples["2 others"][0].clear.version == 7


def test_of_other_keys_it_is(judged: JudgeOf) -> None:
    fault = Fault("killed", "", START, START + SECOND, frozenset([KEY + 1]))

    assert broken(judged(0, [(4, START + 1)], [(5, START, True)], (fault,))) == {"1 own": 1}


def test_lateness_is_that_of_the_last_older_read(judged: JudgeOf) -> None:
    clears = [(5, START, True), (6, START + SECOND, True)]
    verdict = judged(1, [(4, START - 5), (5, START + SECOND + 700), (6, START + SECOND + 900)], clears)

    assert verdict.lateness == [0, 700]


def test_steps_back_are_counted_within_a_thread(judged: JudgeOf) -> None:
    verdict = judged(1, [(5, START), (4, START + 1), (5, START + 2)], [])

    assert (verdict.steps_back, broken(verdict)) == (1, {})


def test_runs_end_in_time_so_that_what_is_not_judged_is_not_much(tmp_path: Path) -> None:
    reads = Reads(tmp_path / "reads", 1)
    for begin in (0, LONGEST - 1, LONGEST, LONGEST + 1):
        reads.note(0, 7, begin, begin + 1)
    reads.close()

    assert [(run.reads, run.first, run.last) for run in runs_of(tmp_path / "reads")] == [
        (2, 0, LONGEST - 1),
        (2, LONGEST, LONGEST + 1),
    ]
