"""A receiver of webhooks on loopback: it keeps what it is sent, and answers, refuses or stays silent as it is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "a secret of some length"


@dataclass(frozen=True, slots=True)
class Got:
    """One request: its path, its headers by lower-case name, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.headers["idempotency-key"]

    def is_signed_with(self, secret: str) -> bool:
        """Tell whether the signature is that of this body under this secret."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{wanted}"


class Receiver(ThreadingHTTPServer):
    """Takes what is posted and answers with the next of ``answers``, then with ``always``; ``manner`` says the rest.

    While ``silent`` is set it takes everything and answers nothing, until ``let_go``.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.always = 204
        self.manner: Callable[[BaseHTTPRequestHandler], None] = with_nothing
        self.silent = False
        self.let_go = threading.Event()
        self.got: list[Got] = []

    def url(self, path: str = "/hook") -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a sender that has gone away."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if server.silent:
            server.let_go.wait(60)
            return
        status = server.answers.pop(0) if server.answers else server.always
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        server.manner(self)

    def log_message(self, *words: object) -> None:
        pass


def with_nothing(handler: BaseHTTPRequestHandler, *, retry_after: str | None = None) -> None:
    """Say nothing besides the status, and when to come again."""
    if retry_after is not None:
        handler.send_header("Retry-After", retry_after)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """Say half of what is announced, and end the connection."""
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half of")
    handler.close_connection = True


def without_end(handler: BaseHTTPRequestHandler) -> None:
    """Say a little, and nothing more for as long as the test takes."""
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"and then")
    handler.wfile.flush()
    assert isinstance(handler.server, Receiver)
    handler.server.let_go.wait(60)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver for the length of the body."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            server.shutdown()
            thread.join(30)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver."""
    with receiving() as server:
        yield server
