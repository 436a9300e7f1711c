"""How a plan for a window looks: each task with its time now and its new one, and what was counted."""

from __future__ import annotations

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import ACCENT, FAINT
from queuectl.cli.render.tables import url_cell
from queuectl.cli.render.words import count, short_queue
from queuectl.domain.optimisation import NewTime, Optimisation
from queuectl.domain.task import task_name
from queuectl.times import shown


def plan_grid(found: Optimisation, zone: str) -> Grid:
    """Return the tasks in the order in which they will start."""
    columns = (
        Column("TASK"),
        Column("QUEUE"),
        Column("SCORE", "right"),
        Column("NOW"),
        Column("NEW TIME"),
        Column("URL", flexible=True),
    )
    return Grid(columns, [_row(each, zone) for each in found.times])


def _row(each: NewTime, zone: str) -> list[Cell]:
    waits = each.state == "queued"
    return [
        task_name(each.id),
        short_queue(each.queue),
        str(each.priority_score),
        "when there is room" if waits else shown(each.before, zone),
        Styled(shown(each.after, zone), ACCENT) if each.moved else Styled("stays", FAINT),
        url_cell(each.url),
    ]


def plan_summary(found: Optimisation, zone: str, end: str = "") -> list[str]:
    """Return what a person should know beside the table; ``end`` follows what becomes of the times."""
    window = found.window
    kept = len(found.times) - found.moved
    done = "gets" if found.moved == 1 else "get"
    if not found.applied:
        done = "would get"
    lines = [
        f"window: {shown(window.start, zone)} to {shown(window.end, zone)},"
        f" at most {count(window.max_per_hour, 'start')} in any hour"
        + ("; what has passed of it was not used" if found.clipped else ""),
        f"{count(found.moved, 'task')} {done} another time, {kept:,} {'keeps its' if kept == 1 else 'keep their'} time"
        + end,
    ]
    if found.counted:
        lines.append(f"{count(found.counted, 'other start was', 'other starts were')} counted too")
    if found.uncounted:
        lines.append(
            f"{count(found.uncounted, 'queued task is', 'queued tasks are')} not in the plan"
            f" and {'starts' if found.uncounted == 1 else 'start'} when there is room"
        )
    return lines
