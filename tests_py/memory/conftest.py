"""Programs of their own, for what could hang or crash the process that runs the tests."""

import subprocess
import sys
import textwrap

import pytest

# The program ends by itself with every thread's traceback on stderr if it hangs.
PRELUDE = (
    "import faulthandler; faulthandler.enable(); faulthandler.dump_traceback_later({limit}, exit=True)\n"
)


@pytest.fixture
def run_apart(tmp_path):
    """Run a program in a fresh interpreter: what it prints, once it has ended well within `limit` seconds."""

    def run(program: str, *arguments: str, limit: float = 5) -> str:
        file = tmp_path / "program.py"  # a file, since decorated functions are known by their source
        file.write_text(PRELUDE.format(limit=limit) + textwrap.dedent(program))
        done = subprocess.run(
            [sys.executable, str(file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * limit + 5,
        )
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout

    return run
