"""Change how many tasks a running daemon has at a time, and see that it does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.clock import monotonic
from queuectl.errors import DaemonNotRunningError, NodeNotFoundError
from queuectl.operations.auditing import Operation
from queuectl.operations.local_daemon import local_daemon
from queuectl.operations.opening import open_database
from queuectl.settings import Settings
from queuectl.store import nodes
from queuectl.store.database import Database
from queuectl.store.nodes import NodeRecord
from queuectl.wakeup import ring

PATIENCE_SECONDS = 5.0
"""How long to wait for the daemons to follow."""

_PAUSE_SECONDS = 0.02
_NOTED = 20
_HINT = "see: queuectl status"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A daemon that was told; ``before`` and ``workers`` are tasks at a time, ``done`` says whether it has followed."""

    node: str
    host: str
    pid: int
    before: int
    workers: int
    done: bool


def scale(
    settings: Settings, workers: int, *, node: str | None = None, everywhere: bool = False
) -> list[Scaled]:
    """Have this home's daemon, the one with this id, or all of them run so many tasks at a time from now on.

    It lasts until the daemon ends; its next start reads the settings again.

    Raises:
        DaemonNotRunningError: none of them is running.
        NodeNotFoundError: no daemon has this id, or several ids begin with it.
    """
    database = open_database(settings)
    try:
        chosen = _chosen(database, settings, node, everywhere)
        operation = Operation(database, settings, "daemon scale", " ".join(each.id for each in chosen))
        with operation.writing() as transaction:
            for each in chosen:
                nodes.want_workers(transaction, each.id, workers)
            before = {each.id: each.workers for each in chosen[:_NOTED]}
            operation.note(transaction, len(chosen), before=before, after={"workers": workers})
        ring(settings.home)
        database.notify()
        followed = _wait(database, {each.id for each in chosen}, workers)
        return [
            Scaled(each.id, each.host, each.pid, each.workers, workers, each.id in followed)
            for each in chosen
        ]
    finally:
        database.close()


def _chosen(database: Database, settings: Settings, node: str | None, everywhere: bool) -> list[NodeRecord]:
    alive = _alive(database)
    if node is not None:
        return [_named(alive, node)]
    found = alive if everywhere else _local(database, settings)
    if not found:
        where = "anywhere" if everywhere else "in this home"
        others = "" if everywhere or not alive else "; for one elsewhere: --node ID or --all"
        raise DaemonNotRunningError(
            f"no daemon is running {where}", hint=f"start it with: queuectl daemon start{others}"
        )
    return found


def _alive(database: Database) -> list[NodeRecord]:
    """Return the daemons that run tasks."""
    with database.reading() as transaction:
        now = transaction.now()
        return [
            each for each in nodes.every(transaction) if each.lease_until > now and each.role != "scheduler"
        ]


def _local(database: Database, settings: Settings) -> list[NodeRecord]:
    """Return this home's daemon; one that has just become ready is listed a moment later."""
    deadline, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while (local := local_daemon(settings.home)) is not None and monotonic() < deadline:
        found = [each for each in _alive(database) if each.id == local.node]
        if found:
            return found
        pause.wait(_PAUSE_SECONDS)
    return []


def _named(alive: Sequence[NodeRecord], node: str) -> NodeRecord:
    found = [each for each in alive if each.id.startswith(node)] if node else []
    if len(found) == 1:
        return found[0]
    if found:
        raise NodeNotFoundError(f"{len(found)} daemons have ids that begin with {node!r}", hint=_HINT)
    if not alive:
        raise DaemonNotRunningError("no daemon is running anywhere", hint="queuectl daemon start")
    raise NodeNotFoundError(
        f"no running daemon has the id {node!r}",
        hint=f"the running ones are {', '.join(each.id for each in alive)}",
    )


def _wait(database: Database, chosen: set[str], workers: int) -> set[str]:
    """Wait until the daemons say that they have followed; return which have."""
    deadline, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while True:
        with database.reading() as transaction:
            followed = {each.id for each in nodes.every(transaction) if each.workers == workers} & chosen
        if followed == chosen or monotonic() >= deadline:
            return followed
        pause.wait(_PAUSE_SECONDS)
