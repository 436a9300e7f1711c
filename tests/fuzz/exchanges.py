"""Parsers of what other programs send: requests of the interface, answers of servers, Redis, and child processes."""

from __future__ import annotations

import gzip
import io
import json
import math
import random
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import httpcore2
import msgspec
from starlette.requests import Request

from queuectl.domain.web_access import Role
from queuectl.handlers.article.fetch import Fetcher
from queuectl.operations.auditing import acting_as
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.metrics import Metrics
from queuectl_daemon.runner.frames import (
    FROM_CHILD,
    LONGEST_FRAME,
    Channel,
    GarbageError,
    Line,
    Progress,
    Result,
)
from queuectl_daemon.runner.outcomes import LARGEST_RESULT
from queuectl_daemon.runner.process_runs import _checked
from queuectl_daemon.transport import _LARGEST_NUMBER, _decoded
from queuectl_daemon.web import api
from queuectl_daemon.web.api.forms import Filter
from queuectl_daemon.web.desk import Desk
from queuectl_daemon.web.identity import Identity
from queuectl_daemon.web.problems import json_response
from queuectl_daemon.web.routes import Call, Route, check_text, read_body, read_query
from tests.fuzz.mutation import changed_json, from_samples, mutated
from tests.fuzz.trial import Parser
from tests.support.site import idle_measures

_ARTICLE: dict[str, Any] = {
    "url": "http://a.test/", "final_url": "http://a.test/", "title": "茶", "author": None, "account": None,
    "published_at": 1, "language": "zh", "markdown": "x", "html": "<p>x</p>", "images": [],
    "markdown_path": "a.md", "html_path": "a.html",
}  # fmt: skip
_FRAMES: tuple[list[Any], ...] = (
    ["hello", 4711],
    ["progress", 0.5, "half of it"],
    ["line", 20, "a line"],
    ["result", "succeeded", '{"a":1}', None, None, None, None, None, False, True],
    ["result", "failed", None, "ValueError: no", "Traceback", 2.5, None, "its memory", True, True],
    ["result", "succeeded", "null", None, None, None, _ARTICLE, None],
)
_MESSAGES = (b"1.1", b"42.7", b"9223372036854775807.1", b"100000.12")
_MESSAGE_WORDS = (b".", b"-", b"+", b" ", b"_", b"e", b"0x", b"\n", "١".encode(), "１".encode(), b"9" * 30)
_PAGE = b"<html><title>t</title><p>" + b"text " * 40 + b"</p></html>"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
_ANSWERS = (
    _HEAD + b"Content-Length: %d\r\n\r\n" % len(_PAGE) + _PAGE,
    _HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(_PAGE, mtime=0),
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /other?x=1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nplain text",
    b'HTTP/1.1 200 OK\r\nETag: W/"x"\r\nLast-Modified: now\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n',
)
_HTTP_WORDS = (
    b"\r\n", b"\r\n\r\n", b"\n\n", b": ", b"HTTP/1.1 ", b"HTTP/9.9 999", b"100 Continue", b"101 Switching",
    b"204 x", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: br\r\n", b"Content-Encoding: gzip\r\n", b"Location: http://127.0.0.1/\r\n",
    b"Location: \xff\r\n", b"Retry-After: 1e9\r\n", b"Location: file:///etc/passwd\r\n", b'X: y\r\n' * 120,
    b"ffffffff\r\n", b"0\r\n\r\n", b"charset=x-unknown", b"304 x",
    b"Retry-After: Mon, 31 Feb 99999 25:61:61 +9999\r\n", b"\x1f\x8b\x08\x00",
    b"Content-Type: \xe4\xb8\xad\r\n",
)  # fmt: skip
_BODIES: tuple[dict[str, Any], ...] = (
    {"url": "https://example.com/a", "priority": "high", "metadata": {"author": "作者"}, "unique": True},
    {"url": "https://example.com/b", "score": 7, "run_at": "in 90m", "timeout": 1.5, "memory_limit": 64},
    {"tasks": ["https://example.com/1", {"url": "https://example.com/2", "score": 3}], "name": "每日"},
    {"state": ["queued", "dead"], "queue": ["low"], "since": "1h", "limit": 3, "confirm": 5},
    {"all": True, "dry_run": True, "to_priority": "urgent"}, {"url": "example", "older_than": "1d", "confirm": 0},
    {"max_size": 9, "rate_limit": "5/s", "concurrency": 2, "host_gap": 0.5, "paused": True},
    {"name": "daily", "source": "file://urls.txt", "cron": "0 10 * * *", "zone": "Asia/Shanghai"},
    {"id": ["1-3", "task_4"], "days": 1.5, "host": "example.com"},
    {"workers": 3, "limits": {"low": {"rate_limit": "1/s"}}},
    {"start": "2027-01-31 10:00", "end": "2027-01-31 12:00", "max_per_hour": 5, "queue": "low"},
)  # fmt: skip
_QUERY_WORDS = (b"%00", b"%ff", b"&", b"=", b"limit=", b"sort=", b"after=", b"%ED%A0%80", b"since=", b"by=")
_WHOLE = (
    "/tasks", "/batches", "/queues", "/dead-letters", "/events", "/ticks", "/statistics", "/audit",
    "/simulate",
)  # fmt: skip
_PATHS = (
    "1", "task_1", "batch_1", "low", "high_priority", "0", "-1", "9" * 20, "x", "\x00", "例え", "%", "\ud800",
)  # fmt: skip
_ONE_IN = 20


class _Answers(httpcore2.NetworkBackend):
    """Connects nowhere: every connection gives the same bytes, in pieces, and takes whatever is sent."""

    data = b""

    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(self.data)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._rest.read(min(max_bytes, 700))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send nothing."""

    def close(self) -> None:
        """Close nothing."""

    def start_tls(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return ("93.184.216.34", 80) if info == "server_addr" else None


class _Pieces:
    """The end of a socket pair on which bytes come in pieces, and then the end."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        return self._rest.read(min(size, 100))


def exchanges(settings: Settings) -> tuple[Parser, ...]:
    """Return these parsers; the interface works on the database of the settings."""
    messages = from_samples(_MESSAGES, _MESSAGE_WORDS)
    return (
        Parser("API JSON", 130, _request, _reader_of_requests(settings)),
        Parser("HTTP response", 80, from_samples(_ANSWERS, _HTTP_WORDS), _reader_of_answers()),
        Parser("Redis message", 60, messages, _read_message),
        Parser("worker result frame", 100, _frames, _read_frames, (GarbageError,)),
    )


def _read_message(data: bytes) -> None:
    pair = _decoded(data)
    if pair is not None:
        assert all(0 <= number <= _LARGEST_NUMBER for number in pair)
        assert data.count(b".") == 1


def _frames(chance: random.Random) -> bytes:
    """Return a few frames one behind the other, of which some lie about their length."""
    made = b""
    for _ in range(chance.randint(1, 3)):
        frame: Any = chance.choice(_FRAMES)
        body = changed_json(chance, frame) if chance.random() < 0.8 else json.dumps(frame).encode()
        if chance.random() < 0.15:
            body = mutated(chance, [body], ())
        length = (
            len(body)
            if chance.random() < 0.95
            else chance.choice((0, 1, len(body) + 1, LONGEST_FRAME + 1, 2**32 - 1))
        )
        made += length.to_bytes(4, "big") + body
    return made


def _read_frames(data: bytes) -> None:
    """Take frames as the daemon does in a conversation with a child."""
    channel: Channel[Any] = Channel(_Pieces(data), FROM_CHILD)  # type: ignore[arg-type]
    while (frame := channel.receive()) is not None:
        if isinstance(frame, Result):
            # What a database refuses of it the pump finds out, and buries the task.
            outcome = _checked(frame.outcome())
            assert outcome.result is None or len(outcome.result) <= LARGEST_RESULT
        elif isinstance(frame, Progress):
            assert math.isfinite(frame.fraction)
        elif isinstance(frame, Line):
            assert isinstance(frame.text, str)


def _reader_of_answers() -> Callable[[bytes], None]:
    answers = _Answers()
    made = Fetcher(max_bytes=200_000, resolve=lambda host, port: ["93.184.216.34"])
    made._pool._network_backend._plain = answers  # type: ignore[attr-defined]

    def read(data: bytes) -> None:
        answers.data = data
        try:
            page = made.get("http://example.com/a", types=None)
            assert len(page.body) <= 200_000
        finally:
            made.close()

    return read


def _request(chance: random.Random) -> bytes:
    """Return a request in three lines: its route and a value for its path by numbers, its query, and its body."""
    place = chance.randrange(len(api.ROUTES))
    route = api.ROUTES[place]
    body = query = b""
    if route.body is not None or chance.random() < 0.05:
        document = _fitting(chance, route.body)
        body = changed_json(chance, document) if chance.random() < 0.85 else json.dumps(document).encode()
        if chance.random() < 0.1:
            body = mutated(chance, [body], (b"{", b"}", b"[", b'"', b":", b",", b"null"))
    if route.query is not None or chance.random() < 0.05:
        query = urlencode(_fitting(chance, route.query), doseq=True).encode()
        if chance.random() < 0.6:
            query = mutated(chance, [query or b"a=b"], _QUERY_WORDS).replace(b"\n", b"")
    return b"%d %d\n%s\n%s" % (place, chance.randrange(len(_PATHS)), query, body)


def _fitting(chance: random.Random, kind: type[msgspec.Struct] | None) -> dict[str, Any]:
    """Return some of the fields that a request may have, with values that they may have."""
    known = {name: value for document in _BODIES for name, value in document.items()}
    names = [each.encode_name for each in msgspec.structs.fields(kind)] if kind is not None else list(known)
    few = chance.random()
    return {name: known.get(name, chance.choice(("1", 1, True))) for name in names if chance.random() > few}


def _reader_of_requests(settings: Settings) -> Callable[[bytes], None]:
    database = Database(settings.database_url)
    desk = Desk(settings, database, Metrics(settings, database, idle_measures()))

    def read(data: bytes) -> None:
        head, query, body = (*data.split(b"\n", 2), b"", b"")[:3]
        numbers = [
            int(each) if each.isdigit() and len(each) < 4 else 0 for each in (*head.split(), b"0", b"0")[:2]
        ]
        route, value = api.ROUTES[numbers[0] % len(api.ROUTES)], _PATHS[numbers[1] % len(_PATHS)]
        request = _asked(route, query)
        wanted = read_query(request, route.query)
        found = read_body(request, body, route.body) if route.method != "GET" else None
        for each in (wanted, found):
            if isinstance(each, Filter):
                each.selectors().selection(settings.timezone)
        if len(body) % _ONE_IN == 0 and not route.streams and _is_harmless(route):
            check_text(value)
            path = dict.fromkeys(("task_id", "batch_id", "name", "letter_id", "number"), value)
            call = Call(desk, request, Identity("fuzz", Role.ADMIN), path, wanted, found, body)
            with acting_as("fuzz", "127.0.0.1"):
                json_response({"version": 1, **route.answer(call)}, route.status)

    return read


def _is_harmless(route: Route) -> bool:
    """Whether an answer reads and writes in the database alone, and fetches nothing."""
    return any(route.path.startswith(f"/api/v1{start}") for start in _WHOLE)


def _asked(route: Route, query: bytes) -> Request:
    headers: Iterable[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
    return Request(
        {
            "type": "http",
            "method": route.method,
            "path": route.path,
            "query_string": query,
            "headers": list(headers),
            "server": ("localhost", 5555),
            "state": {"address": "127.0.0.1"},
        }
    )
