"""``queuectl articles deliveries`` and ``articles deliver``: the articles that a webhook is told of."""

from __future__ import annotations

from typing import Annotated

import typer

from queuectl.cli import choices
from queuectl.cli.help import command
from queuectl.cli.invocation import Invocation
from queuectl.errors import InvalidInputError

_LONGEST_LIST = 10_000


def add_to(app: typer.Typer) -> None:
    """Add both commands to a group."""
    command(app)(deliveries)
    command(app)(deliver)


def deliveries(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=_LONGEST_LIST, help="At most this many.")
    ] = 50,
) -> None:
    """List articles that the webhook has not got yet: waiting, tried in vain, or given up after three days.

    The daemon posts each article as soon as it is stored, where publish_webhook is set.

    Examples:
      queuectl articles deliveries
      queuectl articles deliveries --limit 5 --json
    """
    from queuectl.cli.render.deliveries import delivery_grid
    from queuectl.cli.render.words import wider
    from queuectl.domain.task import task_name
    from queuectl.settings import shown_webhook
    from queuectl.shapes.deliveries import counts_shape, delivery_shape

    run: Invocation = ctx.obj
    found = run.manager.list_article_deliveries(limit)
    counts = run.manager.count_article_deliveries()
    target = shown_webhook(run.settings)
    if not found:
        run.output.say(
            "every article has been delivered"
            if target
            else "no webhook is configured; set publish_webhook, see: docs/webhook.md"
        )
    if found or run.output.json:
        run.output.show(
            lambda: {
                "to": target,
                "counts": counts_shape(counts),
                "deliveries": [delivery_shape(each, target) for each in found],
            },
            lambda: delivery_grid(found, run.settings.timezone),
            [task_name(each.task_id) for each in found],
        )
    if counts.failing or counts.given_up:
        run.output.say("to deliver now what failed: queuectl articles deliver --failed")
    if len(found) == limit:
        run.output.say(f"these are the newest {limit:,}{wider(limit, _LONGEST_LIST)}")


def deliver(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="Tasks, such as task_12 or 12.", autocompletion=choices.ids),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="All whose delivery has failed, given up or not.")
    ] = False,
) -> None:
    """Have the daemon post articles to the webhook now, whether it did so before or not.

    An article keeps its idempotency key, so a receiver that has it already can tell.

    Examples:
      queuectl articles deliver task_12
      queuectl articles deliver --failed
    """
    from queuectl.cli.daemon_watch import say_if_none_runs
    from queuectl.cli.render.words import count

    run: Invocation = ctx.obj
    if bool(ids) == failed:
        raise InvalidInputError(
            "it needs either ids of tasks or --failed", hint="see: queuectl articles deliver --help"
        )
    done = run.manager.deliver_failed_articles() if failed else run.manager.deliver_articles(ids or [])
    if run.output.json:
        run.output.document({"deliveries": done})
    else:
        run.output.ids(done)
    run.output.say(f"{count(len(done), 'article')} to be delivered now")
    if done:
        say_if_none_runs(run)
