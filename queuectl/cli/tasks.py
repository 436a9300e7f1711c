"""``queuectl show``: one task with everything that is known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from queuectl.cli.choices import TaskId
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import State
from queuectl.domain.task import Task, task_name

if TYPE_CHECKING:
    from queuectl.domain.article_delivery import ArticleDelivery
    from queuectl.store.articles import StoredArticle

_SHOWN_LINES = 12
"""So many lines of a traceback's end are shown; --json has all that are kept."""


def show(
    ctx: typer.Context,
    task_id: TaskId,
) -> None:
    """Show one task with the timeline of all its attempts.

    Examples:
      queuectl show task_12
      queuectl show 12 --json
    """
    from queuectl.cli.explain import why_it_waits
    from queuectl.cli.render.tables import task_facts
    from queuectl.settings import shown_webhook
    from queuectl.shapes.deliveries import delivery_shape
    from queuectl.shapes.tasks import article_shape, task_shape

    run: Invocation = ctx.obj
    task = run.manager.get_task(task_id)
    zone = run.settings.timezone
    why = why_it_waits(run, task)
    article = run.monitor.get_article(task.id) if task.state is State.SUCCEEDED else None
    delivery = run.manager.get_article_delivery(task.id) if article else None
    target = shown_webhook(run.settings)
    run.output.show(
        lambda: (
            task_shape(task, with_attempts=True)
            | {"why": why, "article": article_shape(article, run.settings.home) if article else None}
            | {"delivery": delivery_shape(delivery, target) if delivery else None}
        ),
        lambda: task_facts(task, zone, why),
        [f"{task_name(task.id)}  {task.state}"],
    )
    if not run.output.json and not run.output.quiet:
        _show_history(run, task, article, delivery)


def _show_history(
    run: Invocation, task: Task, article: StoredArticle | None, delivery: ArticleDelivery | None
) -> None:
    """Show what the task has been through: its runs, the end of the last traceback, its article, and its delivery."""
    from queuectl.cli.render.safe import safe_lines
    from queuectl.cli.render.tables import article_facts, attempt_grid

    output = run.output
    if task.attempts:
        output.line("")
        # What waited for its time did not wait for a worker until then.
        since = max(task.created_at, task.run_at or 0)
        output.grid(attempt_grid(task.attempts, run.settings.timezone, since))
    last = next((each.traceback for each in reversed(task.attempts) if each.traceback), None)
    if last and task.error:
        lines = safe_lines(last.rstrip())
        output.line("")
        for line in ["..." if len(lines) > _SHOWN_LINES else "", *lines[-_SHOWN_LINES:]]:
            if line:
                output.line(line)
    if article is not None:
        output.line("")
        output.grid(article_facts(article, run.settings.home, run.settings.timezone))
    if delivery is not None:
        _show_delivery(run, delivery)


def _show_delivery(run: Invocation, delivery: ArticleDelivery) -> None:
    from queuectl.cli.render.deliveries import delivery_facts
    from queuectl.settings import shown_webhook

    run.output.line("")
    run.output.grid(delivery_facts(delivery, shown_webhook(run.settings), run.settings.timezone))
    if delivery.problem is not None:
        run.output.say(f"to deliver it now: queuectl articles deliver {task_name(delivery.task_id)}")
