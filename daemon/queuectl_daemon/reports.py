"""Deliver the planned reports, one at a time and in a thread of its own, so that nothing else waits for them."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from queuectl.domain.report_delivery import ReportDelivery
from queuectl.errors import DatabaseUnreachableError, QueuectlError
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.ticker import Ticker

if TYPE_CHECKING:
    from queuectl.operations.reporter_delivery import Delivered, DueDelivery, ReportDeliveries

logger = logging.getLogger("queuectl.daemon")

LOOK_SECONDS = 10.0
"""How soon after its moment a report is made, and how soon a failed delivery may be repeated."""


class Reports:
    """Carries out this node's share of the plan for reports."""

    def __init__(self, database: Database, settings: Settings, node: str) -> None:
        self._database = database
        self._settings = settings
        self._node = node
        self._deliveries: ReportDeliveries | None = None
        self._busy = threading.Lock()
        self._stopped = False

    def adopt(self, settings: Settings) -> None:
        """Make reports by these settings from the next one on; what is planned stays as it was at the start."""
        if self._deliveries is not None:
            self._deliveries.adopt(settings)

    def begin(self, ticker: Ticker) -> None:
        """Look from now on at what is due, if anything is planned."""
        if self._settings.report_schedule:
            # Imported here because it costs memory that a daemon without a plan never needs.
            from queuectl.operations.reporter_delivery import ReportDeliveries

            deliveries = ReportDeliveries(self._database, self._settings, self._node)
            self._deliveries = deliveries
            ticker.every(LOOK_SECONDS, "reports", lambda: self.look(deliveries), at_once=True)

    def look(self, deliveries: ReportDeliveries) -> None:
        """Begin with what is due, unless something is being delivered already."""
        if self._stopped or not self._busy.acquire(blocking=False):
            return
        begun = False
        try:
            with contextlib.suppress(DatabaseUnreachableError):  # the pump says so, and the next look is soon
                due = deliveries.take()
                if due is not None:
                    work = (deliveries, due)
                    threading.Thread(target=self._carry_out, args=work, name="report", daemon=True).start()
                    begun = True
        finally:
            if not begun:  # also where no thread can be had
                self._busy.release()

    def stop(self) -> None:
        """Begin nothing more; what is being delivered when the process ends is delivered again later."""
        self._stopped = True

    def _carry_out(self, deliveries: ReportDeliveries, due: DueDelivery) -> None:
        try:
            _tell(deliveries.carry_out(due))
        except QueuectlError as error:
            logger.warning("%s: %s", _named(due.delivery), error.message, extra={"action": "report_failed"})
        except Exception as error:  # an unforeseen error must not end the delivery of later reports
            logger.exception("%s could not be made", _named(due.delivery), extra={"action": "report_failed"})
            with contextlib.suppress(QueuectlError):
                deliveries.give_up(due, f"internal error: {type(error).__name__}")
        finally:
            self._database.close()
            self._busy.release()


def _tell(done: Delivered) -> None:
    name = _named(done.due.delivery)
    if done.problem is None:
        logger.info("%s: delivered to %s", name, done.place, extra={"action": "report_delivered"})
        return
    logger.warning(
        "%s: not delivered to %s: %s; next try in %g s",
        name,
        done.due.delivery.shown_target,
        done.problem,
        done.pause / 1000,
        extra={"action": "report_failed"},
    )


def _named(delivery: ReportDelivery) -> str:
    return f"{delivery.kind} report ({delivery.format}, {delivery.lang})"
