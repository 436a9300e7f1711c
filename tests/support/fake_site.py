"""A web site on the loopback interface that answers exactly the bytes a test wants, honest or hostile.

Replies are written to the socket as they are: wrong lengths, endless headers and answers that drip are the
point of it. Every connection and every request is recorded.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType

Script = Callable[["Visit"], None]
"""Answers one request by hand; the connection is closed afterwards."""

_ACCEPT_EVERY = 0.1  # seconds between looks whether the site is being closed


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An ordinary answer; ``Content-Length`` is added unless it is among the headers."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    keep_open: bool = True


class Visit:
    """One request with its connection, as a script gets it."""

    def __init__(self, request: Request, connection: socket.socket, closing: threading.Event) -> None:
        self.request = request
        self.closing = closing
        self._connection = connection

    def send(self, data: bytes) -> None:
        """Write bytes; raises OSError once the client has gone."""
        self._connection.sendall(data)

    def send_until_client_leaves(self, pieces: Iterable[bytes], *, every: float = 0.0) -> int:
        """Write pieces until the client hangs up or the site closes; return how many bytes were taken."""
        sent = 0
        with contextlib.suppress(OSError):
            for piece in pieces:
                if self.closing.wait(every) if every else self.closing.is_set():
                    break
                self._connection.sendall(piece)
                sent += len(piece)
        return sent


class FakeSite:
    """The running site, as a context manager, on a free port of ``host``."""

    def __init__(self, host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._listener.settimeout(_ACCEPT_EVERY)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self.connections = 0
        self._answers: dict[str, Reply | Script] = {}
        self._tls = tls
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name="fake site", daemon=True)

    def __enter__(self) -> FakeSite:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        # Wakes the acceptor at once where the system allows it; else it looks by itself soon.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    @property
    def address(self) -> str:
        """The site's address, such as ``http://127.0.0.1:40123``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def url(self, path: str) -> str:
        """Return the whole address of a path."""
        return f"{self.address}{path}"

    def reply(self, path: str, reply: Reply | Script) -> str:
        """Set what a path answers, and return its whole address."""
        self._answers[path] = reply
        return self.url(path)

    def page(self, path: str, html: str | bytes, content_type: str = "text/html; charset=utf-8") -> str:
        """Serve a page at a path, and return its whole address."""
        body = html.encode() if isinstance(html, str) else html
        return self.reply(path, Reply(body, headers={"Content-Type": content_type}))

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Let a path lead elsewhere, and return its whole address."""
        return self.reply(path, Reply(status=status, headers={"Location": location}))

    def hang_up(self) -> None:
        """Close every open connection, as a server does with idle ones."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="fake visit", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        spoken = connection
        try:
            connection.settimeout(30)
            if self._tls is not None:
                spoken = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.add(spoken)
            with spoken.makefile("rb") as incoming:
                while (request := _read_request(incoming.readline)) is not None:
                    self.requests.append(request)
                    if not self._answer(request, spoken):
                        break
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {connection, spoken}
            spoken.close()
            connection.close()

    def _answer(self, request: Request, connection: socket.socket) -> bool:
        """Answer one request; say whether another may follow on this connection."""
        answer = self._answers.get(request.target.partition("?")[0], Reply(b"nothing here", status=404))
        if not isinstance(answer, Reply):
            answer(Visit(request, connection, self._closing))
            return False
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 {answer.status} X\r\n{head}\r\n".encode() + answer.body)
        return answer.keep_open


def _read_request(readline: Callable[[int], bytes]) -> Request | None:
    first = readline(65536).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := readline(65536).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(first[0], first[1], headers)


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def gzipped(data: bytes) -> bytes:
    """Return data compressed, the same bytes every time."""
    return gzip.compress(data, mtime=0)
