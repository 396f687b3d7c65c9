"""Functions of a parent process in pools of multiprocessing, whose processes are replaced all the time."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("pooled.py")


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_processes_of_a_pool_answer_rightly(is_full, record_property, method):
    calls = 10_000 if is_full else 30
    # The fork server finds the module that it is to load beforehand by this alone.
    path = os.pathsep.join([str(PROGRAM.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "ignore", str(PROGRAM), method, str(calls)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=600 if is_full else 60,
    )

    assert (0, "") == (done.returncode, done.stderr)
    answers = json.loads(done.stdout)
    processes = {answer["pid"] for answer in answers}
    asked, hits, inherited = (sum(one[count] for one in answers) for count in ("asked", "hits", "inherited"))
    record_property(
        "seen", f"{asked} calls in {len(processes)} processes, {hits} hits, {inherited} inherited"
    )
    assert calls == len(answers)
    assert len(processes) > 2
    assert asked / 4 < hits < asked
    # What is spawned imports everything anew.
    assert (method != "spawn") == (inherited > 0)
