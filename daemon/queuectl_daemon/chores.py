"""What a daemon does now and then besides its tasks: schedules, publishing, reports, cleaning, late messages."""

from __future__ import annotations

import logging
from collections.abc import Callable

from queuectl.clock import now_ms
from queuectl.settings import Settings
from queuectl.store import tasks
from queuectl.store.database import Database
from queuectl_daemon.adding_up import AddingUp
from queuectl_daemon.anchor import ANCHOR_SECONDS, AuditAnchor
from queuectl_daemon.deliveries import Deliveries
from queuectl_daemon.feed import FeedWriter
from queuectl_daemon.pruning import prune_starts
from queuectl_daemon.published import PublishedFiles
from queuectl_daemon.reports import Reports
from queuectl_daemon.rest import Rest
from queuectl_daemon.retention import Retention
from queuectl_daemon.schedules import LOOK_SECONDS, Schedules
from queuectl_daemon.ticker import Ticker

logger = logging.getLogger("queuectl.daemon")

_LATE_MESSAGE_MS = 15_000
_LATE_LOOK_SECONDS = 5
_FEED_SECONDS = 2
_MEND_SECONDS = 10
_PRUNE_SECONDS = 30
_RETENTION_SECONDS = 60


class Chores:
    """The periodic work of one node.

    ``wake`` is called when there is something new to run, ``on_late`` with how late a schedule was fired.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        node: str,
        *,
        wake: Callable[[], None],
        on_late: Callable[[int], None],
        ticker: Ticker | None = None,
    ) -> None:
        self._database = database
        self._node = node
        self._wake = wake
        self._role = settings.role
        self._ticker = ticker or Ticker()
        self._late_looks = Rest()
        self._schedules = Schedules(
            database, settings, node, ring=self._ticker.at, on_submitted=wake, on_late=on_late
        )
        self._retention = Retention(database, settings)
        self._adding_up = AddingUp(database, settings)
        self._reports = Reports(database, settings, node)
        self._deliveries = Deliveries(database, settings)

    def publish(self, files: PublishedFiles, feed: FeedWriter, predecessor: str | None) -> None:
        """Keep the feed up to date, and mend the files of the node that ended in this home without a word."""
        self._ticker.every(_FEED_SECONDS, "feed", feed.write_if_new)
        if predecessor is not None:
            self._ticker.until_done(_MEND_SECONDS, "published files", lambda: files.mend(predecessor))

    def resend(self) -> None:
        """Look for messages that nobody has taken from Redis in time."""
        self._ticker.every(_LATE_LOOK_SECONDS, "late messages", self._redispatch_late)

    def start(self) -> None:
        """Begin with all of it; a worker leaves schedules, sums and the removal of what is old to the others."""
        self._deliveries.begin(self._ticker)
        if self._role != "worker":
            self._start_for_all_nodes()
        self._ticker.every(ANCHOR_SECONDS, "audit anchor", AuditAnchor(self._database).tell, at_once=True)
        self._ticker.start()

    def _start_for_all_nodes(self) -> None:
        self._ticker.every(LOOK_SECONDS, "schedules", self._schedules.look)
        self._ticker.every(_PRUNE_SECONDS, "old starts", lambda: prune_starts(self._database))
        self._ticker.every(_RETENTION_SECONDS, "retention", self._retention.sweep, at_once=True)
        self._adding_up.begin(self._ticker)
        self._reports.begin(self._ticker)

    def keep_time(self) -> None:
        """Notice when the wall clock has jumped."""
        self._ticker.keep_time()

    def stop_schedules(self) -> None:
        """Fire no more schedules."""
        self._schedules.stop()

    def stop(self) -> None:
        """End all of it; what has begun may end later."""
        self._ticker.stop()
        self._adding_up.stop()
        self._reports.stop()
        self._deliveries.stop()
        self._retention.stop()

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._schedules.adopt(settings)
        self._retention.adopt(settings)
        self._adding_up.adopt(settings)
        self._reports.adopt(settings)
        self._deliveries.adopt(settings)

    def _redispatch_late(self) -> None:
        if not self._late_looks.is_over:
            return
        with self._late_looks.after(), self._database.writing() as transaction:
            # Its own only: they carry its own clock's time, and a dead node's are released by recovery.
            late = tasks.release_dispatched(transaction, node=self._node, before=now_ms() - _LATE_MESSAGE_MS)
        if late:
            logger.info(
                "%d messages that nobody had taken for %d s are sent again",
                late,
                _LATE_MESSAGE_MS // 1000,
                extra={"action": "late"},
            )
            self._wake()
