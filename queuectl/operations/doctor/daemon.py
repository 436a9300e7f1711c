"""Look at the daemons: that one runs, is heard of, and is of this version."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl import __version__
from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.operations.local_daemon import is_locked, local_daemon, log_file
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.store import nodes
from queuectl.store.nodes import NodeRecord

SILENT_MS = 10_000
"""A daemon reports once a second, and waits for a database that does not answer."""


def daemon(settings: Settings) -> Iterator[Check]:
    """Look for a daemon, here or elsewhere."""
    found = local_daemon(settings.home)
    known, now = _known(settings)
    if found is None:
        yield _none_here(settings, known, now)
        return
    text = f"runs with pid {found.pid}"
    own = next((node for node in known if node.id == found.node), None)
    if own is not None and now - own.heartbeat_at > SILENT_MS:
        seconds = (now - own.heartbeat_at) // 1000
        hint = f"look at {log_file(settings.home)}, then run: queuectl daemon restart"
        yield Check("daemon", ok=False, detail=f"{text} and is silent since {seconds} s", hint=hint)
    elif own is not None and own.version != __version__:
        detail = f"{text} and is of version {own.version}; this is {__version__}"
        yield Check("daemon", ok=True, warning=True, detail=detail, hint="run: queuectl daemon restart")
    else:
        yield Check("daemon", ok=True, detail=text)


def _none_here(settings: Settings, known: list[NodeRecord], now: int) -> Check:
    if is_locked(settings.home):
        return Check("daemon", ok=True, detail="is just starting or stopping")
    elsewhere = sorted({node.host for node in known if node.lease_until > now})
    if elsewhere and not settings.database_url.startswith("sqlite:"):
        return Check("daemon", ok=True, detail=f"runs on {', '.join(elsewhere)}")
    return Check("daemon", ok=False, detail="none is running", hint="run: queuectl daemon start")


def _known(settings: Settings) -> tuple[list[NodeRecord], int]:
    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return [], 0
    try:
        with database.reading() as transaction:
            return nodes.every(transaction), transaction.now()
    finally:
        database.close()
