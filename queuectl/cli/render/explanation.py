"""Why a task does not run, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from queuectl.cli.render.grid import Cell, Styled, cell_text, rich_cell
from queuectl.cli.render.style import ACCENT, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.tables import state_cell, url_cell
from queuectl.cli.render.words import brief, count, duration
from queuectl.domain.explanation import Certainty, Explanation, WaitReason
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.task import task_name
from queuectl.times import shown

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOTHING = "nothing keeps it: a daemon takes it at its next look"


def explanation_lines(found: Explanation, zone: str) -> list[str]:
    """Return an explanation as lines for a pipe or a file."""
    facts = list(_facts(found, zone))
    columns = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(columns)}  {cell_text(cell)}" for name, cell in facts]
    lines.append("")
    for place, reason in enumerate(found.reasons, 1):
        lines.append(f"{place}. {_told(reason, found.at, zone)}")
        if reason.command:
            lines.append(f"   {reason.command}")
    return lines if found.reasons else [*lines, _NOTHING]


def rich_explanation(found: Explanation, zone: str) -> RenderableType:
    """Return an explanation for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style=FAINT)
    facts.add_column(overflow="fold")
    for name, cell in _facts(found, zone):
        facts.add_row(name, rich_cell(cell))
    if not found.reasons:
        return Group(facts, Text(), rich_cell(Styled(_NOTHING, GOOD, "✓")))
    reasons = Table.grid(padding=(0, 1, 0, 0))
    reasons.add_column(no_wrap=True, justify="right")
    reasons.add_column(overflow="fold")
    for place, reason in enumerate(found.reasons, 1):
        style = STRONG if reason.binding and place == 1 else "" if reason.binding else FAINT
        reasons.add_row(f"{place}.", rich_cell(Styled(_told(reason, found.at, zone), style)))
        if reason.command:
            reasons.add_row("", rich_cell(Styled(reason.command, ACCENT)))
    return Group(facts, Text(), reasons)


def headline(found: Explanation, zone: str) -> str:
    """Return the first reason in one line."""
    return _told(found.reasons[0], found.at, zone) if found.reasons else _NOTHING


def _facts(found: Explanation, zone: str) -> Iterator[tuple[str, Cell]]:
    task = found.task
    yield "task", Styled(task_name(task.id), STRONG)
    yield "url", url_cell(task.url)
    yield "state", state_cell(task.state)
    yield "queue", f"{task.queue}, score {task.priority_score}"
    if task.state is State.RUNNING and task.started_at is not None:
        yield "started", f"{shown(task.started_at, zone)} ({duration(found.at - task.started_at)} ago)"
    if task.state in FINAL and task.finished_at is not None:
        yield "finished", f"{shown(task.finished_at, zone)} ({brief(found.at - task.finished_at)} ago)"
        if task.error:
            yield "error", task.error
    if found.position is not None:
        yield "position", _position(found)
    if found.earliest_start is not None:
        yield "could start", _start(found, found.earliest_start, zone)


def _position(found: Explanation) -> str:
    number = found.position or 0
    if not number:
        return "the first in line"
    least = "more than " if found.position_is_least else ""
    return f"{least}{count(number, 'queued task')} before it"


def _start(found: Explanation, at: int, zone: str) -> Cell:
    moment = f"{shown(at, zone)} (in {duration(at - found.at)})" if at > found.at else "now"
    match found.certainty:
        case Certainty.NOW:
            return Styled("now", GOOD)
        case Certainty.KNOWN:
            return moment
        case Certainty.ESTIMATE:
            return f"about {moment}, an estimate" if at > found.at else "at any moment"
        case _:
            least = f"not before {moment}, and " if at > found.at else ""
            return Styled(f"{least}not while {_endless(found)}", CAREFUL)


def _endless(found: Explanation) -> str:
    """Name the reasons of which nobody can know when they end; they are the first ones."""
    number = sum(each.binding and each.until is None for each in found.reasons)
    if number == 1:
        return "the first reason lasts"
    return f"the first {number} reasons last"


def _told(reason: WaitReason, now: int, zone: str) -> str:
    if reason.until is None or reason.until <= now:
        return reason.message
    about = "about " if reason.estimated else ""
    return f"{reason.message}, until {about}{shown(reason.until, zone)} (in {duration(reason.until - now)})"
