"""Certificates of an authority of the tests' own, and TLS before servers that need not know of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SSL_REQUEST = struct.pack(">II", 8, 80877103)


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority whose certificate is in ``file``; what it signs lies beside it."""

    folder: Path

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.pem"

    def sign(self, name: str, *, days: int = 2) -> tuple[Path, Path]:
        """Return a certificate for localhost, or for another ``name``, and its key; none of days has expired."""
        key, request, made = (self.folder / f"{name}{days}.{each}" for each in ("key", "csr", "pem"))
        extension = self.folder / f"{name}{days}.ext"
        extension.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / "ca.key"),
            *("-CAcreateserial", "-days", str(days), "-extfile", extension, "-out", made),
        )
        return made, key


def make_authority(folder: Path) -> Authority:
    """Make an authority in a folder."""
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"),
        *("-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
    )
    return Authority(folder)


@contextlib.contextmanager
def tls_before(port: int, certificate: tuple[Path, Path], *, postgres: bool = False) -> Iterator[int]:
    """Give a port at which a server that listens at ``port`` is reached by TLS alone.

    With ``postgres`` a client asks for TLS in PostgreSQL's way first.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    with socket.create_server(("localhost", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, context, postgres), daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, context: ssl.SSLContext, postgres: bool) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, port, context, postgres), daemon=True).start()


def _serve(client: socket.socket, port: int, context: ssl.SSLContext, postgres: bool) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as ends:
        ends.callback(client.close)
        if postgres:
            if client.recv(8) != _SSL_REQUEST:
                return
            client.sendall(b"S")
        secure = ends.enter_context(context.wrap_socket(client, server_side=True))
        server = ends.enter_context(socket.create_connection(("127.0.0.1", port)))
        # One thread for both directions: an SSL object must not be read and written by two at once.
        secure.settimeout(0.02)
        server.settimeout(0.02)
        while _pass_on(secure, server) and _pass_on(server, secure):
            pass


def _pass_on(source: socket.socket, sink: socket.socket) -> bool:
    try:
        data = source.recv(65536)
    except TimeoutError:
        return True
    if data:
        sink.sendall(data)
    return bool(data)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)
