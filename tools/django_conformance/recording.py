"""A test runner that runs what our backends take part in, and writes what became of each test to a file."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases


def id_of(test: Any) -> str:
    """The test, of which this may be a subtest."""
    name: str = getattr(test, "test_case", test).id()
    return name


def class_of(test: Any) -> str:
    return id_of(test).rpartition(".")[0]


class RecordingRunner(DiscoverRunner):  # type: ignore[misc]  # Django has no types
    """Leaves the classes in $CONFORMANCE_LEFT_OUT out, and writes JSON to the file $CONFORMANCE_RECORD."""

    def build_suite(self, *args: Any, **kwargs: Any) -> Any:
        """Make the suite without the classes that are left out."""
        left_out = set(json.loads(os.environ["CONFORMANCE_LEFT_OUT"]))
        found = list(iter_test_cases(super().build_suite(*args, **kwargs)))
        self.left_out = sorted({class_of(test) for test in found} & left_out)
        kept = [test for test in found if class_of(test) not in left_out]
        self.ids = [id_of(test) for test in kept]
        return self.test_suite(kept)

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> Any:
        """Write down what became of the tests. A subtest that failed is a failure of its own."""
        record = {
            "left out": self.left_out,
            "tests": self.ids,
            "run": result.testsRun,
            "failures": [(id_of(test), text) for test, text in (*result.failures, *result.errors)]
            + [(id_of(test), "succeeded unexpectedly") for test in result.unexpectedSuccesses],
            "locmem": "django.core.cache.backends.locmem" in sys.modules,
            "skipped": [(id_of(test), reason) for test, reason in result.skipped],
        }
        Path(os.environ["CONFORMANCE_RECORD"]).write_text(json.dumps(record), encoding="utf-8")
        return super().suite_result(suite, result, **kwargs)
