"""The tokens by which programs use the HTTP interface: make, list and revoke them, and tell whose one is."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from queuectl.clock import now_ms
from queuectl.domain.visible import UNSAFE, visible
from queuectl.domain.web_access import Token, role_named
from queuectl.errors import InvalidInputError, NotFoundError, RefusedError
from queuectl.operations.verbs import Verbs
from queuectl.store import web_tokens

PREFIX = "queuectl"
_LONGEST_NAME = 100
_LONGEST_DAYS = 36_500
_DAY_MS = 86_400_000


class TokenControl(Verbs):
    """Make and revoke tokens; a daemon hears of it within seconds."""

    def create_token(self, name: str, role: str, days: float | None = None) -> tuple[Token, str]:
        """Make a token and return it with its text, which is not kept and cannot be shown again.

        Without ``days`` it does not expire.

        Raises:
            InvalidInputError: a name, a role or a number of days is none.
            RefusedError: a valid token has that name.
        """
        wanted = role_named(role)
        now = now_ms()
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        expires = None if days is None else now + round(_checked_days(days) * _DAY_MS)
        token = Token(token_id, _checked_name(name), wanted, now, expires, None)
        operation = self._operation("token create", token.name)
        with operation.writing() as transaction:
            if not web_tokens.insert(transaction, token, _hash(secret)):
                raise RefusedError(
                    f"there is a token {token.name!r} already",
                    hint=f"choose another name, or revoke it: queuectl token revoke {token.name}",
                )
            operation.note(transaction, after={"id": token_id, "role": wanted.word, "expires_at": expires})
        return token, f"{PREFIX}_{token_id}_{secret}"

    def list_tokens(self) -> list[Token]:
        """Return all tokens, the newest first, also those that open nothing any more."""
        with self._database.reading() as transaction:
            return web_tokens.every(transaction)

    def revoke_token(self, name: str) -> Token:
        """Let the valid token with this name or id open nothing any more, and return it.

        Raises:
            NotFoundError: there is none.
        """
        operation = self._operation("token revoke", name)
        with operation.writing() as transaction:
            revoked = web_tokens.revoke(transaction, name, now_ms())
            if revoked is not None:
                operation.note(
                    transaction, target=revoked.name, before={"id": revoked.id, "role": revoked.role.word}
                )
        if revoked is None:
            raise NotFoundError(
                f"there is no valid token {visible(name, 60)!r}", hint="see: queuectl token list"
            )
        return revoked

    def token_with(self, text: str) -> Token | None:
        """Return the valid token that a text is, None if it is none."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not token_id.isalnum() or len(token_id) > 32 or not secret:
            return None
        with self._database.reading() as transaction:
            found = web_tokens.find(transaction, token_id)
        kept = _hash("") if found is None else found[1]
        is_right = hmac.compare_digest(_hash(secret), kept)
        return found[0] if found is not None and is_right and found[0].is_valid(now_ms()) else None


def _hash(secret: str) -> str:
    # The secret is random, so a plain hash cannot be reversed by guessing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _checked_name(name: str) -> str:
    if not 1 <= len(name) <= _LONGEST_NAME or name != name.strip() or UNSAFE.search(name):
        raise InvalidInputError(
            f"{visible(name, 60)!r} cannot name a token",
            hint=f"use 1 to {_LONGEST_NAME} visible characters, such as publisher",
        )
    return name


def _checked_days(days: float) -> float:
    if not 0 < days <= _LONGEST_DAYS:
        raise InvalidInputError(
            f"{days!r} is not a number of days up to {_LONGEST_DAYS}", hint="give days, such as 90"
        )
    return days
