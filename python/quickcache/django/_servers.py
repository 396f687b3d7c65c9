"""Which servers a RedisCache is at, as far as checks have to know: from URLs that it has accepted."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from .. import _native


class Place(NamedTuple):
    """Where one cache keeps its values."""

    addresses: frozenset[str]
    """host:port of each server, or a socket's path. A service of sentinels goes by its name too."""
    db: str
    is_encrypted: bool
    has_replicas: bool
    """Whether replicas are read from, besides a primary."""

    @property
    def text(self) -> str:
        """As it is shown: no user and no password."""
        return f"{', '.join(sorted(self.addresses))}/{self.db}"

    @property
    def is_remote(self) -> bool:
        """Whether the way to it leaves this machine."""
        return any(not address.startswith("/") and not _is_loopback(address) for address in self.addresses)

    def overlaps(self, other: Place) -> bool:
        """Whether both are one database."""
        return self.db == other.db and not self.addresses.isdisjoint(other.addresses)


def place_of(cache: _native.RedisCache) -> Place:
    """Where a RedisCache keeps its values."""
    (given,), _ = cache.__getnewargs_ex__()
    return place_of_urls([given] if isinstance(given, str) else list(given))


def place_of_urls(texts: list[str]) -> Place:
    """Where these lead, each of which may be several."""
    urls = [url.strip() for text in texts for url in re.split(r"[;,]\s*(?=[\w+]+://)", text)]
    addresses: set[str] = set()
    db = "0"
    for url in urls:
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        options = parse_qs(query)
        if scheme == "unix":
            addresses.add("/" + rest.rpartition("@")[2].lstrip("/"))
            path = ""
        else:
            authority, _, path = rest.partition("/")
            service, _, path = path.partition("/") if "sentinel" in scheme else ("", "", path)
            port = "26379" if "sentinel" in scheme else "6379"
            hosts = authority.rpartition("@")[2].split(",")
            addresses.update(_address(host.strip(), port) + (service and f" {service}") for host in hosts)
        db = options.get("db", [path.strip("/") or "0"])[0]
    is_plain = all(re.match(r"(rediss?|unix)://", url) for url in urls)
    is_encrypted = all(url.startswith("rediss") for url in urls)
    return Place(frozenset(addresses), db, is_encrypted, len(urls) > 1 and is_plain)


def _address(host: str, port: str) -> str:
    name, given = host, ""
    if host.count(":") == 1 or "]:" in host:
        name, _, given = host.rpartition(":")
    name = name.strip("[]") or "localhost"
    return f"{'localhost' if _is_local(name) else name.lower()}:{given or port}"


def _is_local(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _is_loopback(address: str) -> bool:
    return address.startswith("localhost:")
