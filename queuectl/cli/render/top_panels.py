"""The lists of ``top`` as columns."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.status import progress_cell
from queuectl.cli.render.style import ACCENT, BAD, CAREFUL, FAINT
from queuectl.cli.render.tables import limits_words, state_cell, state_of_queue, url_cell
from queuectl.cli.render.words import brief, clock, short_queue, when
from queuectl.cli.top.rows import Panel, Row, title_of
from queuectl.domain.status import EndedRun, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import Task, task_name

_WIDE = 100
_LONGEST = 300
"""No line shows more of a text than this, so the rest is not even looked at."""

_SUBJECT = Column("TITLE OR URL", flexible=True)


def panel_grid(panel: Panel, rows: Sequence[Row], status: RealtimeStatus, zone: str, columns: int) -> Grid:
    """Return the lines of a list as columns, with more of them where there is room."""
    items = [row.item for row in rows]
    match panel:
        case Panel.QUEUES:
            queues = [item for item in items if isinstance(item, QueueStatus)]
            return _queues(queues, status, zone, wide=columns >= _WIDE)
        case Panel.RUNNING:
            return _running([item for item in items if isinstance(item, RunningTask)])
        case Panel.WAITING:
            return _waiting([item for item in items if isinstance(item, Task)], status.at)
        case Panel.ENDED:
            return _ended([item for item in items if isinstance(item, EndedRun)], status.at)


def _queues(queues: Sequence[QueueStatus], status: RealtimeStatus, zone: str, *, wide: bool) -> Grid:
    columns = [
        Column("QUEUES".ljust(10)),
        Column("STATE", flexible=True),
        Column("WAITING", "right"),
        Column("SCHEDULED", "right"),
        Column("RUNNING", "right"),
        *([Column("SUCCEEDED", "right")] if wide else []),
        Column("DEAD", "right"),
        Column("OLDEST", "right"),
        Column("LIMITS", flexible=True),
    ]
    return Grid(
        tuple(columns),
        [
            [
                short_queue(queue.name),
                state_of_queue(queue, status.at, zone),
                _number(queue.waiting),
                _number(queue.scheduled),
                _number(queue.running, ACCENT),
                *([_number(queue.succeeded)] if wide else []),
                _number(queue.dead, BAD),
                "" if queue.oldest_wait_ms is None else brief(queue.oldest_wait_ms),
                limits_words(queue),
            ]
            for queue in queues
        ],
    )


def _running(running: Sequence[RunningTask]) -> Grid:
    columns = (
        Column("RUNNING".ljust(10)),
        Column("QUEUE".ljust(10)),
        Column("FOR", "right"),
        Column("PROGRESS"),
        _SUBJECT,
    )
    return Grid(
        columns,
        [
            [
                Styled(task_name(each.task.id), CAREFUL if each.task.cancel_requested else ACCENT),
                short_queue(each.task.queue),
                clock(each.elapsed_ms),
                Styled("stopping", CAREFUL) if each.task.cancel_requested else progress_cell(each),
                _subject(each.task),
            ]
            for each in running
        ],
    )


def _waiting(waiting: Sequence[Task], now: int) -> Grid:
    columns = (
        Column("WAITING".ljust(10)),
        Column("QUEUE".ljust(10)),
        Column("STATE".ljust(11)),
        Column("SCORE", "right"),
        Column("WHEN"),
        _SUBJECT,
    )
    return Grid(
        columns,
        [
            [
                task_name(task.id),
                short_queue(task.queue),
                state_cell(task.state),
                str(task.priority_score),
                when(task, now),
                _subject(task),
            ]
            for task in waiting
        ],
    )


def _ended(ended: Sequence[EndedRun], now: int) -> Grid:
    columns = (
        Column("ENDED".ljust(10)),
        Column("QUEUE".ljust(10)),
        Column("STATE".ljust(11)),
        Column("WHEN"),
        Column("ERROR, OR TITLE OR URL", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                task_name(each.task.id),
                short_queue(each.task.queue),
                state_cell(each.state),
                f"{brief(now - each.at)} ago",
                Styled(each.error[:_LONGEST], BAD) if each.error else _subject(each.task),
            ]
            for each in ended
        ],
    )


def _subject(task: Task) -> Cell:
    return title_of(task)[:_LONGEST] or url_cell(task.url[:_LONGEST])


def _number(number: int, style: str = "") -> Cell:
    return Styled(f"{number:,}", style if number else FAINT)
