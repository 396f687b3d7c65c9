"""The servers' fixtures; on Windows, where none of the servers runs, there are no tests of this folder."""

import sys

WINDOWS = sys.platform == "win32"
collect_ignore_glob = ["test_*"] if WINDOWS else []

if not WINDOWS:
    from redis_servers.fixtures import (  # noqa: F401  fixtures are found here
        link,
        mode,
        prefix,
        program,
        proxy,
        server,
        shared_tier_server,
    )
