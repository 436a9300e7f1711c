"""Who is asking: a person by name and password, or a program by its token."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from queuectl.clock import monotonic
from queuectl.domain.web_access import Role
from queuectl.operations.web_password import Login, hashed, is_hash, kept_login, matches, password_file
from queuectl.operations.web_tokens import TokenControl
from queuectl.settings import Settings
from queuectl_daemon.web.throttle import Throttle
from queuectl_daemon.web.work import Workers

PASSWORD_SECONDS = 300.0
"""So long a password that was right need not be compared again; browsers send it with every request."""

TOKEN_SECONDS = 5.0
"""So long a token that was valid need not be looked up again: how long a revoked one may still open something."""

_LOOK_SECONDS = 1.0
_MOST_REMEMBERED = 1_000
_MOST_WAITING = 16
_LONGEST_HEADER = 4_096
HASHINGS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, by the name that the audit gets, and what they may do."""

    name: str
    role: Role


class RefusedLogin(Exception):  # noqa: N818  it says what happened
    """Nobody, or not yet: ``wait`` is how many seconds to stay away, None if another password is asked for."""

    def __init__(self, wait: float | None = None) -> None:
        super().__init__()
        self.wait = wait


class Logins:
    """Tells who is asking. Everything but the comparing of hashes happens in the loop of the web page."""

    def __init__(
        self,
        settings: Settings,
        tokens: TokenControl,
        workers: Workers,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._workers = workers
        self._clock = clock
        self._throttle = Throttle(clock)
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._hashing = ThreadPoolExecutor(HASHINGS_AT_ONCE, thread_name_prefix="web-hash")
        self._waiting = 0
        self._login: Login | None = None
        self._looked_at = -_LOOK_SECONDS
        self._stamp: tuple[int, int] | None = None

    def close(self) -> None:
        """Compare no more hashes."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    async def identify(self, authorization: str | None, address: str) -> Identity:
        """Return who an ``Authorization`` header belongs to.

        Raises:
            RefusedLogin: to nobody, or there were too many wrong ones.
            QueuectlError: the database does not answer.
        """
        if authorization is None:
            raise RefusedLogin
        if len(authorization) > _LONGEST_HEADER:
            raise RefusedLogin(self._fail([f"address {address}"]))
        scheme, _, content = authorization.partition(" ")
        self._follow_file()
        digest = hmac.digest(self._key, authorization.encode("latin-1", "replace"), "sha256")
        known = self._remembered.get(digest)
        if known is not None and self._clock() < known[0]:
            return known[1]
        match scheme.lower():
            case "basic":
                identity, seconds = await self._person(content, address), PASSWORD_SECONDS
            case "bearer":
                identity, seconds = await self._program(content.strip()), TOKEN_SECONDS
            case _:
                raise RefusedLogin
        self._remembered[digest] = (self._clock() + seconds, identity)
        self._remembered.move_to_end(digest)
        while len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return identity

    async def _person(self, content: str, address: str) -> Identity:
        user, password = _user_and_password(content)
        keys = [f"address {address}", f"user {user.decode('utf-8', 'replace')[:100]}"]
        self._check_pace(keys)
        login = await self._compared(user, password)
        if login is None:
            raise RefusedLogin(self._fail(keys))
        self._throttle.succeeded(keys)
        return Identity(login.user, Role.ADMIN)

    async def _compared(self, user: bytes, password: bytes) -> Login | None:
        """Compare a password, with no more work at a time than two hashes and a few that wait."""
        if self._waiting >= _MOST_WAITING:
            raise RefusedLogin(1.0)
        self._waiting += 1
        try:
            compare = partial(self._compare, user, password)
            return await asyncio.get_running_loop().run_in_executor(self._hashing, compare)
        finally:
            self._waiting -= 1

    def _compare(self, user: bytes, password: bytes) -> Login | None:
        login = self._hashed_login()
        if login is None:
            return None
        is_right = matches(password, login.secret)  # for an unknown user too, so that it takes as long
        is_user = hmac.compare_digest(user, login.user.encode())
        return login if is_right and is_user else None

    def _hashed_login(self) -> Login | None:
        login = self._login or kept_login(self._settings)
        if login is not None and not is_hash(login.secret):
            login = Login(login.user, hashed(login.secret))
        self._login = login
        return login

    async def _program(self, text: str) -> Identity:
        token = await self._workers.call(self._tokens.token_with, text)
        if token is None:
            # Nobody guesses 256 random bits; and a program that goes on with a dead token, as programs do, would by
            # a wait lock out everybody behind its address.
            raise RefusedLogin
        return Identity(f"token {token.name}", token.role)

    def _check_pace(self, keys: list[str]) -> None:
        wait = self._throttle.wait(keys)
        if wait:
            raise RefusedLogin(wait)

    def _fail(self, keys: list[str]) -> float | None:
        self._throttle.failed(keys)
        return None

    def _follow_file(self) -> None:
        """Forget what is known when another password was set in the home."""
        now = self._clock()
        if self._settings.web_auth is not None or now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        stamp = _stamp(password_file(self._settings))
        if stamp != self._stamp:
            self._stamp, self._login = stamp, None
            self._remembered.clear()


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _user_and_password(content: str) -> tuple[bytes, bytes]:
    try:
        user, _, password = base64.b64decode(content.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise RefusedLogin from None
    return user, password
