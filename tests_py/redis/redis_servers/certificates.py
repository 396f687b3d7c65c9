"""Certificates for TLS: an authority's, a server's and a client's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme

from . import watchdog
from .ports import HOST


@dataclass(frozen=True)
class Certificates:
    """Files in PEM. The server is known as 127.0.0.1 and as localhost."""

    authority: str
    server: str
    server_key: str
    client: str
    client_key: str

    @classmethod
    def make(cls, *names: str) -> Self:
        """New ones, of an authority of their own. `names` are what the server is known by."""
        folder = watchdog.folder("certificates")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        server = _write(authority.issue_cert(*(names or (HOST, "localhost"))), folder, "server")
        client = _write(authority.issue_cert("client@example.org"), folder, "client")
        return cls(str(folder / "authority.pem"), *server, *client)


def _write(certificate: trustme.LeafCert, folder: Path, name: str) -> tuple[str, str]:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    return str(chain), str(key)
