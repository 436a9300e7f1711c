"""Look at the web page: that the daemon answers at its port, or that nobody else does before one starts."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from queuectl.operations.administration import Check
from queuectl.operations.local_daemon import local_daemon, log_file
from queuectl.settings import Settings

_TIME_OUT_SECONDS = 3.0
_TAKEN = "choose another web_port, or end what uses it"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to knock if it listens everywhere


def web(settings: Settings) -> Iterator[Check]:
    """Ask the page whether it is alive; without a daemon, knock at its port."""
    where = f"{settings.web_host}:{settings.web_port}"
    if not settings.web_port:
        yield Check("web page", ok=True, detail="off, because web_port is 0")
    elif (daemon := local_daemon(settings.home)) is not None:
        yield _asked(settings, where, daemon.pid)
    else:
        yield _tried(settings, where)


def _asked(settings: Settings, where: str, daemon: int) -> Check:
    host = _EVERYWHERE.get(settings.web_host, settings.web_host)
    connection: http.client.HTTPConnection
    if settings.web_tls_cert is None:
        connection = http.client.HTTPConnection(host, settings.web_port, timeout=_TIME_OUT_SECONDS)
    else:
        # Whether it is alive is asked, and nothing is told; the certificate is for the names that browsers use.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            host, settings.web_port, timeout=_TIME_OUT_SECONDS, context=context
        )
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        hint = f"look for the page in {log_file(settings.home)}; it is off with --no-web"
        detail = f"the daemon runs, and no page answers at {where}"
        return Check("web page", ok=True, warning=True, detail=detail, hint=hint)
    finally:
        connection.close()
    if status not in (
        http.client.OK,
        http.client.FORBIDDEN,
    ):  # this machine may be none of those that web_allow names
        detail = f"something else answers at {where}, with status {status}"
        return Check("web page", ok=False, detail=detail, hint=_TAKEN)
    if not _may_listen(daemon, settings.web_port):
        detail = f"the page of another home answers at {where}, and this home's daemon has none there"
        return Check("web page", ok=False, detail=detail, hint=_TAKEN)
    return Check("web page", ok=True, detail=f"answers at {where}")


def _may_listen(pid: int, port: int) -> bool:
    """Tell whether a process listens at a port; one that belongs to somebody else, which cannot be told, may."""
    import psutil

    try:
        open_ones = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return True
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in open_ones)


def _tried(settings: Settings, where: str) -> Check:
    host = _EVERYWHERE.get(settings.web_host, settings.web_host)
    try:
        socket.create_connection((host, settings.web_port), timeout=_TIME_OUT_SECONDS).close()
    except OSError:
        return Check("web page", ok=True, detail=f"{where} is free for it")
    detail = f"something else listens at {where}, where the daemon would serve it"
    return Check("web page", ok=False, detail=detail, hint=_TAKEN)
