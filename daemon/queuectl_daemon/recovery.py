"""Give back the tasks of daemons that are gone, and watch over this daemon's own sign of life.

Every node holds a lock that ends with it: on PostgreSQL an advisory lock on a connection of its
own, on SQLite the lock file of the home. Whoever can take a node's lock may release its tasks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from queuectl.clock import monotonic
from queuectl.domain.retry import RetryRule
from queuectl.domain.task import Claimed
from queuectl.errors import QueuectlError
from queuectl.store import history, nodes, schedules, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.nodes import LifeLock, NodeRecord
from queuectl_daemon import endings
from queuectl_daemon.rest import Rest

logger = logging.getLogger("queuectl.daemon")

LEASE_MS = 30_000
"""A node that has not been heard of for this long counts as gone, even if its lock seems to be held."""

_SILENT_MS = 5_000
"""A node whose lock is free may have lost its connection only; a living one is heard of every second."""

_SETTLE_SECONDS = 10.0
"""After an outage of the database every node's lock is free and its last word old; each gets time to come back."""

_SWEEP_SECONDS = 5.0
_GROUP = 500


class Recovery(threading.Thread):
    """Hold this node's life lock and release what dead nodes left behind, at boot and every few seconds.

    ``predecessor`` is the node that used this home before and did not say goodbye: it is dead for certain.
    """

    def __init__(
        self,
        database: Database,
        node: str,
        rule_for: Callable[[Claimed], RetryRule],
        *,
        predecessor: str | None,
        on_released: Callable[[], None],
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._database = database
        self._node = node
        self._rule_for = rule_for
        self._predecessor = predecessor
        self._on_released = on_released
        self._lock = LifeLock(database) if database.engine == "postgresql" else None
        self._ended = threading.Event()
        self._booted = threading.Event()
        self._session: int | None = None
        self._settled_at = monotonic() + _SETTLE_SECONDS
        self._pause = _SWEEP_SECONDS
        self._looks_for_holders = Rest()
        self.failure: BaseException | None = None

    def boot(self) -> None:
        """Start, and wait until the tasks of dead nodes are released.

        Raises:
            QueuectlError: the database does not answer.
        """
        self.start()
        self._booted.wait()
        if self.failure is not None:
            raise self.failure

    def run(self) -> None:
        """Sweep until stopped."""
        try:
            self._hold()
            self._sweep()
        except BaseException as error:  # noqa: BLE001  whoever waits for the boot raises it
            self.failure = error
            return
        finally:
            self._booted.set()
        while not self._ended.wait(self._pause):
            self._sweep_quietly()
        if self._lock is not None:
            self._lock.close()
        self._database.close()

    def stop(self) -> None:
        """End the thread, and with it the node's lock."""
        self._ended.set()
        if self.is_alive():
            self.join(10)

    def _sweep_quietly(self) -> None:
        self._pause = _SWEEP_SECONDS
        try:
            self._hold()
            self._sweep()
        except QueuectlError:
            # The pump reports the loss; one report is enough.
            self._settle()
        except Exception:
            logger.exception("the watch over dead nodes has failed", extra={"action": "watch_failed"})

    def _hold(self) -> None:
        """Take the node's lock, or take it again on a new connection.

        It may be held for a moment by another node that tests it, or for longer by this node's own
        session that the server believes to live; the next sweep tries again, and fences protect.
        """
        if self._lock is None:
            return
        self._lock.take(self._node)
        session = self._lock.session()
        if session != self._session and self._session is not None:
            self._settle()
        self._session = session

    def _settle(self) -> None:
        """After a lost connection judge nobody for a while: the others may have lost theirs too."""
        self._settled_at = monotonic() + _SETTLE_SECONDS

    def _sweep(self) -> None:
        for node in self._dead():
            released = recover(self._database, node, self._rule_for)
            if released:
                logger.warning(
                    "gave back %d tasks of node %s, which is gone",
                    released,
                    node,
                    extra={"action": "recovered", "node": node},
                )
                self._on_released()

    def _dead(self) -> list[str]:
        with self._database.reading() as transaction:
            known = {record.id: record for record in nodes.every(transaction)}
            others = {*known, *self._holders(transaction)} - {self._node}
            now = transaction.now()
        self._pause = _until_next_sweep([known[name].lease_until for name in known.keys() & others], now)
        if self._lock is None:
            return sorted(others)  # the lock beside the file is ours, so no other daemon lives
        return sorted(name for name in others if self._is_dead(name, known.get(name), now))

    def _holders(self, transaction: Transaction) -> list[str]:
        """Return the nodes that hold tasks, unless to find that out took so long lately that it must not be again."""
        if not self._looks_for_holders.is_over:
            return []
        with self._looks_for_holders.after():
            return nodes.holders(transaction)

    def _is_dead(self, name: str, record: NodeRecord | None, now: int) -> bool:
        if name == self._predecessor:
            return True
        if self._lock is None or monotonic() < self._settled_at:
            return False
        if record is not None and record.lease_until < now:
            return True
        silent = record is None or record.heartbeat_at < now - _SILENT_MS
        return silent and not self._lock.is_held(name)


def _until_next_sweep(leases: Iterable[int], now: int) -> float:
    """Return for how many seconds to wait: no longer than until a lease ends, which those of living nodes never do."""
    left = min((lease - now for lease in leases if lease >= now), default=LEASE_MS)
    return min(_SWEEP_SECONDS, (left + 1) / 1000)


def recover(database: Database, node: str, rule_for: Callable[[Claimed], RetryRule]) -> int:
    """Release everything that a dead node holds and forget the node; return how many tasks that were."""
    released = 0
    while True:
        with database.writing() as transaction:
            held = tasks.in_hand(transaction, node, limit=_GROUP)
            if held:
                ended = [endings.left_behind(each, rule_for(each.work)) for each in held]
                history.record(transaction, tasks.end(transaction, ended), node)
                released += len(held)
            if len(held) < _GROUP:
                released += tasks.release_dispatched(transaction, node=node)
                schedules.release(transaction, node)
                nodes.remove(transaction, node)
                return released
