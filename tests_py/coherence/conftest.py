"""The tests of this folder import its programs, which find each other by it. None runs on Windows."""

import sys
from pathlib import Path

collect_ignore_glob = ["test_*"] if sys.platform == "win32" else []
sys.path.append(str(Path(__file__).parent))
