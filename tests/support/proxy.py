"""A proxy before PostgreSQL that cuts connections at the one moment that matters: when a commit is on its way.

It knows no more of the protocol than it needs: a client sends COMMIT as a simple query, and the server answers
with a command tag.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Literal

Cut = Literal["before", "after"]
"""Before the server gets to see the commit, or after it has committed and before the client knows."""

_COMMIT = b"Q" + struct.pack(">I", 4 + len(b"COMMIT\0")) + b"COMMIT\0"
_DONE = b"C" + struct.pack(">I", 4 + len(b"COMMIT\0")) + b"COMMIT\0"
_RESET = struct.pack("ii", 1, 0)  # close without a farewell


class CommitProxy:
    """Listens on a loopback port and passes everything on; ``decide`` is asked at each commit."""

    def __init__(self, port: int, decide: Callable[[], Cut | None]) -> None:
        self._target = port
        self._decide = decide
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.cuts = {"before": 0, "after": 0}
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> CommitProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        with self._lock:
            left = list(self._open)
        for each in left:
            self._cut(each)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            _Conversation(self, client, server).start()

    def decide(self) -> Cut | None:
        """Ask what to do with a commit, and count it."""
        with self._lock:
            answer = self._decide()
            if answer is not None:
                self.cuts[answer] += 1
        return answer

    def end(self, *ends: socket.socket) -> None:
        """Cut both sides of a conversation."""
        for each in ends:
            self._cut(each)
            with self._lock:
                self._open.discard(each)

    @staticmethod
    def _cut(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


class _Conversation:
    def __init__(self, proxy: CommitProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._withholds = False

    def start(self) -> None:
        for target in (self._forward, self._backward):
            threading.Thread(target=target, name="proxy", daemon=True).start()

    def _forward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                # Nothing travels with a commit: the client waits for the answer to what it sent before.
                cut = self._proxy.decide() if data == _COMMIT else None
                if cut == "before":
                    break
                self._withholds = cut == "after"
                self._server.sendall(data)
        self._proxy.end(self._client, self._server)

    def _backward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._withholds and _DONE in data:
                    break
                self._client.sendall(data)
        self._proxy.end(self._client, self._server)
