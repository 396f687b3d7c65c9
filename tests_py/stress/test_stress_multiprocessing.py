"""Functions of a parent process in pools of multiprocessing, whose processes are replaced all the time."""

import contextlib
import json
import multiprocessing
import os
import signal
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
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        try:
            told, complaints = program.communicate(timeout=600 if is_full else 60)
        finally:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):  # nothing is left of the pool
                    os.killpg(program.pid, signal.SIGKILL)

    assert (0, "") == (program.returncode, complaints)
    answers = json.loads(told)
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
