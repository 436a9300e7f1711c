"""Connections for fetching: to judged addresses only, within one deadline, with small headers.

httpcore2 opens, keeps and closes the connections of its pool through the backend below. Which
deadline applies is known per thread, because one connection serves many fetches one after another.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable
from typing import Any

import httpcore2

from queuectl.clock import monotonic
from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.address_guard import AddressGuard

HEADER_BYTES = 64 * 1024
"""The most bytes that a server may send before its headers are complete."""

_CONNECT_SECONDS = 10.0
_ADDRESSES_TRIED = 4


class Exchange(threading.local):
    """The limits of the request that this thread makes now."""

    deadline = 0.0
    timeout = 0.0
    header_bytes_left = 0
    in_headers = False
    connected = False

    def begin_fetch(self, timeout: float) -> None:
        """Start the clock for a fetch with all its redirects; ``timeout`` in seconds."""
        self.timeout = timeout
        self.deadline = monotonic() + timeout

    def begin_request(self) -> None:
        """Expect the headers of one answer."""
        self.in_headers = True
        self.header_bytes_left = HEADER_BYTES
        self.connected = False

    def remaining(self) -> float:
        """Return the seconds left.

        Raises:
            RetryableError: there are none.
        """
        left = self.deadline - monotonic()
        if left <= 0:
            raise RetryableError(f"no complete answer within {self.timeout:g} s")
        return left


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens TCP connections to the addresses that the guard lets through."""

    def __init__(self, guard: AddressGuard, exchange: Exchange) -> None:
        self._guard = guard
        self._exchange = exchange
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Resolve, judge and connect; the name stays what TLS and the Host header speak of."""
        addresses = self._guard.addresses(host, port, within=self._exchange.remaining())
        failure: Exception | None = None
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                within = min(self._exchange.remaining(), _CONNECT_SECONDS)
                stream = self._plain.connect_tcp(address, port, within, None, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            try:
                self._guard.check_peer(host, str(stream.get_extra_info("server_addr")[0]), port)
            except BaseException:
                stream.close()
                raise
            self._exchange.connected = True
            return _DeadlineStream(stream, self._exchange)
        raise failure or httpcore2.ConnectError(f"no address for {host}")


class _DeadlineStream(httpcore2.NetworkStream):
    """A connection on which every wait ends with the fetch it belongs to."""

    def __init__(self, plain: httpcore2.NetworkStream, exchange: Exchange) -> None:
        self._plain = plain
        self._exchange = exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = self._exchange
        if exchange.in_headers:
            if exchange.header_bytes_left <= 0:
                raise PermanentError(f"the answer has more than {HEADER_BYTES // 1024} KiB of headers")
            max_bytes = min(max_bytes, exchange.header_bytes_left)
        data = self._plain.read(max_bytes, exchange.remaining())
        exchange.header_bytes_left -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, self._exchange.remaining())

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        encrypted = self._plain.start_tls(ssl_context, server_hostname, self._exchange.remaining())
        return _DeadlineStream(encrypted, self._exchange)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)
