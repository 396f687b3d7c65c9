"""For all tests. QUICKCACHE_GC_THRESHOLD=1 has garbage collected at each step."""

import gc
import os
import sys

import pytest


def pytest_configure():
    threshold = os.environ.get("QUICKCACHE_GC_THRESHOLD")
    if threshold:
        gc.set_threshold(int(threshold))


@pytest.fixture(scope="session")
def entered():
    """The names of the Python functions that a call enters."""

    def note_all(call, *args, **kwargs):
        names = []

        def note(frame, event, arg):
            if event == "call":
                names.append(frame.f_code.co_qualname)

        before = sys.getprofile()
        gc.disable()  # which calls functions of its own, such as those of hypothesis
        sys.setprofile(note)
        try:
            call(*args, **kwargs)
        finally:
            sys.setprofile(before)
            gc.enable()
        return names

    return note_all
