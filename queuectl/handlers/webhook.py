"""Post something to an address that the configuration names, signed, and guarded as every fetch is.

The signature is that of the Standard Webhooks specification: HMAC-SHA-256 over ``id.timestamp.body``, in base64
behind ``v1,``. The id is the same for each attempt to deliver the same thing, so that a receiver can tell a
repetition.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import urlsplit

import httpcore2

from queuectl import __version__
from queuectl.clock import now_ms
from queuectl.domain.urls import accept
from queuectl.errors import InvalidURLError, PermanentError, RetryableError
from queuectl.handlers.article.address_guard import AddressGuard, Resolver, resolve_with_system
from queuectl.handlers.article.network import Exchange, GuardedBackend
from queuectl.handlers.retry_after import wait_asked_for

_PREFIX = "whsec_"
_SHOWN = 200
_RETRYABLE_4XX = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class Webhook:
    """Posts to addresses; ``secret`` signs, ``timeout`` in seconds covers one whole exchange."""

    def __init__(
        self,
        secret: str,
        *,
        allow_networks: Iterable[str] = (),
        timeout: float = 30.0,
        resolve: Resolver = resolve_with_system,
    ) -> None:
        self._key = key_of(secret)
        self._timeout = timeout
        self._exchange = Exchange()
        self._backend = GuardedBackend(AddressGuard(allow_networks, resolve=resolve), self._exchange)

    def post(self, url: str, body: bytes, *, key: str, headers: Mapping[str, str]) -> None:
        """Post ``body`` once; it has arrived when this returns. A redirect is a refusal.

        Raises:
            PermanentError: the address cannot be used, or the receiver says no.
            RetryableError: a later attempt may succeed, after the wait that the receiver asks for, if it does.
        """
        try:
            parts = urlsplit(accept(url).url)
        except InvalidURLError as error:
            raise PermanentError(error.message, hint=error.hint) from error
        self._exchange.begin_fetch(self._timeout)
        self._exchange.begin_request()
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        address = httpcore2.URL(
            scheme=parts.scheme.encode(),
            host=(parts.hostname or "").encode(),
            port=parts.port,
            target=target.encode(),
        )
        sent = {"Host": parts.netloc, "Content-Length": str(len(body)), **self._signed(body, key), **headers}
        wire = [(name.encode(), value.encode()) for name, value in sent.items()]
        try:
            with (
                httpcore2.ConnectionPool(network_backend=self._backend) as pool,
                pool.stream("POST", address, headers=wire, content=body) as response,
            ):
                # The status says it all: what a receiver writes besides, and whether that ever ends, is its own affair.
                _judge(parts.netloc, response.status, response.headers)
        except httpcore2.TimeoutException as error:
            raise RetryableError(f"{parts.netloc} did not answer in time") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            reason = str(error)[:_SHOWN] or type(error).__name__
            raise RetryableError(f"the connection to {parts.netloc} failed: {reason}") from error

    def _signed(self, body: bytes, key: str) -> dict[str, str]:
        timestamp = str(now_ms() // 1_000)
        return {
            "User-Agent": f"queuectl/{__version__}",
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key, key, timestamp, body),
        }


def key_of(secret: str) -> bytes:
    """Return the bytes that a secret stands for: those behind ``whsec_`` are base64, any other text is itself."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def signature(key: bytes, message: str, timestamp: str, body: bytes) -> str:
    """Return what the header ``webhook-signature`` says of a message, its time and its body."""
    signed = hmac.new(key, b".".join((message.encode(), timestamp.encode(), body)), sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _judge(host: str, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
    if 200 <= status < 300:
        return
    message = f"{host} answered {status}"
    if status in _RETRYABLE_4XX or status >= 500:
        asked = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
        raise RetryableError(message, retry_after=wait_asked_for(asked.decode("latin-1")))
    raise PermanentError(message)
