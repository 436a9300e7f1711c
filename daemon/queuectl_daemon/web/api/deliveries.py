"""Deliveries of articles to the webhook: list what has not arrived, and have articles delivered again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.settings import shown_webhook
from queuectl.shapes.deliveries import counts_shape, delivery_shape
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.routes import Call, Route


def list_deliveries(call: Call) -> Mapping[str, Any]:
    """Return the deliveries that wait or were given up."""
    asked: forms.Limited = call.query
    manager, target = call.desk.manager, shown_webhook(call.desk.settings)
    return {
        "to": target,
        "counts": counts_shape(manager.count_article_deliveries()),
        "deliveries": [delivery_shape(each, target) for each in manager.list_article_deliveries(asked.limit)],
    }


def deliver(call: Call) -> Mapping[str, Any]:
    """Have articles delivered now: those of some tasks, or all whose delivery has failed."""
    asked: forms.Deliver = call.body
    if bool(asked.id) == asked.failed:
        raise InvalidInputError('it needs either "id" or "failed"', hint='such as {"id": ["task_12"]}')
    manager = call.desk.manager
    done = manager.deliver_failed_articles() if asked.failed else manager.deliver_articles(asked.id or [])
    return {"deliveries": done}


ROUTES = (
    Route(
        "GET", "/deliveries", Role.READ, list_deliveries, "List articles not delivered", query=forms.Limited
    ),
    Route("POST", "/deliveries", Role.OPERATE, deliver, "Deliver articles again", body=forms.Deliver),
)
