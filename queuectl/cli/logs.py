"""``queuectl logs``: what a task's handler logged, attempt by attempt."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from queuectl.cli.choices import TaskId
from queuectl.cli.invocation import Invocation
from queuectl.domain.lifecycle import FINAL
from queuectl.domain.task import task_name, task_number
from queuectl.domain.task_log import LogLine, LogPart
from queuectl.errors import ExitCode

_PAUSE_SECONDS = 0.5


def logs(
    ctx: typer.Context,
    task_id: TaskId,
    attempt: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only this attempt's lines.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is logged until the task has ended.")
    ] = False,
) -> int:
    """Show what a task's handler logged: its log, what it printed, and what its command complained about.

    Of each attempt the beginning and the end are kept, 32 KiB each. With -f lines come about a second after
    they were logged, what is printed with the attempt's end, and --json writes a document for each line.

    Examples:
      queuectl logs task_12
      queuectl logs 12 --attempt 2
      queuectl logs 12 -f
    """
    run: Invocation = ctx.obj
    number = task_number(task_id)
    if run.output.json and not follow:
        run.output.document(_document(number, run.monitor.get_task_log(number), attempt))
        return ExitCode.DONE
    writer = _Writer(run, attempt)
    if follow:
        try:
            _follow(run, number, writer)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
    else:
        writer.write(run.monitor.get_task_log(number))
    if not writer.lines:
        which = f"attempt {attempt} of {task_name(number)}" if attempt else task_name(number)
        run.output.say(f"{which} has logged nothing")
    return ExitCode.DONE


def _follow(run: Invocation, number: int, writer: _Writer) -> None:
    place = (0, -1)
    pause = threading.Event()
    while True:
        has_ended = run.manager.get_task(number).state in FINAL  # before the lines, so that none is missed
        parts = run.monitor.get_task_log(number, place)
        writer.write(parts)
        run.output.flush()
        if parts:
            place = (parts[-1].fence, parts[-1].first)
        if has_ended:
            return
        pause.wait(_PAUSE_SECONDS)


class _Writer:
    """Writes parts as they come, with a heading where another attempt begins and a word where lines are missing."""

    def __init__(self, run: Invocation, attempt: int | None) -> None:
        self._run = run
        self._attempt = attempt
        self._fence: int | None = None
        self._next = 0
        self.lines = 0

    def write(self, parts: Iterable[LogPart]) -> None:
        """Write the lines of these parts."""
        from queuectl.cli.render.streams import LOG_WIDTHS, log_row
        from queuectl.shapes.tasks import log_line_shape

        output = self._run.output
        for part, line, missing in self._new(parts):
            if output.json:
                output.record(log_line_shape(part, line))
            elif output.quiet:
                output.line(line.text)
            else:
                if missing:
                    output.line(f"[{missing} lines left out]")
                output.row(log_row(line, self._run.settings.timezone), LOG_WIDTHS)

    def _new(self, parts: Iterable[LogPart]) -> Iterator[tuple[LogPart, LogLine, int]]:
        for part in parts:
            if self._attempt not in (None, part.attempt):
                continue
            if part.fence != self._fence:
                self._begin(part)
            for line in part.lines:
                if line.number >= self._next:
                    yield part, line, line.number - self._next
                    self._next = line.number + 1
                    self.lines += 1

    def _begin(self, part: LogPart) -> None:
        self._fence, self._next = part.fence, 0
        if not self._run.output.json and not self._run.output.quiet:
            from queuectl.times import shown

            at = shown(part.lines[0].at, self._run.settings.timezone)
            self._run.output.line(f"attempt {part.attempt}, from {at} on:")


def _document(number: int, parts: Iterable[LogPart], attempt: int | None) -> dict[str, Any]:
    from queuectl.shapes.tasks import log_line_shape

    lines = [
        log_line_shape(part, line) for part in parts if attempt in (None, part.attempt) for line in part.lines
    ]
    return {"task_id": task_name(number), "lines": lines}
