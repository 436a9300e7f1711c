"""How exports, imports and copies are shown: what came, what was here already, and which settings change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from queuectl.cli.render.grid import Cell, Column, Grid
from queuectl.cli.render.tables import state_cell
from queuectl.cli.render.words import count, short_queue
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import task_name
from queuectl.domain.transfer import ExportReceipt, IdRange, ImportReceipt, QueueChange

if TYPE_CHECKING:
    from queuectl.operations.copying import CopyReceipt

_COURSE = tuple(State)
_SHOWN = 3
"""So many ranges of ids and names of schedules are told in a sentence; --json tells the others."""


def export_shape(receipt: ExportReceipt) -> dict[str, Any]:
    """Return a finished export."""
    return asdict(receipt)


def import_shape(receipt: ImportReceipt) -> dict[str, Any]:
    """Return what an import did or would do; ``created`` are the first and last of each range of new ids."""
    return {
        "dry_run": receipt.dry_run,
        "tasks": receipt.tasks,
        "skipped": receipt.skipped,
        "batches": receipt.batches,
        "attempts": receipt.attempts,
        "dead_letters": receipt.dead_letters,
        "schedules": list(receipt.schedules),
        "schedules_skipped": receipt.schedules_skipped,
        "queues": [
            {
                "queue": queue,
                "state": state.value,
                "new": receipt.new.get((queue, state), 0),
                "here_already": receipt.conflicts.get((queue, state), 0),
            }
            for queue, state in _rows(receipt)
        ],
        "queue_changes": [asdict(change) for change in receipt.queue_changes],
        "ids": [{name: task_name(value) for name, value in asdict(each).items()} for each in receipt.ids],
        "created": [[task_name(first), task_name(last)] for first, last in receipt.created],
    }


def import_grid(receipt: ImportReceipt) -> Grid:
    """Return how many tasks of which queue and state are new, and how many were here already."""
    columns = (Column("QUEUE"), Column("STATE"), Column("NEW", "right"), Column("HERE ALREADY", "right"))
    rows: list[list[Cell]] = [
        [
            short_queue(queue),
            state_cell(state),
            f"{receipt.new.get((queue, state), 0):,}",
            f"{receipt.conflicts.get((queue, state), 0):,}",
        ]
        for queue, state in _rows(receipt)
    ]
    return Grid(columns, rows)


def change_grid(changes: Sequence[QueueChange]) -> Grid:
    """Return which settings of queues change, from what to what."""
    columns = (Column("QUEUE"), Column("SETTING"), Column("BEFORE"), Column("AFTER"))
    return Grid(columns, [[short_queue(each.queue), each.key, each.before, each.after] for each in changes])


def copy_shape(receipt: CopyReceipt) -> dict[str, Any]:
    """Return a copied database."""
    return asdict(receipt)


def copy_grid(receipt: CopyReceipt) -> Grid:
    """Return how many rows of which table were copied."""
    columns = (Column("TABLE"), Column("ROWS", "right"))
    return Grid(columns, [[each.table, f"{each.rows:,}"] for each in receipt.tables])


def import_sentences(receipt: ImportReceipt) -> list[str]:
    """Return what there is to say about an import beside its numbers."""
    said = []
    if receipt.dry_run:
        would = f"{count(receipt.tasks, 'task')} would be imported"
        said.append(f"{would}, {receipt.skipped:,} skipped; nothing was changed")
    else:
        came = f"{count(receipt.tasks, 'task')} imported"
        ids = ", ".join(_range_shown(each) for each in receipt.ids[:_SHOWN])
        more = ", ..." if len(receipt.ids) > _SHOWN else ""
        said.append(f"{came}, {receipt.skipped:,} skipped{': ' if ids else ''}{ids}{more}")
    if receipt.schedules or receipt.schedules_skipped:
        names = ", ".join(receipt.schedules[:_SHOWN]) + (", ..." if len(receipt.schedules) > _SHOWN else "")
        came = (
            f"{count(len(receipt.schedules), 'schedule')} {'would be added' if receipt.dry_run else 'added'}"
        )
        said.append(f"{came}, {receipt.schedules_skipped:,} skipped{': ' if names else ''}{names}")
    if receipt.skipped or receipt.schedules_skipped:
        said.append("what is here already was skipped; --on-conflict new imports it a second time")
    return said


def _range_shown(each: IdRange) -> str:
    if each.old_first == each.old_last:
        return f"{task_name(each.old_first)} is now {task_name(each.new_first)}"
    old = f"{task_name(each.old_first)} to {task_name(each.old_last)}"
    return f"{old} are now {task_name(each.new_first)} to {task_name(each.new_last)}"


def _rows(receipt: ImportReceipt) -> list[tuple[str, State]]:
    keys = receipt.new.keys() | receipt.conflicts.keys()
    return sorted(keys, key=lambda key: (QUEUES.index(key[0]), _COURSE.index(key[1])))
