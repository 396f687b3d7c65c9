"""For all tests: QUICKCACHE_GC_THRESHOLD=1 has garbage collected at each step."""

import gc
import os


def pytest_configure():
    threshold = os.environ.get("QUICKCACHE_GC_THRESHOLD")
    if threshold:
        gc.set_threshold(int(threshold))
