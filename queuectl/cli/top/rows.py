"""What the panels of ``top`` list: queues, running and waiting tasks, and recent ends, filtered and sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from queuectl.domain.lifecycle import State
from queuectl.domain.status import EndedRun, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import Task, task_name
from queuectl.domain.visible import visible


class Panel(StrEnum):
    """The parts of the screen, from top to bottom."""

    QUEUES = "queues"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read at one moment: a bounded part of each list, whatever is stored."""

    status: RealtimeStatus
    running: Sequence[RunningTask]
    waiting: Sequence[Task]
    ended: Sequence[EndedRun]


Item: TypeAlias = QueueStatus | RunningTask | Task | EndedRun


class Row(NamedTuple):
    """One line of a panel, about a queue or about a task in it; ``key`` is the same at the next reading."""

    key: str
    item: Item
    queue: str
    task: Task | None = None


class Order(NamedTuple):
    """A way to sort a panel; without a key it stays as it was read."""

    name: str
    key: Callable[[Row], float | str] | None = None


def _queue_number(name: str) -> Callable[[Row], float | str]:
    return lambda row: -int(getattr(row.item, name))


def _elapsed(row: Row) -> float:
    return -row.item.elapsed_ms if isinstance(row.item, RunningTask) else 0


def _due(row: Row) -> float:
    return row.item.due_at if isinstance(row.item, Task) else 0


def _newest(row: Row) -> float:
    return -row.task.id if row.task else 0


def _failures_first(row: Row) -> float:
    return isinstance(row.item, EndedRun) and row.item.state not in (State.DEAD, State.RETRYING)


ORDERS: Mapping[Panel, Sequence[Order]] = MappingProxyType(
    {
        Panel.QUEUES: (
            Order("most urgent first"),
            Order("most waiting first", _queue_number("waiting")),
            Order("most running first", _queue_number("running")),
            Order("most dead first", _queue_number("dead")),
        ),
        Panel.RUNNING: (
            Order("newest first"),
            Order("longest first", _elapsed),
            Order("by queue", lambda row: row.queue),
        ),
        Panel.WAITING: (
            Order("next first"),
            Order("longest due first", _due),
            Order("newest first", _newest),
        ),
        Panel.ENDED: (
            Order("latest first"),
            Order("failures first", _failures_first),
            Order("by queue", lambda row: row.queue),
        ),
    }
)


def rows_of(snapshot: Snapshot, panel: Panel, order: Order, wanted: str) -> list[Row]:
    """Return the lines of a panel that have ``wanted`` in what is shown of them."""
    rows = list(_rows(snapshot, panel))
    if wanted and panel is not Panel.QUEUES:
        rows = [row for row in rows if wanted.casefold() in _text(row).casefold()]
    return sorted(rows, key=order.key) if order.key else rows


def _rows(snapshot: Snapshot, panel: Panel) -> list[Row]:
    match panel:
        case Panel.QUEUES:
            return [Row(queue.name, queue, queue.name) for queue in snapshot.status.queues]
        case Panel.RUNNING:
            return [_row(each, each.task) for each in snapshot.running]
        case Panel.WAITING:
            return [_row(task, task) for task in snapshot.waiting]
        case Panel.ENDED:
            return [_row(each, each.task, f" {each.at}") for each in snapshot.ended]


def _row(item: Item, task: Task, suffix: str = "") -> Row:
    return Row(f"{task_name(task.id)}{suffix}", item, task.queue, task)


def _text(row: Row) -> str:
    task = row.task
    if task is None:
        return row.key
    state = row.item.state if isinstance(row.item, EndedRun) else task.state
    error = row.item.error if isinstance(row.item, EndedRun) else task.error
    parts = (task_name(task.id), task.queue, state, task.handler, task.url, title_of(task), error or "")
    return visible(" ".join(parts))


def state_of(snapshot: Snapshot, name: str) -> State | None:
    """Return the state of a task as far as the lists tell it; None if it is in none of them."""
    lists = (
        [each.task for each in snapshot.running],
        snapshot.waiting,
        [each.task for each in snapshot.ended],
    )
    return next((task.state for each in lists for task in each if task_name(task.id) == name), None)


def title_of(task: Task) -> str:
    """Return the title that came with a task, empty if there was none."""
    title = task.metadata.get("title")
    return title.strip() if isinstance(title, str) else ""
