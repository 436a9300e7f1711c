"""A link to a server that can be cut, frozen, slow, dripping, half closed and deaf, as networks are.

Everything passes through two pumps for each connection. A frozen direction takes in nothing more, so that whoever
sends sooner or later waits; what is on its way arrives when it thaws. A cut link refuses and resets.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Literal

Direction = Literal["to the server", "to the client"]
_LARGEST = 65536
_PAUSE = threading.Event()  # which never comes
BOTH: tuple[Direction, ...] = ("to the server", "to the client")


class Link:
    """Listens on a loopback port and leads to another one."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flows = {direction: threading.Event() for direction in BOTH}
        self._is_cut = self._closed = self._swallows = False
        self._delay = 0.0
        self._piece = _LARGEST
        for flow in self._flows.values():
            flow.set()

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, name="link", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self._reset_all()

    def freeze(self, *directions: Direction) -> None:
        """Let nothing pass in these directions, or in both."""
        for direction in directions or BOTH:
            self._flows[direction].clear()

    def thaw(self) -> None:
        """Let everything pass again."""
        for flow in self._flows.values():
            flow.set()

    def slow_down(self, seconds: float) -> None:
        """Let everything take so much longer in each direction, until ``clear``."""
        self._delay = seconds

    def drip(self, size: int) -> None:
        """Let everything through in pieces of so many bytes, a millisecond apart, until ``clear``."""
        self._piece = size

    def swallow_answers(self) -> None:
        """Let the server act on what it gets, and reset the connection in place of its answer, until ``clear``."""
        self._swallows = True

    def half_close(self) -> None:
        """Tell the clients of all connections that there is nothing more to read, and let them go on sending."""
        with self._lock:
            clients = list(self._clients)
        for each in clients:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_WR)

    def clear(self) -> None:
        """Pass everything on as it comes."""
        self._delay, self._piece, self._swallows = 0.0, _LARGEST, False

    def cut(self) -> None:
        """Reset every connection, and refuse new ones until ``mend``."""
        self._is_cut = True
        self._reset_all()

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._is_cut:
                    raise OSError("the link is cut")
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
                self._clients.add(client)
            for source, sink, direction in ((client, server, BOTH[0]), (server, client, BOTH[1])):
                threading.Thread(target=self._pass_on, args=(source, sink, direction), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_LARGEST):
                self._flows[direction].wait()
                if self._swallows and direction == BOTH[1]:
                    break
                if self._delay:
                    _PAUSE.wait(self._delay)
                self._send(sink, data)
        self._reset(source, sink)

    def _send(self, sink: socket.socket, data: bytes) -> None:
        piece = self._piece
        for first in range(0, len(data), piece):
            if first:
                _PAUSE.wait(0.001)
            sink.sendall(data[first : first + piece])

    def _reset_all(self) -> None:
        with self._lock:
            left = list(self._open)
        self._reset(*left)

    def _reset(self, *ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            with self._lock:
                self._open.discard(end)
                self._clients.discard(end)


@contextlib.contextmanager
def link_to(url: str) -> Iterator[tuple[Link, str]]:
    """Give a link to the server of a loopback address, and the address that leads over it."""
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
    with Link(port) as link:
        yield link, url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{link.port}")
