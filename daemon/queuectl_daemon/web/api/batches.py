"""Batches: submit one, and see how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from queuectl.domain.batch import Entry, OnDuplicate
from queuectl.domain.task import ArticleTask
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.shapes.batches import batch_shape, failures_shape
from queuectl.shapes.tasks import receipt_shape
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import moment, submission_key
from queuectl_daemon.web.routes import Call, Route

_ON_DUPLICATE = ("skip", "allow", "error")


def list_batches(call: Call) -> Mapping[str, Any]:
    """Return batches, the newest first."""
    return {"batches": [batch_shape(each) for each in call.desk.monitor.list_batches(call.query.limit)]}


def show_batch(call: Call) -> Mapping[str, Any]:
    """Return how far a batch is, and what failed."""
    found = call.desk.monitor.get_batch_status(call.path["batch_id"])
    return batch_shape(found) | failures_shape(found)


def submit_batch(call: Call) -> Mapping[str, Any]:
    """Submit the acceptable tasks of a batch."""
    asked: forms.SubmitBatch = call.body
    if asked.on_duplicate not in _ON_DUPLICATE:
        raise InvalidInputError(
            f"on_duplicate is {asked.on_duplicate[:40]!r}", hint=f"it is one of {', '.join(_ON_DUPLICATE)}"
        )
    receipt = call.desk.manager.submit_entries(
        _entries(call, asked),
        priority=asked.priority,
        batch_name=asked.name,
        interval_minutes=asked.interval_minutes,
        start_at=moment(call, asked.start_at),
        on_duplicate=cast(OnDuplicate, asked.on_duplicate),
        dry_run=asked.dry_run,
        once=None if asked.dry_run else submission_key(call),
    )
    return receipt_shape(receipt, dry_run=asked.dry_run)


def _entries(call: Call, asked: forms.SubmitBatch) -> Iterator[Entry]:
    for number, each in enumerate(asked.tasks, 1):
        if isinstance(each, str):
            yield Entry(number, each, ArticleTask(each))
            continue
        try:
            task = ArticleTask(
                url=each.url,
                priority=each.priority,
                priority_score=each.score,
                metadata=each.metadata,
                handler=each.handler or "article",
                publish_at=moment(call, each.run_at),
                timeout=each.timeout,
                memory_limit=each.memory_limit,
                max_retries=each.max_retries,
                unique=each.unique,
            )
        except InvalidInputError as error:
            yield Entry(number, each.url, problem=error.message)
            continue
        yield Entry(number, each.url, task)


ROUTES = (
    Route(
        "GET", "/batches", Role.READ, list_batches, "List batches with their progress", query=forms.Limited
    ),
    Route(
        "POST",
        "/batches",
        Role.OPERATE,
        submit_batch,
        "Submit tasks together",
        body=forms.SubmitBatch,
        status=201,
        once=True,
    ),
    Route("GET", "/batches/{batch_id}", Role.READ, show_batch, "Show how far a batch is"),
)
