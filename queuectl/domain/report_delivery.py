"""A report that is delivered by itself: one line of the plan, as the settings hold it.

Every command reads the settings, so this imports nothing that takes time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from queuectl.domain.delivery import shown_address

DeliveryKind = Literal["daily", "weekly", "monthly"]

_DAYS = {"daily": "* * *", "weekly": "* * 1", "monthly": "1 * *"}


@dataclass(frozen=True, slots=True)
class ReportDelivery:
    """One line of the plan: what is reported, when (a cron expression), and where it goes.

    Exactly one of ``folder`` (an absolute path) and ``webhook`` (an address) is set.
    """

    kind: DeliveryKind
    cron: str
    format: str = "html"
    lang: str = "en"
    folder: str | None = None
    webhook: str | None = None

    @property
    def target(self) -> str:
        """Where it goes."""
        return str(self.folder or self.webhook)

    @property
    def shown_target(self) -> str:
        """Where it goes: of an address only the host, since what follows is often a secret."""
        return self.target if self.webhook is None else shown_address(self.webhook)

    @property
    def key(self) -> str:
        """What tells it from the other lines of the plan; a line that is changed is another one."""
        from hashlib import sha256

        parts = (self.kind, self.cron, self.format, self.lang, self.folder or "", self.webhook or "")
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


def cron_for(kind: DeliveryKind, hour: int, minute: int) -> str:
    """Return the expression for a time of day: each day, each Monday, or the first of each month."""
    return f"{minute} {hour} {_DAYS[kind]}"
