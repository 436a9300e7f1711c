"""``queuectl export`` and ``import``: tasks into a file, and back from one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.bulk import Yes, confirm
from queuectl.cli.deeds import note_written
from queuectl.cli.invocation import Invocation
from queuectl.cli.render.progress import progress, stages
from queuectl.cli.selectors import selects_tasks
from queuectl.cli.undo import hint
from queuectl.domain.task import task_name
from queuectl.errors import InvalidInputError
from queuectl.operations.selectors import Selectors

if TYPE_CHECKING:
    from queuectl.domain.selection import Selection
    from queuectl.domain.transfer import ExportReceipt, ImportReceipt, Progress, QueueChange

STREAM = "-"
_LONG_BYTES = 1024 * 1024
"""From this size on a person wants to see that something happens."""


class OnConflict(StrEnum):
    """What to do with a task that is here already."""

    SKIP = "skip"
    NEW = "new"
    ERROR = "error"


@selects_tasks(without={"everything", "limit"})
def export(
    ctx: typer.Context,
    selectors: Selectors,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file, or - for a pipe; without it one named by the time.",
        ),
    ] = None,
    include: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="What goes along: batches,dead_letters,attempts (as when nothing is said), queues, schedules, all.",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Write tasks to a file that "queuectl import" reads; prints the file's name.

    Every line is a JSON object, and the last one holds a checksum. Nothing is changed here. Tasks at
    work are written as queued; articles and logs are not written.

    Examples:
      queuectl export --queue high_priority --output queue_backup.jsonl
      queuectl export --include all --output everything.jsonl
      queuectl export --state dead --output - | gzip > dead.jsonl.gz
    """
    run: Invocation = ctx.obj
    selection = selectors.selection(run.settings.timezone)
    parts = None if include is None else [each.strip() for each in include.split(",")]
    if output == STREAM and run.output.json:
        raise InvalidInputError("--json and --output - both want standard output", hint="leave one out")
    target = sys.stdout.buffer if output == STREAM else Path(output if output is not None else _dated())
    if isinstance(target, Path) and target.is_file() and not yes and _somebody_is_there(run):
        confirm(run, f"replace {target}, which exists already")
        yes = True
    with _counting(run, selection) as on_progress:
        receipt = run.manager.export_queue(
            None, target, selection=selection, include=parts, overwrite=yes, on_progress=on_progress
        )
    if output == STREAM:
        sys.stdout.buffer.flush()
    _show_export(run, receipt)


def import_tasks(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='A file from "queuectl export", or - for a pipe.')
    ],
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do with a task that is here already.")
    ] = OnConflict.SKIP,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show what would change, and change nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Import what export has written: all of it, or after any error nothing.

    The tasks get new ids; batches, attempts and dead letters follow them. A task is here already if one
    has the same URL and handler and was created at the same millisecond, or if both are open and in the
    same queue; a schedule if there is one of its name.

    Examples:
      queuectl import queue_backup.jsonl --dry-run
      queuectl import queue_backup.jsonl
      gunzip -c dead.jsonl.gz | queuectl import - --on-conflict error
    """
    run: Invocation = ctx.obj

    def confirm(changes: tuple[QueueChange, ...]) -> None:
        _confirm(run, changes, yes=yes)

    with _moving(run, file) as on_progress:
        receipt = run.manager.import_queue(
            sys.stdin.buffer if file == STREAM else Path(file),
            on_conflict=on_conflict.value,
            dry_run=dry_run,
            confirm=confirm,
            on_progress=on_progress,
        )
    _show_import(run, receipt)


def _dated() -> str:
    return f"queuectl-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl"


@contextmanager
def _counting(run: Invocation, selection: Selection) -> Iterator[Callable[[int], None] | None]:
    """Show how many tasks have been written, where a person waits for it."""
    if run.output.quiet or run.output.json or not run.output.messages_on_terminal:
        yield None
        return
    with progress(run.output, run.manager.count_tasks(selection)) as on_progress:
        yield on_progress


@contextmanager
def _moving(run: Invocation, file: str) -> Iterator[Progress | None]:
    """Show how much of a file has been read and then how many of its tasks have been stored."""
    size = 0 if file == STREAM or not Path(file).is_file() else Path(file).stat().st_size
    with stages(run.output, wanted=size >= _LONG_BYTES) as show:
        if show is None:
            yield None
            return
        show("reading", 0, size)
        yield lambda step, done, total: show(step, done, size if step == "reading" else total)


def _confirm(run: Invocation, changes: tuple[QueueChange, ...], *, yes: bool) -> None:
    """Ask before settings of queues are replaced.

    Raises:
        InvalidInputError: nobody is there to be asked.
        RefusedError: the answer was no.
    """
    if yes:
        return
    from queuectl.cli.render.transfer import change_grid
    from queuectl.cli.render.words import count

    if _somebody_is_there(run):
        run.output.message_grid(change_grid(changes))
    deed = f"change {count(len(changes), 'setting')} of queues"
    confirm(run, deed, instead="--yes to do it, or --dry-run to look first")


def _somebody_is_there(run: Invocation) -> bool:
    return sys.stdin.isatty() and run.output.messages_on_terminal and not run.output.json


def _show_export(run: Invocation, receipt: ExportReceipt) -> None:
    from queuectl.cli.render.transfer import export_shape
    from queuectl.cli.render.words import count

    if receipt.path is not None:
        note_written(receipt.path)
    if run.output.json:
        run.output.document(export_shape(receipt))
        return
    if receipt.path is not None:
        run.output.line(receipt.path)
    run.output.say(f"{count(receipt.tasks, 'task')} exported; sha256 {receipt.sha256}")


def _show_import(run: Invocation, receipt: ImportReceipt) -> None:
    from queuectl.cli.render.transfer import change_grid, import_grid, import_sentences, import_shape

    if run.output.json:
        run.output.document(import_shape(receipt))
        return
    if run.output.quiet:
        for first, last in receipt.created:
            for number in range(first, last + 1):
                run.output.line(task_name(number))
        return
    if receipt.new or receipt.conflicts:
        run.output.grid(import_grid(receipt))
    if receipt.queue_changes:
        run.output.message_grid(change_grid(receipt.queue_changes))
    for sentence in import_sentences(receipt):
        run.output.say(sentence)
    undo = hint(run).removeprefix("; ")
    if undo and receipt.tasks:
        run.output.say(undo)
