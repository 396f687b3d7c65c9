"""The proxy's own process: passes bytes between clients and a server, with faults as it is told.

It is told by lines of JSON on a socket, each answered by a line once it is in force. With the socket it ends.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import socket
import ssl
import struct
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import PASS, Fault, Kind
from .ports import HOST

PIECE = 65_536
LISTENS = re.compile(rb"\r\n(TRACKING|SUBSCRIBE)\r\n", re.IGNORECASE)  # what is sent by who is told of keys
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends RST


def main() -> None:
    """Arguments: the control socket's number, and the settings in JSON."""
    control = socket.socket(fileno=int(sys.argv[1]))
    asyncio.run(_run(control, json.loads(sys.argv[2])))


async def _run(control: socket.socket, settings: dict[str, Any]) -> None:
    proxy = Proxy(settings["port"], settings["target"], _context(settings["tls"]))
    await proxy.listen()
    reader, writer = await asyncio.open_connection(sock=control)
    writer.write(b"{}\n")
    while line := await reader.readline():
        answer = await proxy.told(json.loads(line))
        writer.write(json.dumps(answer).encode() + b"\n")
    os._exit(0)  # without a word to the peers


def _context(tls: dict[str, Any] | None) -> ssl.SSLContext | None:
    if not tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls["certificate"], tls["key"])
    if tls["clients_of"]:
        context.load_verify_locations(tls["clients_of"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@dataclass
class Direction:
    """Requests, or replies: the fault in force, and how many bytes came."""

    fault: Fault = PASS
    seen: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, fault: Fault) -> None:
        self.fault = fault
        self.changed.set()
        self.changed = asyncio.Event()

    async def pause(self, seconds: float | None = None) -> None:
        """Wait for so long, or until there is another fault."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), seconds)

    async def while_it_is(self, *kinds: Kind) -> None:
        while self.fault.kind in kinds:
            await self.pause()

    async def turn(self) -> Fault:
        """The fault by which a piece passes, once it may."""
        while True:
            await self.while_it_is("half open")
            fault = self.fault
            if fault.kind == "delay":
                await self.pause(fault.seconds)
            if self.fault is fault:
                return fault


@dataclass
class Ways:
    """Both directions."""

    requests: Direction = field(default_factory=Direction)
    replies: Direction = field(default_factory=Direction)

    def set(self, requests: Fault, replies: Fault) -> None:
        self.requests.set(requests)
        self.replies.set(replies)


@dataclass
class Link:
    """One connection, and the ways that it is subject to."""

    ways: Ways


class Proxy:
    def __init__(self, port: int, target: int | str, context: ssl.SSLContext | None) -> None:
        self.port = port
        self.target = target
        self.context = context
        self.ways = Ways()
        self.listening = Ways()  # of connections that track keys or subscribe
        self.accepted = 0
        self.links: dict[asyncio.Task[None], StreamWriter] = {}
        self.listener: asyncio.Server | None = None

    async def listen(self) -> None:
        if not self.listener:
            self.listener = await asyncio.start_server(self.serve, HOST, self.port, ssl=self.context)

    async def told(self, what: dict[str, Any]) -> dict[str, int]:
        if "requests" in what:
            faults = Fault(**what["requests"]), Fault(**what["replies"])
            self.listening.set(*faults)
            self.ways.set(*((PASS, PASS) if what["listening"] else faults))
            if what["refuse"]:
                self.deaf()
            else:
                await self.listen()
        if what.get("drop") or self.breaks():
            await self.drop()
        return {
            "accepted": self.accepted,
            "open": len(self.links),
            "requests": self.ways.requests.seen + self.listening.requests.seen,
            "replies": self.ways.replies.seen + self.listening.replies.seen,
        }

    def breaks(self) -> bool:
        return "reset" in {self.ways.requests.fault.kind, self.ways.replies.fault.kind}

    def deaf(self) -> None:
        if self.listener:
            self.listener.close()
            self.listener = None

    async def drop(self) -> None:
        """Break every connection by RST."""
        links = dict(self.links)
        for task, client in links.items():
            _abort(client)
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def serve(self, reader: StreamReader, client: StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task
        if self.breaks():
            _abort(client)
            return
        self.links[task] = client
        server = None
        pumps: set[asyncio.Task[None]] = set()
        try:
            answers, server = await self.reach()
            link = Link(self.ways)
            pumps.add(asyncio.create_task(self.pump_requests(link, reader, server)))
            pumps.add(asyncio.create_task(pump(lambda: link.ways.replies, answers, client)))
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            _abort(client)  # the server is not there
        finally:
            del self.links[task]
            for one in pumps:
                one.cancel()
            client.close()
            if server:
                server.close()

    async def pump_requests(self, link: Link, source: StreamReader, sink: StreamWriter) -> None:
        def look(data: bytes) -> None:
            if LISTENS.search(data):
                link.ways = self.listening

        await pump(lambda: link.ways.requests, source, sink, look)

    async def reach(self) -> tuple[StreamReader, StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(HOST, self.target)


async def pump(
    way: Callable[[], Direction],
    source: StreamReader,
    sink: StreamWriter,
    look: Callable[[bytes], None] = lambda data: None,
) -> None:
    """Pass on what comes, until one end closes or the fault does. `look` is shown it first."""
    chance = random.Random(0)
    passed = 0
    with contextlib.suppress(OSError):
        while True:
            data = await source.read(PIECE)
            look(data)
            way().seen += len(data)
            if not data:
                await way().while_it_is("half open", "black hole")
                return
            while data:
                fault = await way().turn()
                if fault.kind == "black hole":
                    break
                part = treated(fault, data, passed, chance)
                sink.write(part)
                await sink.drain()
                passed += len(part)
                data = data[len(part) :]
                if fault.kind == "truncate" and passed >= fault.size:
                    return
                if fault.kind == "trickle":
                    await way().pause(fault.seconds)


def treated(fault: Fault, data: bytes, passed: int, chance: random.Random) -> bytes:
    """What passes now of some bytes, after so many others."""
    match fault.kind:
        case "truncate":
            return data[: max(0, fault.size - passed)]
        case "random":
            return chance.randbytes(len(data))
        case "flip":
            return flipped(data, chance)
        case "trickle":
            return data[:1]
    return data


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _abort(writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):  # the peer may have broken it already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.transport.abort()
