"""The tokens by which programs use the HTTP interface: keep, find and revoke."""

from __future__ import annotations

from queuectl.domain.web_access import Token, role_named
from queuectl.store.database import Row, Transaction

_COLUMNS = "id, name, role, created_at, expires_at, revoked_at"


def insert(transaction: Transaction, token: Token, secret_hash: str) -> bool:
    """Keep a new token; return False if a valid one has its name. One that has expired gives the name up."""
    transaction.execute(
        "UPDATE web_tokens SET revoked_at = expires_at"
        " WHERE name = %s AND revoked_at IS NULL AND expires_at <= %s",
        (token.name, token.created_at),
    )
    inserted = transaction.rows(
        "INSERT INTO web_tokens (id, name, role, secret_hash, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
        (token.id, token.name, token.role.word, secret_hash, token.created_at, token.expires_at),
    )
    return bool(inserted)


def find(transaction: Transaction, token_id: str) -> tuple[Token, str] | None:
    """Return the token with this id and the hash of its secret."""
    rows = transaction.rows(f"SELECT {_COLUMNS}, secret_hash FROM web_tokens WHERE id = %s", (token_id,))
    return (_token(rows[0][:6]), str(rows[0][6])) if rows else None


def every(transaction: Transaction) -> list[Token]:
    """Return all tokens, the newest first."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM web_tokens ORDER BY created_at DESC, id")
    return [_token(row) for row in rows]


def revoke(transaction: Transaction, name: str, now: int) -> Token | None:
    """Let the valid token with this name or id open nothing any more; return it, or None if there is none."""
    rows = transaction.rows(
        "UPDATE web_tokens SET revoked_at = %s WHERE revoked_at IS NULL AND (name = %s OR id = %s)"
        f" RETURNING {_COLUMNS}",
        (now, name, name),
    )
    return _token(rows[0]) if rows else None


def _token(row: Row) -> Token:
    number, name, role, created, expires, revoked = row
    return Token(number, name, role_named(role), created, expires, revoked)
