"""``queuectl batch``: the URLs of a file as one batch."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from queuectl.cli.invocation import Invocation
from queuectl.cli.render.progress import progress
from queuectl.cli.task_options import Priority
from queuectl.domain.batch import BatchReceipt
from queuectl.errors import BadInputFileError, ExitCode


class OnDuplicate(StrEnum):
    """What to do with a URL for which an open task exists."""

    SKIP = "skip"
    ALLOW = "allow"
    ERROR = "error"


def batch(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file with one URL a line, or - for a pipe.")],
    priority: Priority = None,
    interval: Annotated[
        float,
        typer.Option(metavar="MINUTES", help="Start one task every so many minutes; 0 starts all at once."),
    ] = 0,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="A name for the batch.")] = None,
    start_at: Annotated[
        str | None, typer.Option(metavar="TIME", help='When the first may start, such as "tomorrow 8:00".')
    ] = None,
    on_duplicate: Annotated[
        OnDuplicate, typer.Option(help="What to do with a URL that is open already or comes twice.")
    ] = OnDuplicate.SKIP,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and submit nothing.")] = False,
) -> int:
    """Submit the URLs of a file as one batch; prints the batch's id.

    Empty lines and lines that start with # are passed over. A line may also be a JSON object with
    url, priority, score, metadata, handler, schedule, timeout, memory_limit and max_retries.

    Examples:
      queuectl batch urls.txt --priority medium --interval 30
      queuectl batch urls.txt --name "monday's articles" --dry-run
      grep /news/ links.txt | queuectl batch -
    """
    from queuectl.cli.batch_file import open_input
    from queuectl.domain.priority import level_named
    from queuectl.times import parse_moment

    run: Invocation = ctx.obj
    zone = run.settings.timezone

    def read_time(text: str) -> datetime:
        return parse_moment(text, zone)

    if priority is not None:
        level_named(priority)
    start = parse_moment(start_at, zone, tell=run.output.say) if start_at is not None else None
    with open_input(file) as source, progress(run.output, source.lines) as on_progress:
        receipt = run.manager.submit_entries(
            source.entries(read_time),
            priority=priority,
            batch_name=name,
            interval_minutes=interval,
            start_at=start,
            on_duplicate=on_duplicate.value,
            dry_run=dry_run,
            on_progress=on_progress,
        )
    _show(run, receipt, dry_run=dry_run)
    return _code(source.name, receipt)


def _show(run: Invocation, receipt: BatchReceipt, *, dry_run: bool) -> None:
    from queuectl.cli.render.words import count
    from queuectl.shapes.tasks import receipt_shape

    output = run.output
    if output.json:
        output.document(receipt_shape(receipt, dry_run=dry_run))
        return
    if receipt.batch_id is not None:
        output.line(receipt.batch_id)
    for each in receipt.rejected:
        output.say(f"line {each.line}: {each.reason}")
    if receipt.invalid > len(receipt.rejected):
        output.say(f"... and {count(receipt.invalid - len(receipt.rejected), 'more invalid line')}")
    if not receipt.accepted and not receipt.duplicates and not receipt.invalid:
        return
    verb = "would be accepted" if dry_run else "accepted"
    output.say(
        f"{receipt.accepted:,} {verb}, {count(receipt.duplicates, 'duplicate')}, {receipt.invalid:,} invalid"
    )
    if receipt.batch_id is not None:
        from queuectl.cli.daemon_watch import say_if_none_runs

        say_if_none_runs(run)


def _code(name: str, receipt: BatchReceipt) -> int:
    if not receipt.accepted and not receipt.duplicates:
        problem = "no line of it is acceptable" if receipt.invalid else "it has only comments and empty lines"
        raise BadInputFileError(
            f"nothing was submitted from {name}: {problem}", hint="put one URL on each line"
        )
    return ExitCode.PARTLY_DONE if receipt.invalid else ExitCode.DONE
