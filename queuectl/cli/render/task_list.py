"""The list of tasks: every column it can have, and which of them fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD
from queuectl.cli.render.tables import state_cell, url_cell
from queuectl.cli.render.words import duration, short_queue, when
from queuectl.domain.priority import level_of_score
from queuectl.domain.task import Task, batch_name, task_name
from queuectl.errors import InvalidInputError
from queuectl.shapes.tasks import task_shape
from queuectl.times import shown


@dataclass(frozen=True, slots=True)
class _Field:
    """A column: how a task's cell is made (of the task, now, and the zone), and the name of its JSON value."""

    column: Column
    cell: Callable[[Task, int, str], Cell]
    json: str | None = None


def _time(at: int | None, zone: str) -> Cell:
    return "" if at is None else shown(at, zone)


def _took(task: Task) -> str:
    if task.started_at is None or task.finished_at is None:
        return ""
    return duration(task.finished_at - task.started_at)


def _host(task: Task) -> str:
    return urlsplit(task.url).hostname or ""


_FIELDS: Mapping[str, _Field] = {
    "id": _Field(Column("ID"), lambda task, now, zone: task_name(task.id), "id"),
    "state": _Field(Column("STATE"), lambda task, now, zone: state_cell(task.state), "state"),
    "queue": _Field(Column("QUEUE"), lambda task, now, zone: short_queue(task.queue), "queue"),
    "priority": _Field(
        Column("PRIORITY"), lambda task, now, zone: level_of_score(task.priority_score).name, "priority"
    ),
    "score": _Field(
        Column("SCORE", "right"), lambda task, now, zone: str(task.priority_score), "priority_score"
    ),
    "runs": _Field(Column("RUNS", "right"), lambda task, now, zone: str(task.attempt), "attempt"),
    "when": _Field(Column("WHEN"), lambda task, now, zone: when(task, now)),
    "handler": _Field(Column("HANDLER"), lambda task, now, zone: task.handler, "handler"),
    "batch": _Field(
        Column("BATCH"),
        lambda task, now, zone: "" if task.batch_id is None else batch_name(task.batch_id),
        "batch_id",
    ),
    "host": _Field(Column("HOST", flexible=True), lambda task, now, zone: _host(task)),
    "created": _Field(Column("CREATED"), lambda task, now, zone: _time(task.created_at, zone), "created_at"),
    "planned": _Field(Column("PLANNED FOR"), lambda task, now, zone: _time(task.run_at, zone), "run_at"),
    "due": _Field(Column("DUE"), lambda task, now, zone: _time(task.due_at, zone), "due_at"),
    "started": _Field(Column("STARTED"), lambda task, now, zone: _time(task.started_at, zone), "started_at"),
    "finished": _Field(
        Column("FINISHED"), lambda task, now, zone: _time(task.finished_at, zone), "finished_at"
    ),
    "took": _Field(Column("TOOK", "right"), lambda task, now, zone: _took(task)),
    "url": _Field(Column("URL", flexible=True), lambda task, now, zone: url_cell(task.url), "url"),
    "error": _Field(
        Column("ERROR", flexible=True), lambda task, now, zone: Styled(task.error or "", BAD), "error"
    ),
    "metadata": _Field(
        Column("METADATA", flexible=True),
        lambda task, now, zone: json.dumps(task.metadata, ensure_ascii=False) if task.metadata else "",
        "metadata",
    ),
    "result": _Field(
        Column("RESULT", flexible=True),
        lambda task, now, zone: "" if task.result is None else json.dumps(task.result, ensure_ascii=False),
        "result",
    ),
}
_USUAL = ("id", "state", "queue", "score", "runs", "when", "url")
_NARROW = ("id", "state", "queue", "when", "url")
_BY_JSON_NAME = {field.json: name for name, field in _FIELDS.items() if field.json is not None}
_NARROW_COLUMNS, _WIDE_COLUMNS = 90, 110


def chosen_fields(text: str | None, *, as_json: bool) -> list[str] | None:
    """Return the fields that a list is to have, or None if nothing was said about them.

    Raises:
        InvalidInputError: there is no such field, or it is none of JSON's.
    """
    if text is None:
        return None
    names = [each.strip().lower() for each in text.split(",") if each.strip()]
    names = list(dict.fromkeys(_BY_JSON_NAME.get(name, name) for name in names))
    unknown = [name for name in names if name not in _FIELDS or (as_json and _FIELDS[name].json is None)]
    if unknown or not names:
        known = ", ".join(name for name, field in _FIELDS.items() if field.json or not as_json)
        raise InvalidInputError(
            f"there is no field {unknown[0]!r}" if unknown else "no field is named",
            hint=f"the fields are {known}",
        )
    return names


def task_grid(
    tasks: Sequence[Task], now: int, zone: str, names: Sequence[str] | None = None, width: int | None = None
) -> Grid:
    """Return tasks as a list: with these fields, or with those that fit ``width`` columns of a terminal."""
    chosen = names or _fitting(tasks, width)
    fields = [_FIELDS[name] for name in chosen]
    return Grid(
        tuple(field.column for field in fields),
        [[field.cell(task, now, zone) for field in fields] for task in tasks],
    )


def _fitting(tasks: Sequence[Task], width: int | None) -> Sequence[str]:
    if width is None:
        return _USUAL
    if width < _NARROW_COLUMNS:
        return _NARROW
    return (*_USUAL, "error") if width >= _WIDE_COLUMNS and any(task.error for task in tasks) else _USUAL


def shape_of(task: Task, names: Sequence[str] | None) -> dict[str, Any]:
    """Return a task for programs: all of it, or the named fields."""
    shape = task_shape(task)
    return (
        shape if names is None else {key: shape[key] for key in (_FIELDS[name].json or "" for name in names)}
    )


def count_grid(title: str, counts: Sequence[tuple[str, int]]) -> Grid:
    """Return how many tasks each value has."""
    columns = (Column(title.upper(), flexible=True), Column("TASKS", "right"))
    return Grid(columns, [[_value_cell(title, value), f"{number:,}"] for value, number in counts])


def _value_cell(title: str, value: str) -> Cell:
    if title == "state":
        return state_cell(value)
    return short_queue(value) if title == "queue" else value
