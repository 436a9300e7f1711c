"""Dead letters and their groups, as tables, as facts and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import ACCENT, BAD, GOOD, STRONG
from queuectl.cli.render.tables import url_cell
from queuectl.cli.render.words import brief, short_queue
from queuectl.domain.dead_letter import DeadLetter, FailureGroup
from queuectl.domain.task import batch_name, task_name
from queuectl.times import shown


def letter_grid(letters: Sequence[DeadLetter], now: int) -> Grid:
    """Return dead letters as a list; where some were resurrected, what came of them is in place of their runs."""
    resurrected = any(each.resurrected_as is not None for each in letters)
    columns = (
        Column("ID", "right"),
        Column("TASK"),
        Column("NOW") if resurrected else Column("RUNS", "right"),
        Column("QUEUE"),
        Column("CAUSE"),
        Column("DIED"),
        Column("URL", flexible=True),
        Column("ERROR", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                str(each.id),
                task_name(each.task_id),
                _successor(each) if resurrected else str(each.attempts),
                short_queue(each.queue),
                Styled(each.cause, BAD),
                f"{brief(now - each.died_at)} ago",
                url_cell(each.url),
                each.error or "",
            ]
            for each in letters
        ],
    )


def _successor(letter: DeadLetter) -> Cell:
    return "-" if letter.resurrected_as is None else Styled(task_name(letter.resurrected_as), GOOD)


def group_grid(groups: Sequence[FailureGroup], now: int) -> Grid:
    """Return kinds of failure as a list."""
    columns = (
        Column("FAILURE"),
        Column("COUNT", "right"),
        Column("CAUSE"),
        Column("FIRST"),
        Column("LAST"),
        Column("EXAMPLE", "right"),
        Column("ERROR", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                Styled(each.failure, ACCENT),
                f"{each.letters:,}",
                Styled(each.cause, BAD),
                f"{brief(now - each.first_at)} ago",
                f"{brief(now - each.last_at)} ago",
                str(each.example.id),
                each.shape,
            ]
            for each in groups
        ],
    )


def letter_facts(letter: DeadLetter, zone: str) -> Facts:
    """Return everything about one dead letter."""
    rows: list[tuple[str, Cell]] = [
        ("dead letter", Styled(str(letter.id), STRONG)),
        ("task", task_name(letter.task_id)),
        ("url", url_cell(letter.url)),
        ("queue", f"{letter.queue}, score {letter.priority_score}"),
        ("handler", letter.handler),
        ("cause", Styled(letter.cause, BAD)),
        ("error", letter.error or "-"),
        ("failure", letter.failure),
        ("runs", str(letter.attempts)),
        ("died", shown(letter.died_at, zone)),
    ]
    if letter.batch_id is not None:
        rows.insert(2, ("batch", batch_name(letter.batch_id)))
    if letter.resurrected_as is not None:
        when = shown(letter.resurrected_at, zone)
        rows.append(("resurrected", f"{when}, as {task_name(letter.resurrected_as)}"))
    return Facts(rows)
