"""For all tests. QUICKCACHE_GC_THRESHOLD=1 has garbage collected at each step."""

import gc
import os
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import django
import pytest
from django.conf import settings

EXAMPLES = Path(__file__).parent.parent / "examples"

sys.path.insert(0, str(Path(__file__).parent / "redis"))  # redis_servers


def pytest_configure():
    threshold = os.environ.get("QUICKCACHE_GC_THRESHOLD")
    if threshold:
        gc.set_threshold(int(threshold))
    configure_django()


def configure_django():
    """Settings that tests override: before any module has others, which are for all of a process."""
    in_memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    settings.configure(
        DATABASES={"default": in_memory, "other": in_memory},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    )
    django.setup()


# The program ends by itself with every thread's traceback on stderr if it hangs. Ctrl-C is for it even
# where the tests were started by a shell in the background, which has it ignored.
GUARD = (
    "import faulthandler; faulthandler.enable(); faulthandler.dump_traceback_later({limit}, exit=True)"
    "; import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
)


@pytest.fixture
def run_program(tmp_path):
    """Run a program in a fresh interpreter: what it prints, once it has ended well within `limit` seconds."""

    def run(*parts: str, arguments: tuple[str, ...] = (), limit: float = 30) -> str:
        file = tmp_path / "program.py"  # a file, since decorated functions are known by their source
        file.write_text(GUARD.format(limit=limit) + "".join(map(textwrap.dedent, parts)))
        done = subprocess.run(
            [sys.executable, str(file), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * limit + 5,
        )
        assert (0, "") == (done.returncode, done.stderr[-4_000:])
        return done.stdout

    return run


@pytest.fixture(scope="session")
def run_example():
    """Run Python where the demos are; its output, standard error included, is that of a pipe."""

    def run(*command: str, limit: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=EXAMPLES,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=limit,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def shared():
    """Real servers for all tests of this process. Whoever would harm one starts its own instead."""
    from redis_servers.sharing import Shared  # takes packages that most tests do without

    with ExitStack() as stack:
        yield Shared(stack)


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
