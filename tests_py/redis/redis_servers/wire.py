"""A connection by which the tests ask a server themselves: replies as they are, errors raised."""

import socket
from types import TracebackType
from typing import Any, Self

import hiredis

from .ports import HOST
from .waiting import LIMIT

Argument = str | bytes | int | float


class Connection:
    """A blocking connection in RESP2, to a port or a unix socket. hiredis.ReplyError for a reply `-ERR`."""

    def __init__(self, address: int | str, user: str = "", password: str = "") -> None:
        family, target = (
            (socket.AF_UNIX, address) if isinstance(address, str) else (socket.AF_INET, (HOST, address))
        )
        self._reader = hiredis.Reader(replyError=hiredis.ReplyError)
        self._socket = socket.socket(family)
        self._socket.settimeout(LIMIT)
        try:
            self._socket.connect(target)
            if password:
                self.ask("AUTH", *([user] if user else []), password)
        except BaseException:
            self.close()
            raise

    def ask(self, *arguments: Argument) -> Any:
        """The reply to one command."""
        self.send(*arguments)
        return self.receive()

    def send(self, *arguments: Argument) -> None:
        """Send a command and do not wait for its reply."""
        self._socket.sendall(packed(*arguments))

    def receive(self) -> Any:
        """The next reply. ConnectionError if the server hangs up, TimeoutError if it does not answer."""
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65_536)
            if not data:
                raise ConnectionError("the server has closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def packed(*arguments: Argument) -> bytes:
    """A command as it is sent."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)])
