"""What every request passes before anything of it is looked at: where it comes from, and who is asking.

The order: the network it comes from, the name it asks for, its size, who it is, and for a change whether it was
meant. What is refused here has reached no route and no database.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from queuectl.errors import QueuectlError
from queuectl.settings import Settings
from queuectl_daemon.web.identity import Logins, RefusedLogin
from queuectl_daemon.web.problems import Problem, answer_problem, problem_of

logger = logging.getLogger("queuectl.web")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 16 * 1024 * 1024
OPEN = ("/healthz", "/readyz")
OPEN_FOLDER = "/static/"
SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_TARGET = 8_192

_HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self';"
     b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Other sites are told nothing; with less than this a browser would not say of a form that it is of this site.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)  # fmt: skip
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_LOCAL_NAMES = ("localhost",)


class Gate:
    """The application behind its gate."""

    def __init__(self, app: App, settings: Settings, logins: Logins, *, own_names: Iterable[str]) -> None:
        self._app = app
        self._logins = logins
        self._allowed = _networks(settings.web_allow)
        self._proxies = _networks(settings.web_trusted_proxies)
        self._names = {*_LOCAL_NAMES, *(name.lower() for name in own_names), *settings.web_names}

    def is_proxy(self, address: str) -> bool:
        """Tell whether an address is that of a proxy that is believed."""
        return _lies_in(address, self._proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        address, secure = self._origin(request)
        scope["state"] = {"address": address, "secure": secure}
        guarded = _Guarded(receive, send, secure=secure)
        try:
            await self._check(request, address, secure=secure)
            await self._app(scope, guarded.receive, guarded.send)
        except QueuectlError as error:
            await self._answer(request, problem_of(error), guarded, receive)
        except ClientDisconnect:
            return
        except Exception:  # whatever it was, nobody outside learns more than that it was
            logger.exception("a request of the web page has failed", extra={"action": "web_failed"})
            await self._answer(request, problem_of(None), guarded, receive)

    async def _answer(self, request: Request, problem: Problem, guarded: _Guarded, receive: Receive) -> None:
        if not guarded.has_begun:
            response: Response = answer_problem(request, problem)
            await response(request.scope, receive, guarded.send)

    async def _check(self, request: Request, address: str, *, secure: bool) -> None:
        if self._allowed and not _lies_in(address, self._allowed):
            raise Problem(403, "address_not_allowed", "this address may not use the web page")
        self._check_host(request)
        if len(request.scope.get("raw_path", b"")) + len(request.scope["query_string"]) > _LONGEST_TARGET:
            raise Problem(414, "target_too_long", "the address that was asked for is too long")
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > LARGEST_BODY:
            raise Problem(413, "body_too_large", f"a request may have at most {LARGEST_BODY} bytes")
        path = request.url.path
        if path in OPEN or path.startswith(OPEN_FOLDER):
            if request.method not in SAFE:
                raise Problem(405, "method_not_allowed", "this can only be read")
            return
        try:
            identity = await self._logins.identify(request.headers.get("authorization"), address)
        except RefusedLogin as refused:
            raise _who_are_you(refused) from None
        request.scope["state"]["identity"] = identity
        if request.method not in SAFE:
            _check_intent(request, secure=secure)

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        name = _without_port(hosts[0]) if len(hosts) == 1 else ""
        # No other site's name can be made to mean this machine where the machine is asked for by its number.
        number = name[1:-1] if name.startswith("[") and name.endswith("]") else name
        if name not in self._names and not _is_address(number):
            raise Problem(
                403,
                "host_not_known",
                "this server is not known by the name that was asked for",
                hint="add the name to web_names in the settings",
            )

    def _origin(self, request: Request) -> tuple[str, bool]:
        """Return the client's address and whether it came by TLS; a proxy is asked only if it is a known one."""
        address = request.client.host if request.client is not None else ""
        secure = request.scope.get("scheme") == "https"
        if not _lies_in(address, self._proxies):
            return address, secure
        hops = [
            hop.strip() for value in request.headers.getlist("x-forwarded-for") for hop in value.split(",")
        ]
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            address = hop
            if not _lies_in(hop, self._proxies):
                break
        return address, secure or request.headers.get("x-forwarded-proto", "").strip().lower() == "https"


class _Guarded:
    """The two ends of a request: what comes in is counted, what goes out gets the headers that all answers have."""

    def __init__(self, receive: Receive, send: Send, *, secure: bool) -> None:
        self._receive = receive
        self._send = send
        self._headers = [*_HEADERS, _STRICT_TRANSPORT] if secure else list(_HEADERS)
        self._bytes = 0
        self.has_begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > LARGEST_BODY:
            raise Problem(413, "body_too_large", f"a request may have at most {LARGEST_BODY} bytes")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            if b"cache-control" not in names:
                given.append((b"cache-control", b"no-store"))
            message = {
                **message,
                "headers": [*given, *(each for each in self._headers if each[0] not in names)],
            }
        await self._send(message)


def _check_intent(request: Request, *, secure: bool) -> None:
    """Refuse a change that another site may have sent from somebody's browser.

    A program with a token has no browser that adds it by itself. Else the browser must say that the request is of
    this site; only JSON, which no other site can send without being asked first, may come without such a word.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if origin is not None and not _is_own(origin, request.headers["host"], secure=secure):
        raise _foreign()
    if site is not None and site not in ("same-origin", "none"):
        raise _foreign()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if site is None and origin is None and kind != "application/json":
        raise _foreign()


def _is_own(origin: str, host: str, *, secure: bool) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == ("https" if secure else "http") and parts.netloc.lower() == host.lower()


def _foreign() -> Problem:
    return Problem(
        403,
        "cross_site",
        "the request seems to come from another site",
        hint="send it from this site's pages, or with a token",
    )


def _who_are_you(refused: RefusedLogin) -> Problem:
    if refused.wait is not None:
        return Problem(
            429,
            "too_many_logins",
            "there were too many wrong passwords",
            hint="wait before the next one",
            headers={"retry-after": str(max(1, round(refused.wait + 0.5)))},
        )
    return Problem(
        401,
        "login_needed",
        "a user and password, or a token, is needed",
        hint="a token is made with: queuectl token create NAME; a password with: queuectl web password",
        headers={"www-authenticate": 'Basic realm="queuectl", charset="UTF-8"'},
    )


def _without_port(host: str) -> str:
    name, colon, port = host.strip().lower().rpartition(":")
    return (
        name
        if colon and port.isdigit() and (not name.count(":") or name.endswith("]"))
        else host.strip().lower()
    )


def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _lies_in(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    if not networks or not _is_address(text.partition("%")[0]):
        return False
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)
