"""Look at the webhook that articles are posted to: whether it gets them."""

from __future__ import annotations

from collections.abc import Iterator

from queuectl.errors import QueuectlError
from queuectl.operations.administration import Check
from queuectl.operations.opening import open_database
from queuectl.settings import Settings, shown_webhook
from queuectl.store import article_deliveries


def articles(settings: Settings) -> Iterator[Check]:
    """Look for articles that could not be delivered, and for such that nobody will deliver."""
    try:
        database = open_database(settings)
    except QueuectlError:  # reported by its own check
        return
    try:
        with database.reading() as transaction:
            counts = article_deliveries.count(transaction)
            problem = article_deliveries.latest_problem(transaction)
    finally:
        database.close()
    target = shown_webhook(settings)
    if target is None and not counts.waiting:
        return
    if target is None:
        yield Check(
            "webhook",
            ok=True,
            warning=True,
            detail=f"no webhook is configured here; articles that wait for one: {counts.waiting}",
            hint="set publish_webhook, or see: queuectl articles deliveries",
        )
    elif counts.failing or counts.given_up:
        yield Check(
            "webhook",
            ok=False,
            detail=f"{target}: articles that are tried again {counts.failing}, given up {counts.given_up}"
            f"; {problem}",
            hint="see: queuectl articles deliveries",
        )
    else:
        yield Check(
            "webhook", ok=True, detail=f"{target}: none has failed, articles that wait: {counts.waiting}"
        )
