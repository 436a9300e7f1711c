"""A small web site on the loopback interface that serves the sample articles, for ``queuectl demo``.

Besides the articles it has what a real list of addresses always has: a page that is missing, a page
that is slow, and a page that asks to come back in a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from urllib.parse import unquote, urlsplit

from queuectl.samples.pictures import picture

SLOW_SECONDS = 3.0

# The name of each page's file, the priority that the demonstration submits it with, and the charset
# it is served in; the files themselves are all kept in UTF-8.
_ARTICLES = (
    ("wechat-rain-garden", "urgent", "utf-8"),
    ("lighthouse-lens", "urgent", "utf-8"),
    ("green-tea", "high", "utf-8"),
    ("reading-logs", "high", "utf-8"),
    ("wechat-photo-script", "high", "utf-8"),
    ("old-bookshop", "medium", "gb18030"),
    ("sourdough-week", "medium", "utf-8"),
    ("contour-lines", "medium", "utf-8"),
    ("night-train", "low", "utf-8"),
    ("hub-bearings", "low", "windows-1252"),
    ("morning-market", "background", "utf-8"),
    ("rain-gauge", "background", "utf-8"),
)
_MISSING = ("articles/moved-away.html", "medium")
_SLOW = ("slow/night-train.html", "high")
_BUSY = ("busy/green-tea.html", "high")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    media_type: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class SampleSite:
    """The running site, as a context manager; it listens on a free port of 127.0.0.1.

    ``latency`` is how many seconds it takes to answer, so that it can be as far away as a real site.
    """

    def __init__(self, *, latency: float = 0.0) -> None:
        self._latency = latency
        self._pages = {name: _page(name, charset) for name, _, charset in _ARTICLES}
        self._asked_busy = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self._answer))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sample site", daemon=True
        )

    def __enter__(self) -> SampleSite:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """The site's address without a final slash, such as ``http://127.0.0.1:40123``."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def urls(self) -> list[tuple[str, str]]:
        """Every address worth submitting, with the priority suggested for it."""
        paths = [(f"articles/{name}.html", priority) for name, priority, _ in _ARTICLES]
        paths.insert(3, _MISSING)
        paths.insert(5, _SLOW)
        paths.insert(6, _BUSY)
        return [(f"{self.address}/{path}", priority) for path, priority in paths]

    def _answer(self, target: str) -> _Answer:
        self._closing.wait(self._latency)
        path = unquote(urlsplit(target).path).lstrip("/")
        if path == _BUSY[0] and self._is_first_request_for_busy():
            body = b"<h1>Come back in a second</h1>"
            return _Answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/html", body, {"Retry-After": "1"})
        if path == _SLOW[0]:
            self._closing.wait(SLOW_SECONDS)
        folder, _, file = path.partition("/")
        name, _, ending = file.rpartition(".")
        if folder == "images" and ending == "svg" and name.isidentifier():
            return _Answer(HTTPStatus.OK, "image/svg+xml", picture(name).encode())
        if ending == "html" and name in self._pages:
            return _Answer(HTTPStatus.OK, "text/html", self._pages[name])
        return _Answer(HTTPStatus.NOT_FOUND, "text/html", b"<h1>There is no such page</h1>")

    def _is_first_request_for_busy(self) -> bool:
        with self._lock:
            first, self._asked_busy = not self._asked_busy, True
        return first


def _page(name: str, charset: str) -> bytes:
    text = files("queuectl.samples").joinpath("pages", f"{name}.html").read_text(encoding="utf-8")
    return text.encode(charset)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent when a client hangs up."""


def _handler_for(answer: Callable[[str], _Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body leave in one packet
        timeout = 30

        def do_GET(self) -> None:
            self._send(answer(self.path), with_body=True)

        def do_HEAD(self) -> None:
            self._send(answer(self.path), with_body=False)

        def _send(self, reply: _Answer, *, with_body: bool) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media_type)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the terminal for the demonstration."""

    return Handler
