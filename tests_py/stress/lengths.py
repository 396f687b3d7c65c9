"""How long a test of this folder is."""

import os


def length(short, full):
    """A count: `full` behind `make stress`, `short` otherwise."""
    return full if os.environ.get("QUICKCACHE_STRESS") == "full" else short
