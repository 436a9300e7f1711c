"""The web page as a part of the daemon: bound before the daemon is ready, served by a thread with a loop of its own.

Its libraries are loaded in that thread, so a daemon without a web page never pays for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import socket
import ssl
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING

from queuectl.errors import ConfigurationError, QueuectlError, StorageError
from queuectl.operations.web_password import (
    DEFAULT_USER,
    is_hash,
    keep_password,
    kept_login,
    random_password,
)
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.metrics import Metrics

if TYPE_CHECKING:
    from queuectl_daemon.web.connections import Front
    from queuectl_daemon.web.desk import Desk

logger = logging.getLogger("queuectl.web")

_BACKLOG = 128
_STOP_SECONDS = 8.0


class WebPage:
    """The page of one daemon; where it cannot be had, ``listeners`` is empty and the daemon does without."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._desk: Desk | None = None
        self.listeners: list[socket.socket] = []

    @property
    def address(self) -> str | None:
        """Where it is served, as a browser is told it; None if it is not."""
        if not self.listeners:
            return None
        host, port = self.listeners[0].getsockname()[:2]
        scheme = "http" if self._context is None else "https"
        shown = "localhost" if host in ("127.0.0.1", "::1") else f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}/"

    def bind(self) -> None:
        """Take the port, so that whoever sees that the daemon is ready can connect.

        Raises:
            ConfigurationError: to serve like this would not be safe, or the port is needed and taken.
        """
        if not self._settings.web_port:
            return
        refuse_what_is_unsafe(self._settings)
        self._context = tls_context(self._settings)
        try:
            self.listeners = bound(self._settings.web_host, self._settings.web_port)
        except OSError as error:
            reason = error.strerror or str(error)
            where = f"{self._settings.web_host}:{self._settings.web_port}"
            if self._settings.web_required:
                raise ConfigurationError(
                    [f"the web page cannot be served at {where}: {reason}"],
                    hint="choose another web_port, or end what uses it",
                ) from error
            logger.warning(
                "the web page is off: %s is not to be had (%s); choose another web_port, or 0 for none",
                where,
                reason,
                extra={"action": "web_off"},
            )

    def load(self) -> None:
        """Import what serves the page, before there is work that this would hold up for a tenth of a second."""
        if self.listeners:
            for name in ("app", "connections", "desk", "identity"):
                importlib.import_module(f"queuectl_daemon.web.{name}")

    def start(self, database: Database, metrics: Metrics) -> None:
        """Begin to serve what is in a database, if there is something to serve at."""
        if not self.listeners:
            return
        self._make_password()
        self._thread = threading.Thread(target=self._run, args=(database, metrics), name="web", daemon=True)
        self._thread.start()
        logger.info("the web page is at %s", self.address, extra={"action": "web"})

    def adopt(self, settings: Settings) -> None:
        """Answer by these settings from now on; where and to whom the page is served stays as it was at the start."""
        if self._desk is not None:
            self._desk.adopt(settings)

    def stop(self) -> None:
        """End every connection and the thread, within seconds."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
        for listener in self.listeners:
            listener.close()

    def _make_password(self) -> None:
        """At the first start there is no password: make one, and say it this once."""
        try:
            if kept_login(self._settings) is not None:
                return
            password = random_password()
            keep_password(self._settings, DEFAULT_USER, password)
        except StorageError as error:
            logger.warning("nobody can log in to the web page: %s", error.message)
            return
        logger.warning(
            "the web page asks for user %s and password %s; this is said once, `queuectl web password` makes another",
            DEFAULT_USER,
            password,
            extra={"action": "web_password"},
        )

    def _run(self, database: Database, metrics: Metrics) -> None:
        try:
            asyncio.run(self._serve(database, metrics))
        except Exception:  # the page must not take the daemon with it
            logger.exception(
                "the web page has failed; tasks go on without it", extra={"action": "web_failed"}
            )

    async def _serve(self, database: Database, metrics: Metrics) -> None:
        from queuectl_daemon.web.app import application
        from queuectl_daemon.web.connections import Front
        from queuectl_daemon.web.desk import Desk
        from queuectl_daemon.web.identity import Logins

        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what strangers send is no news
        self._desk = desk = Desk(self._settings, database, metrics)
        logins = Logins(self._settings, desk.tokens, desk.workers)
        app, gate, _ = application(desk, logins, own_names(self._settings))
        front: Front = Front(app, self.listeners, self._context, gate.is_proxy)
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        gc.freeze()  # as the daemon did with all that came before: it stays, and nobody need look through it
        front.open()
        try:
            await self._stop.wait()
        finally:
            desk.live.close()
            await front.close()
            logins.close()
            await asyncio.get_running_loop().run_in_executor(None, desk.close)


def bound(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at every address of a host.

    Raises:
        OSError: one of them is not to be had.
    """
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = socket.socket(family, kind, protocol)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what TLS needs, None where there is no certificate.

    Raises:
        ConfigurationError: certificate or key cannot be used.
    """
    if settings.web_tls_cert is None or settings.web_tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.web_tls_cert, settings.web_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            [f"web_tls_cert and web_tls_key cannot be used: {error.strerror or error}"],
            hint="both are PEM files that the daemon can read, and belong together",
        ) from error
    return context


def refuse_what_is_unsafe(settings: Settings) -> None:
    """Refuse to be reached by others without a password or without TLS.

    Raises:
        ConfigurationError: the page would be.
    """
    if is_loopback(settings.web_host):
        return
    problems = []
    try:
        login = kept_login(settings)
    except QueuectlError as error:
        problems.append(error.message)
        login = None
    if login is None and not problems:
        problems.append(f"web_host is {settings.web_host}, and there is no password for the web page")
    if login is not None and not is_hash(login.secret) and len(login.secret) < _LEAST_PASSWORD:
        problems.append(
            f"web_host is {settings.web_host}, and the password in web_auth is shorter than {_LEAST_PASSWORD}"
            " characters"
        )
    if settings.web_tls_cert is None and not settings.web_without_tls:
        problems.append(
            f"web_host is {settings.web_host}, and neither web_tls_cert nor web_without_tls is set"
        )
    if problems:
        raise ConfigurationError(
            problems,
            hint="set web_auth or run `queuectl web password`, and set web_tls_cert and web_tls_key, or"
            " web_without_tls = true behind something that speaks TLS; or leave web_host at 127.0.0.1",
        )


_LEAST_PASSWORD = 8


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def own_names(settings: Settings) -> set[str]:
    """Return the names of this machine, by which the page may be asked for."""
    name = socket.gethostname()
    return {name, name.partition(".")[0], settings.web_host}
