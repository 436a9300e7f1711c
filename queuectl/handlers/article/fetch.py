"""Fetch one page over HTTP, as its hostile owner must not be able to abuse it.

Addresses are judged for every connection and every redirect, one deadline covers everything, and
headers, body and decompressed body are bounded. Nothing is taken from the environment: no proxy,
no credentials, no cookies; httpcore2 is used beneath httpx2, because a client of httpx2 would keep
the cookies of one task for the next.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

import httpcore2

from queuectl import __version__
from queuectl.domain.urls import accept
from queuectl.errors import InvalidURLError, PermanentError, RetryableError
from queuectl.handlers.article.address_guard import AddressGuard, Resolver, resolve_with_system
from queuectl.handlers.article.body import read_body
from queuectl.handlers.article.network import Exchange, GuardedBackend
from queuectl.handlers.retry_after import wait_asked_for

ARTICLE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
REDIRECTS = 5

_HEADER_LINES = 100
_SHOWN = 200
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_RETRYABLE_4XX = (408, 425, 429)
_OVERRUN = (429, 503)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:+-]{1,40})", re.IGNORECASE)
_HEADERS = [
    (b"User-Agent", f"queuectl/{__version__}".encode()),
    (b"Accept-Encoding", b"gzip, identity"),
]
_ACCEPT_ARTICLES = b"text/html, application/xhtml+xml, text/plain;q=0.8, */*;q=0.1"
_VALIDATOR = re.compile(r"[\x20-\x7e]{1,500}")


class StatusError(PermanentError):
    """The server answered with a status that says no."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said of the version of a page, so that it can be asked whether there is another one."""

    etag: str | None = None
    last_modified: str | None = None


NOTHING_KNOWN = Validators()


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered: the decompressed body, still in the page's own charset.

    ``unchanged`` means that the version is the one that was known, so that there is no body.
    """

    url: str
    final_url: str
    media_type: str
    charset: str | None
    body: bytes
    validators: Validators = NOTHING_KNOWN
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked of every hop of a fetch; ``check`` may raise to end it."""

    types: frozenset[str] | None
    known: Validators
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of one hop; ``location`` is set for a redirect, ``body`` otherwise."""

    location: str | None = None
    media_type: str = ""
    charset: str | None = None
    body: bytes = b""
    validators: Validators = NOTHING_KNOWN
    unchanged: bool = False


class Fetcher:
    """Fetches pages and keeps connections for the next one; may be used from many threads.

    ``timeout`` is in seconds and covers a whole fetch. To be made before the process forks or
    after it, and used only after it, since connections must not be shared.
    """

    def __init__(
        self,
        *,
        allow_networks: Iterable[str] = (),
        timeout: float = 30.0,
        max_bytes: int = 10 * 1024 * 1024,
        resolve: Resolver = resolve_with_system,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._exchange = Exchange()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls or httpcore2.default_ssl_context(),
            max_connections=64,
            max_keepalive_connections=8,
            keepalive_expiry=15.0,
            network_backend=GuardedBackend(AddressGuard(allow_networks, resolve=resolve), self._exchange),
        )

    def get(
        self,
        url: str,
        *,
        types: frozenset[str] | None = ARTICLE_TYPES,
        known: Validators = NOTHING_KNOWN,
        check: Callable[[], None] = lambda: None,
    ) -> Page:
        """Return the page at ``url``, after at most five redirects.

        ``types`` are the media types that are wanted, None for all. ``known`` is the version that is known
        already. ``check`` is called often and may raise to end the fetch.

        Raises:
            PermanentError: no later attempt can succeed.
            RetryableError: a later attempt may succeed; with the wait that the server asked for. Asked
            to wait because it is overrun, its host is to be left alone by all tasks.
        """
        self._exchange.begin_fetch(self._timeout)
        current = first = _normal(url)
        wish = _Wish(types, known, check)
        for _ in range(REDIRECTS + 1):
            check()
            try:
                answer = self._ask(current, wish)
            except RetryableError as error:
                # What another host, to which this one redirects, wants is not the word of the task's own.
                error.hold_host &= urlsplit(current).hostname == urlsplit(first).hostname
                raise
            if answer.location is None:
                return Page(
                    url,
                    current,
                    answer.media_type,
                    answer.charset,
                    answer.body,
                    answer.validators,
                    answer.unchanged,
                )
            current = _redirected(current, answer.location)
        raise PermanentError(f"more than {REDIRECTS} redirects, the last one to {_short(current)}")

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()

    def _ask(self, url: str, wish: _Wish) -> _Answer:
        """Make one request; on a kept connection that proves dead, a second one on a fresh connection."""
        try:
            return self._ask_once(url, wish)
        except (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError) as error:
            if self._exchange.connected or not self._exchange.in_headers:
                _refuse_broken(url, error)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            _refuse_broken(url, error)
        try:
            return self._ask_once(url, wish)
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            _refuse_broken(url, error)

    def _ask_once(self, url: str, wish: _Wish) -> _Answer:
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        address = httpcore2.URL(
            scheme=parts.scheme.encode(),
            host=(parts.hostname or "").encode(),
            port=parts.port,
            target=target.encode(),
        )
        headers = [(b"Host", parts.netloc.encode()), *_HEADERS, *_asked(wish)]
        self._exchange.begin_request()
        # The waits on a connection have their own deadline; this one is for a place in the pool.
        limits = {"timeout": {"pool": self._exchange.remaining()}}
        with self._pool.stream("GET", address, headers=headers, extensions=limits) as response:
            self._exchange.in_headers = False
            return self._read(url, response, wish)

    def _read(self, url: str, response: httpcore2.Response, wish: _Wish) -> _Answer:
        if len(response.headers) > _HEADER_LINES:
            raise PermanentError(f"the answer has more than {_HEADER_LINES} header lines")
        headers = {name.lower(): value for name, value in response.headers}
        location = headers.get(b"location")
        if response.status in _REDIRECT_STATUSES and location is not None:
            return _Answer(location=_text(location))
        if response.status == HTTPStatus.NOT_MODIFIED and wish.known != NOTHING_KNOWN:
            return _Answer(unchanged=True, validators=wish.known)
        if not 200 <= response.status < 300:
            _refuse_status(url, response.status, _text(headers.get(b"retry-after", b"")))
        content_type = _text(headers.get(b"content-type", b""))
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type and wish.types is not None and media_type not in wish.types:
            raise PermanentError(f"not an article: {_short(url)} is of the type {media_type[:60]!r}")
        encoding = _text(headers.get(b"content-encoding", b"")).strip().lower()
        body = read_body(response.iter_stream(), encoding, self._max_bytes, check=wish.check)
        charset = _CHARSET.search(content_type)
        version = Validators(_validator(headers.get(b"etag")), _validator(headers.get(b"last-modified")))
        return _Answer(None, media_type, charset[1] if charset else None, body, version)


def _asked(wish: _Wish) -> Iterable[tuple[bytes, bytes]]:
    """Return the headers that say what is wanted."""
    yield b"Accept", b"*/*" if wish.types is None else _ACCEPT_ARTICLES
    if wish.known.etag is not None:
        yield b"If-None-Match", wish.known.etag.encode()
    if wish.known.last_modified is not None:
        yield b"If-Modified-Since", wish.known.last_modified.encode()


def _validator(header: bytes | None) -> str | None:
    """Return what a header says of a version, if it can be said back in another header."""
    text = _text(header or b"").strip()
    return text if _VALIDATOR.fullmatch(text) else None


def _normal(url: str) -> str:
    """Return a URL in the one form that is taken apart below; it was accepted once, but perhaps long ago."""
    try:
        return accept(url).url
    except InvalidURLError as error:
        raise PermanentError(error.message, hint=error.hint) from error


def _redirected(current: str, location: str) -> str:
    """Return where a redirect leads; its credentials and tricks are refused like those of any URL."""
    try:
        return accept(urljoin(current, location.strip().replace(" ", "%20"))).url
    except (InvalidURLError, ValueError) as error:
        raise PermanentError(f"{_short(current)} redirects to an unusable address: {error}") from error


def _refuse_status(url: str, status: int, retry_after: str) -> NoReturn:
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    message = f"{_short(url)} answered {phrase}"
    if status in _RETRYABLE_4XX or 500 <= status < 600:
        wait = wait_asked_for(retry_after)
        overrun = status in _OVERRUN and wait is not None
        raise RetryableError(message, retry_after=wait, hold_host=overrun)
    raise StatusError(message)


def _refuse_broken(url: str, error: Exception) -> NoReturn:
    if isinstance(error, httpcore2.TimeoutException):
        raise RetryableError(f"{_short(url)} did not answer in time") from error
    # What is wrong with an answer may quote all of it.
    reason = _short(str(error)) or type(error).__name__
    raise RetryableError(f"the connection for {_short(url)} failed: {reason}") from error


def _short(text: str) -> str:
    """Return a text from outside, such as a URL, as a message may carry it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(header: bytes) -> str:
    """Read a header value; servers send UTF-8 as well as the Latin-1 that the standard names."""
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
