"""Deliver articles to the webhook, in a few threads of their own, so that nothing else waits for the receiver."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from queuectl.clock import monotonic
from queuectl.domain.article_delivery import ArticleDelivery
from queuectl.domain.task import task_name
from queuectl.errors import DatabaseUnreachableError, QueuectlError
from queuectl.settings import Settings, shown_webhook
from queuectl.store import article_deliveries
from queuectl.store.database import Database
from queuectl_daemon.ticker import Ticker

if TYPE_CHECKING:
    from queuectl.operations.article_delivery import ArticleDeliveries, Tried

logger = logging.getLogger("queuectl.daemon")

LOOK_SECONDS = 1.0
"""How soon after its commit an article is posted."""

QUIET_SECONDS = 5.0
"""So long a receiver is left alone after a failure; then one try shows whether it is well again."""

LONGEST_QUIET_SECONDS = 300.0
"""So long it is left alone if it asks for that. The article itself waits as long as it was asked to."""

_AT_ONCE = 4
_STOP_SECONDS = 2.0


class Deliveries:
    """Carries out this node's share of the deliveries, if a webhook is configured."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._threads: list[threading.Thread] = []
        self._failing = False
        self._quiet_until = 0.0
        self._stopped = False

    def adopt(self, settings: Settings) -> None:
        """Post with this timeout and to these networks from the next look on."""
        self._settings = settings

    def begin(self, ticker: Ticker) -> None:
        """Look from now on at what is due, if there is somewhere to post it to."""
        if self._settings.publish_webhook is not None:
            ticker.every(LOOK_SECONDS, "deliveries", self.look, at_once=True)

    def look(self) -> None:
        """Begin with what is due, in as many threads as it takes and may be."""
        self._threads = [each for each in self._threads if each.is_alive()]
        free = (1 if self._failing else _AT_ONCE) - len(self._threads)
        if self._stopped or monotonic() < self._quiet_until or free <= 0:
            return
        with contextlib.suppress(DatabaseUnreachableError):  # the pump says so, and the next look is soon
            with self._database.reading() as transaction:
                due = article_deliveries.due(transaction, free)
            for _ in range(due):
                thread = threading.Thread(target=self._work, name="delivery", daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Begin nothing more; a post that does not end soon is repeated later, under the same key."""
        self._stopped = True
        until = monotonic() + _STOP_SECONDS
        for thread in [*self._threads]:
            thread.join(max(0.0, until - monotonic()))

    def _work(self) -> None:
        """Deliver until nothing is due any more, or the receiver is not well; one that refuses an article is."""
        # Imported here because it costs memory that a daemon without deliveries never needs.
        from queuectl.operations.article_delivery import ArticleDeliveries

        try:
            deliveries = ArticleDeliveries(self._database, self._settings)
            while not self._stopped and (delivery := deliveries.take()) is not None:
                if not self._deliver(deliveries, delivery):
                    return
        except QueuectlError as error:
            self._quiet_until = monotonic() + QUIET_SECONDS
            logger.warning("deliveries: %s", error.message, extra={"action": "delivery_failed"})
        finally:
            self._database.close()

    def _deliver(self, deliveries: ArticleDeliveries, delivery: ArticleDelivery) -> bool:
        try:
            tried = deliveries.carry_out(delivery)
        except QueuectlError:
            raise
        except Exception as error:  # an unforeseen error must not end the delivery of other articles
            facts = {"action": "delivery_failed", "task_id": delivery.task_id}
            logger.exception("%s cannot be delivered", task_name(delivery.task_id), extra=facts)
            tried = deliveries.note(delivery, f"internal error: {type(error).__name__}", is_well=False)
        self._failing = not tried.is_well
        if self._failing:
            asked = min(tried.asked or 0.0, LONGEST_QUIET_SECONDS)
            self._quiet_until = monotonic() + max(QUIET_SECONDS, asked)
        _tell(tried, shown_webhook(self._settings))
        return tried.is_well


def _tell(tried: Tried, target: str | None) -> None:
    name, facts = task_name(tried.delivery.task_id), {"task_id": tried.delivery.task_id}
    if tried.problem is None:
        logger.info("%s: delivered to %s", name, target, extra=facts | {"action": "article_delivered"})
        return
    then = (
        f"given up after {tried.delivery.tries} tries" if tried.next_try_at is None else "tried again later"
    )
    logger.warning(
        "%s: not delivered to %s: %s; %s",
        name,
        target,
        tried.problem,
        then,
        extra=facts | {"action": "delivery_failed"},
    )
