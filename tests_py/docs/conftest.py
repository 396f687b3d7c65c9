"""Pages that are tried on servers are not on Windows, where none runs."""

import sys

collect_ignore = ["test_security.py", "test_failures.py"] if sys.platform == "win32" else []
