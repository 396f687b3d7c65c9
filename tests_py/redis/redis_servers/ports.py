"""Ports that stay ours while no server listens on them."""

import contextlib
import socket

HOST = "127.0.0.1"
BUS = 10_000  # the port of a cluster's nodes among themselves is this much higher
HIGHEST = 65_535


class Port:
    """A free port, kept by a socket that is bound and never listens.

    On Linux a server can then listen on it, which sets SO_REUSEADDR as this does, but nobody is given it who
    asks for any port. So a server that was stopped comes back on its port, and test processes do not collide.
    """

    def __init__(self, *, bus: bool = False) -> None:
        self._held: list[socket.socket] = []
        while not self._held:
            self._try(bus=bus)
        self.number: int = self._held[0].getsockname()[1]

    def _try(self, *, bus: bool) -> None:
        first = _bound(0)
        number = first.getsockname()[1]
        if not bus:
            self._held = [first]
            return
        with contextlib.suppress(OSError):
            if number + BUS <= HIGHEST:
                self._held = [first, _bound(number + BUS)]
                return
        first.close()

    def release(self) -> None:
        for one in self._held:
            one.close()


def _bound(number: int) -> socket.socket:
    one = socket.socket()
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((HOST, number))
    except OSError:
        one.close()
        raise
    return one
