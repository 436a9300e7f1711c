"""Connections of the web page: how many there may be, and how long a slow client is waited for.

uvicorn's protocol reads HTTP; it waits for ever for a request whose end does not come, and so this adds deadlines.
None of them is moved by single bytes that drip in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

logger = logging.getLogger("queuectl.web")

REQUEST_SECONDS = 10.0
"""So long a client may take for a whole request, its body included, and for each piece of an answer."""

IDLE_SECONDS = 5
"""So long a connection is kept for another request."""

MOST_CONNECTIONS = 256
MOST_OF_ONE_ADDRESS = 64
LARGEST_HEAD = 32 * 1024

_USER_TIMEOUT_MS = 10_000
_PAUSE_SECONDS = 1.0
_LAST_SECONDS = 3.0


class Place:
    """A connection's place among those that there may be."""

    def __init__(self, taken: Counter[str], address: str) -> None:
        self._taken = taken
        self._address = address
        self._is_free = False

    def free(self) -> None:
        """Give it back; a second call does nothing."""
        if not self._is_free:
            self._is_free = True
            self._taken[self._address] -= 1
            if not self._taken[self._address]:
                del self._taken[self._address]


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with deadlines for the client."""

    def __init__(self, config: Config, state: ServerState, place: Place) -> None:
        super().__init__(config, state, {})
        self._place = place
        self._has_answered = False
        self._asking: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the client has to ask within the time."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read what came, and wait for the rest of a request no longer than its deadline."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on with what was sent in advance; for a part of a request the time runs."""
        self._has_answered = True
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """The client does not take the answer: wait for it, but not for ever."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(REQUEST_SECONDS, self._cut)

    def resume_writing(self) -> None:
        """It takes the answer again."""
        super().resume_writing()
        _cancel(self._taking)
        self._taking = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what the connection held."""
        _cancel(self._asking)
        self._asking = None
        _cancel(self._taking)
        self._taking = None
        self._place.free()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._is_asking():
            if self._asking is None:
                self._asking = self.loop.call_later(REQUEST_SECONDS, self._cut)
        else:
            _cancel(self._asking)
            self._asking = None

    def _is_asking(self) -> bool:
        """Tell whether a part of a request is here and the rest is not."""
        if self.conn.their_state is h11.SEND_BODY:
            return True
        if self.conn.their_state is not h11.IDLE:
            return False
        return not self._has_answered or bool(self.conn.trailing_data[0])

    def _cut(self) -> None:
        self.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Front:
    """Accepts connections at sockets that are bound, within the limits, until it is stopped."""

    def __init__(
        self,
        app: Callable[..., Any],
        listeners: list[socket.socket],
        context: ssl.SSLContext | None,
        is_exempt: Callable[[str], bool],
    ) -> None:
        self._listeners = listeners
        self._context = context
        self._is_exempt = is_exempt
        self._taken: Counter[str] = Counter()
        self._state = ServerState()
        self._config = Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._config.load()
        self._accepting: list[asyncio.Task[None]] = []
        self._beginning: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to accept."""
        for listener in self._listeners:
            self._accepting.append(asyncio.create_task(self._accept(listener)))

    async def close(self) -> None:
        """Accept no more, let answers that have begun come to their end for a moment, and cut the rest."""
        for task in (*self._accepting, *self._beginning):
            task.cancel()
        for listener in self._listeners:
            listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=_LAST_SECONDS)
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:  # no more files, above all; it may pass
                logger.warning("the web page cannot take a connection: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            place = self._place(str(address[0]))
            if place is None:
                connection.close()
                continue
            task = asyncio.create_task(self._begin(connection, place))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)

    def _place(self, address: str) -> Place | None:
        if self._taken.total() >= MOST_CONNECTIONS:
            return None
        if self._taken[address] >= MOST_OF_ONE_ADDRESS and not self._is_exempt(address):
            return None
        self._taken[address] += 1
        return Place(self._taken, address)

    async def _begin(self, connection: socket.socket, place: Place) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # a client that is gone acknowledges nothing
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        secure = (
            {}
            if self._context is None
            else {"ssl_handshake_timeout": REQUEST_SECONDS, "ssl_shutdown_timeout": 3.0}
        )
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: GuardedProtocol(self._config, self._state, place),
                connection,
                ssl=self._context,
                **secure,
            )
        except (
            OSError,
            ConnectionError,
            asyncio.CancelledError,
        ) as error:  # no TLS, not in time, or gone again
            place.free()
            connection.close()
            if isinstance(error, asyncio.CancelledError):
                raise
