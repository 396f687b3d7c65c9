"""Where a server listens."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """A port of this machine, or a unix socket."""

    port: int
    socket: str | None = None

    @property
    def url(self) -> str:
        """As redis-py and Django take it."""
        return f"unix://{self.socket}" if self.socket else f"redis://127.0.0.1:{self.port}/0"
