"""The delivery of a task's article to the webhook, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from queuectl.domain.article_delivery import ArticleDelivery, DeliveryCounts
from queuectl.domain.task import task_name
from queuectl.times import iso


def counts_shape(counts: DeliveryCounts) -> dict[str, Any]:
    """Return how many deliveries have not arrived."""
    return asdict(counts) | {"failing_since": iso(counts.failing_since)}


def delivery_shape(delivery: ArticleDelivery, target: str | None) -> dict[str, Any]:
    """Return how far a delivery is; ``target`` is where it goes, as it may be shown."""
    return {
        "task_id": task_name(delivery.task_id),
        "key": delivery.key,
        "state": delivery.state.value,
        "to": target,
        "begun_at": iso(delivery.begun_at),
        "tries": delivery.tries,
        "next_try_at": iso(delivery.next_try_at),
        "problem": delivery.problem,
        "delivered_at": iso(delivery.delivered_at),
    }
