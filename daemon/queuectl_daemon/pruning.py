"""Forget the starts that no limit looks back at any more."""

from __future__ import annotations

from queuectl.store import hosts, queues, starts
from queuectl.store.database import Database

_AT_ONCE = 2_000
_HOSTS_KEPT_MS = 86_400_000  # the longest gap between starts on one host that can be set


def prune_starts(database: Database) -> None:
    """Remove old starts of queues and hosts, in bounded numbers."""
    with database.reading() as transaction:
        rules = queues.rules(transaction)
    with database.writing() as transaction:
        now = transaction.now()
        starts.prune(transaction, list(rules.values()), now, _AT_ONCE)
        hosts.prune(transaction, now - _HOSTS_KEPT_MS, _AT_ONCE)
