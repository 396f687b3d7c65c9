"""Puts redis_servers within reach, which is with the tests of redis/."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "redis"))
