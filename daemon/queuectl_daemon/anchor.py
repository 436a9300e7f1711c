"""The end of the audit, written to the daemon's log, which whoever changes the database does not reach."""

from __future__ import annotations

import logging

from queuectl.operations.audit import present_anchor
from queuectl.store.database import Database

logger = logging.getLogger("queuectl.daemon")

ANCHOR_SECONDS = 3_600


class AuditAnchor:
    """Tells of the end of the record whenever it has moved on; ``queuectl audit verify --anchor`` compares with it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: str | None = None

    def tell(self) -> None:
        """Write number and hash of the last line to the log, unless they are there already."""
        anchor = present_anchor(self._database)
        if anchor is not None and anchor != self._told:
            logger.info("audit anchor %s", anchor, extra={"action": "audit_anchor"})
            self._told = anchor
