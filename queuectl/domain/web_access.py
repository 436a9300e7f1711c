"""Who may do what over HTTP: three roles, each of which may do what the one before it may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from queuectl.errors import InvalidInputError


class Role(IntEnum):
    """What somebody may do; a higher role may do all that a lower one may."""

    READ = 1  # look at everything
    OPERATE = 2  # submit and control tasks, pause queues and schedules, resurrect
    ADMIN = 3  # change limits and schedules, clear, purge, undo

    @property
    def word(self) -> str:
        """The role's name."""
        return self.name.lower()


def role_named(name: str) -> Role:
    """Return the role with this name.

    Raises:
        InvalidInputError: there is none.
    """
    for role in Role:
        if role.word == name.strip().lower():
            return role
    raise InvalidInputError(
        f"there is no role {name[:40]!r}", hint=f"the roles are {', '.join(each.word for each in Role)}"
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A program's key to the HTTP interface, without its secret; times are UTC milliseconds.

    ``id`` is the part of the token that may be shown. One that has expired or was revoked opens nothing.
    """

    id: str
    name: str
    role: Role
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    def is_valid(self, now: int) -> bool:
        """Tell whether it opens anything at a moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
