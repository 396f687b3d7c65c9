"""The demo of two processes over a server runs, shows what it promises, and fails when an answer is wrong."""

import re
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no server runs there")

# Runs the demo with processes that lie about one function, if the answer comes from one place.
PLANT = """
import sys
import redis_demo as demo

honest = demo.Process.receive

def receive(self):
    answer = honest(self)
    if answer.get("source") == {source!r} and isinstance(answer["value"], {type}):
        answer["value"] += {more!r}
    return answer

demo.Process.receive = receive
sys.exit(demo.main(["--packages", "json"]))
"""


@pytest.fixture(scope="module")
def shown(run_example) -> str:
    """What the demo prints for two small packages."""
    done = run_example("redis_demo.py", "--packages", "json,email")
    assert (0, "") == (done.returncode, "" if done.returncode == 0 else done.stdout)
    return done.stdout


def told(shown: str, heading: str, what: str) -> list[tuple[str, str]]:
    """The processes that said something under a heading, and where they had it from."""
    section = re.search(rf"^{heading}.*?(?=^\S)", shown, re.MULTILINE | re.DOTALL)
    assert section is not None, shown
    return re.findall(rf"^  (first|second) +{re.escape(what)} *(\w*)", section[0], re.MULTILINE)


def test_the_second_process_computes_nothing(shown: str) -> None:
    """What the first one computed, it has from the server, and then from its memory."""
    runs = re.findall(r"^  (first|second) +outline in [\d.]+ \w+ +(.*)$", shown, re.MULTILINE)
    assert [("first", "2 computed"), ("second", "2 server")] == runs[::3]
    assert ["first", "first", "second"] == [runs[place][0] for place in (1, 2, 4)]
    assert "computed" not in "".join(found for _, found in runs[1:])


def test_a_clear_in_one_process_is_seen_by_the_other(shown: str) -> None:
    """At once, also where there is memory before the server."""
    assert [
        ("first", "computed"),
        ("second", "server"),
        ("second", "computed"),
        ("first", "server"),
    ] == told(shown, "clear, on the server alone", "callers(email, open)")
    assert [("second", "memory"), ("second", "computed"), ("first", "server")] == told(
        shown, "clear, with memory", "outline(email)"
    )


def test_what_was_read_before_a_clear_is_not_stored_after_it(shown: str) -> None:
    """The second process returns the old value, and has the new one from the server next."""
    edition = re.findall(r"^  (first|second) +edition\(news\.txt\) is '(\w+)' *(\w*)", shown, re.MULTILINE)
    assert [("second", "old", ""), ("first", "new", ""), ("second", "new", "server")] == edition


def test_of_two_that_miss_at_once_one_computes(shown: str) -> None:
    """The other has it from the server."""
    found = told(shown, "single_flight='fleet'", "callers(email, isinstance)")
    assert ["first", "second"] == [process for process, _ in found]
    assert ["computed", "server"] == sorted(source for _, source in found)


def test_it_ends_with_counts(shown: str) -> None:
    """Of each process: one value of the second was refused, since it was cleared while it was computed."""
    rows = re.findall(r"^  (first|second) +((?:[\d,]+ *){8})$", shown, re.MULTILINE)
    assert ["first", "second"] == [process for process, _ in rows]
    refusals = [row.split()[5] for _, row in rows]
    assert ["0", "1"] == refusals
    assert re.search(r"^  The server has 5 keys, and has run \d+ commands\.$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("source", "kind", "more", "question"),
    [
        pytest.param("server", "list", ["planted"], "callers(json, open)", id="from the server"),
        pytest.param("computed", "int", 1, "outline(json)", id="computed"),
    ],
)
def test_a_wrong_answer_fails_the_demo(
    source: str, kind: str, more: object, question: str, run_example
) -> None:
    """Status 1, and the message says which answer."""
    done = run_example("-c", PLANT.format(source=source, type=kind, more=more))
    assert 1 == done.returncode, done.stdout
    assert re.search(rf"^WRONG: {re.escape(question)} is ", done.stdout, re.MULTILINE), done.stdout


def test_an_unknown_package_is_refused(run_example) -> None:
    """Status 2, and its name."""
    done = run_example("redis_demo.py", "--packages", "json,no_such_package")
    assert 2 == done.returncode
    assert "no_such_package" in done.stdout
