"""What can lie over the lists of ``top``: help, everything about a task or a queue, and an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queuectl.cli.render.explanation import rich_explanation
from queuectl.cli.render.fullscreen import rendered
from queuectl.cli.render.grid import rich_row
from queuectl.cli.render.safe import safe_lines
from queuectl.cli.render.streams import LOG_WIDTHS, log_row
from queuectl.cli.render.style import ACCENT, BAD, FAINT, STRONG
from queuectl.cli.render.tables import attempt_grid, queue_facts, task_facts
from queuectl.cli.render.words import short_queue
from queuectl.cli.top.reading import Reading, TaskDetails
from queuectl.cli.top.view import Sheet, Sight
from queuectl.domain.explanation import Explanation
from queuectl.domain.task import task_name

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_LAST_LINES = 200
"""So many lines of a log and of a traceback are shown; ``queuectl logs`` and ``show`` have the others."""

_HELP = (
    ("↑ ↓  k j", "the line above or below"),
    ("PgUp PgDn Space", "a page up or down"),
    ("Home End  g G", "the first or the last line"),
    ("Tab  ← →", "the next list, or the one before"),
    ("Enter", "everything about the task: its runs, its error, its log; or about the queue"),
    ("e", "why the task does not run, and when it could"),
    ("p", "pause the queue, or resume it; asked first"),
    ("c", "cancel the task; asked first"),
    ("r", "retry the task, if it is dead, cancelled or retrying; asked first"),
    ("/", "show only tasks with a word in their id, queue, state, title, URL or error"),
    ("s", "sort the list in another way"),
    ("Esc", "back to the lists, or forget the filter"),
    ("q  Ctrl-C", "quit; Ctrl-Z suspends"),
)


def sheet_title(sheet: Sheet) -> Text:
    """Return the line above a sheet."""
    from rich.text import Text

    words = {
        Sight.HELP: "what the keys do",
        Sight.TASK: sheet.target,
        Sight.QUEUE: f"queue {short_queue(sheet.target)}",
        Sight.EXPLANATION: f"explain {sheet.target}",
    }
    return Text(f" {words[sheet.sight]} ", style="reverse")


def sheet_lines(console: Console, sheet: Sheet, reading: Reading, columns: int, zone: str) -> list[str]:
    """Return the lines of a sheet, however many; those that are long are folded."""
    from rich.text import Text

    status = reading.snapshot.status
    parts: list[RenderableType]
    content = reading.content if reading.sheet is sheet else None
    if sheet.sight is Sight.HELP:
        parts = [_help()]
    elif sheet.sight is Sight.QUEUE:
        queue = next(each for each in status.queues if each.name == sheet.target)
        parts = [queue_facts(queue, status.at, zone).rich(columns)]
    elif isinstance(content, TaskDetails):
        parts = _task(content, columns, zone)
    elif isinstance(content, Explanation):
        parts = [rich_explanation(content, zone)]
    elif content is not None:
        parts = [Text(content, style=BAD)]
    else:
        parts = [Text("reading ...", style=FAINT)]
    return [line for part in parts for line in rendered(console, part, columns)]


def _help() -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True, style=ACCENT)
    table.add_column(overflow="fold")
    for keys, words in _HELP:
        table.add_row(keys, words)
    return table


def _task(details: TaskDetails, columns: int, zone: str) -> list[RenderableType]:
    from rich.text import Text

    task = details.task
    parts: list[RenderableType] = [task_facts(task, zone, details.why).rich(columns)]
    if task.attempts:
        since = max(task.created_at, task.run_at or 0)
        parts += [Text(), attempt_grid(task.attempts, zone, since).rich(columns)]
    last = next((each.traceback for each in reversed(task.attempts) if each.traceback), None)
    if last:
        parts += [Text(), Text("the last traceback", style=STRONG)]
        parts += [Text(line) for line in safe_lines(last.rstrip())[-_LAST_LINES:]]
    lines = [line for part in details.log for line in part.lines][-_LAST_LINES:]
    if lines:
        parts += [Text(), Text(f"log, all of it with: queuectl logs {task_name(task.id)}", style=STRONG)]
        parts += [rich_row(log_row(line, zone), LOG_WIDTHS) for line in lines]
    return parts
