"""The delivery of a task's article to the webhook: how far one is, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queuectl.domain.delivery import pause_ms

GIVE_UP_MS = 3 * 86_400_000
"""A delivery that has failed for three days is not tried any more until a person says so."""

FEWEST_TRIES = 10
"""So often it was tried all the same: an article may have lain for days while no daemon ran."""


class DeliveryState(StrEnum):
    """What becomes of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class ArticleDelivery:
    """How far the delivery of one article is; times are UTC milliseconds.

    ``attempt`` is the run that the article comes from, ``begun_at`` when the article was stored or a person last
    asked for the delivery. ``tries`` have begun since, the last failed one ended with ``problem``. ``next_try_at`` is
    None where no further try will come; while a daemon is at it, it is when another one may take it over.
    """

    task_id: int
    attempt: int
    begun_at: int
    tries: int
    next_try_at: int | None
    problem: str | None
    delivered_at: int | None

    @property
    def key(self) -> str:
        """The idempotency key: the same for each try to deliver this article."""
        return f"task_{self.task_id}.{self.attempt}"

    @property
    def state(self) -> DeliveryState:
        """What has become of it."""
        if self.next_try_at is not None:
            return DeliveryState.WAITING
        return DeliveryState.DELIVERED if self.problem is None else DeliveryState.GIVEN_UP


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How many deliveries wait, how many of these after a failed try, and how many were given up.

    ``failing_since`` (UTC milliseconds) is when the first of the failing ones began.
    """

    waiting: int
    failing: int
    given_up: int
    failing_since: int | None = None


def next_try(delivery: ArticleDelivery, now: int, asked: float | None = None) -> int | None:
    """Return when to try again after a failure at the moment ``now``, or None to give up.

    ``asked`` is the wait in seconds that the receiver wants.
    """
    if now - delivery.begun_at >= GIVE_UP_MS and delivery.tries >= FEWEST_TRIES:
        return None
    return now + pause_ms(delivery.tries, asked)
