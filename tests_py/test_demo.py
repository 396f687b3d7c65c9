"""The demo in examples/ runs, shows what it promises, and fails when a cached answer is wrong."""

import re

import pytest

# Runs the demo with a store that lies about one function: when it is read, or when it is written to.
PLANT = """
import sys
import stdlib_index as demo

honest_get, honest_set = demo.SqliteStore.get, demo.SqliteStore.set

def lying_get(self, key, default=None):
    value = honest_get(self, key, default)
    return value + ["planted"] if {function!r} in key and value is not default else value

def lying_set(self, key, value):
    honest_set(self, key, value + ["planted"] if {function!r} in key else value)

demo.SqliteStore.{method} = lying_{method}
sys.exit(demo.main(["--packages", "json"]))
"""


@pytest.fixture(scope="module")
def shown(run_example) -> str:
    """What the demo prints for two small packages."""
    done = run_example("stdlib_index.py", "--packages", "json,email")
    assert (0, "") == (done.returncode, "" if done.returncode == 0 else done.stdout)
    return done.stdout


@pytest.mark.parametrize("function", ["Package.outline", "callers", "Ranking.top"])
def test_the_table_has_a_cold_and_two_warm_times_for_each_function(shown: str, function: str) -> None:
    """Computed, from sqlite, from memory, and how many times faster memory is: more than once."""
    time = r"([\d.e+]+ (?:s|ms|us|ns))"
    row = re.search(rf"^ +{re.escape(function)} +{time} +{time} +{time} +([\d,]+)$", shown, re.MULTILINE)
    assert row is not None, shown
    assert int(row[4].replace(",", "")) > 1


def test_the_second_process_computes_nothing(shown: str) -> None:
    """What it prints all comes from sqlite, and sqlite has missed nothing."""
    _, _, second = shown.partition("A second process")
    second, _, tables = second.partition("What it came to")
    assert set() == set(re.findall(r"\b(computed|memory)  ", second))
    assert 6 == len(re.findall(r"\) +sqlite  ", second))
    assert re.search(r"^ +sqlite, second process +8 +0$", tables, re.MULTILINE), tables


def test_a_timeout_expires_before_your_eyes(shown: str) -> None:
    """The same question is answered by memory, a second later by sqlite, then by memory again."""
    assert ["computed", "memory", "sqlite", "memory", "computed"] == re.findall(
        r"^  Longest\.top\(email\) +(\w+)", shown.partition("A second process")[0], re.MULTILINE
    )


def test_refresh_and_clear_compute_anew(shown: str) -> None:
    """After either, the answer is computed, and then in memory again."""
    assert ["computed", "memory"] * 3 == re.findall(
        r"^  callers\(email, open(?:, refresh=True)?\) +(\w+)",
        shown.partition("A second process")[0],
        re.MULTILINE,
    )


@pytest.mark.parametrize(
    ("method", "function", "question"),
    [
        pytest.param("get", "top", "Longest.top(json)", id="in the first process"),
        pytest.param("set", "callers", "callers(json, open)", id="in the second process"),
    ],
)
def test_a_wrong_answer_fails_the_demo(method: str, function: str, question: str, run_example) -> None:
    """A store that adds to one function's answers: status 1, and the message says which answer."""
    done = run_example("-c", PLANT.format(method=method, function=function))
    assert 1 == done.returncode, done.stdout
    assert re.search(rf"^WRONG: {re.escape(question)} is .*'planted'", done.stdout, re.MULTILINE), done.stdout


def test_an_unknown_package_is_refused(run_example) -> None:
    """Status 2, and its name."""
    done = run_example("stdlib_index.py", "--packages", "json,no_such_package")
    assert 2 == done.returncode
    assert "no_such_package" in done.stdout
