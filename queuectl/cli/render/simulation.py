"""How a forecast looks: the end of each queue, with a change beside it, and the tasks that wait longest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, GOOD, STRONG
from queuectl.cli.render.words import brief, count, duration, short_queue
from queuectl.domain.forecast import Forecast, QueueForecast
from queuectl.domain.task import task_name
from queuectl.operations.forecast import Delay, Simulation
from queuectl.times import shown

_NEVER = Styled("never", BAD)


def simulation_grids(found: Simulation, zone: str) -> list[Grid]:
    """Return the queues, and below them the tasks that wait longest or are delayed most."""
    grids = [_queues(found, zone)]
    if found.delayed:
        grids.append(_delays(found, zone))
    return grids


def _queues(found: Simulation, zone: str) -> Grid:
    columns = [Column("QUEUE"), Column("TASKS", "right"), Column("DONE"), Column("LONGEST WAIT", "right")]
    if found.changed is not None:
        columns[2:] = [Column("DONE NOW"), Column("WHAT IF"), Column("DIFFERENCE", "right")]
    rows = [
        _queue_row(found, place, queue, zone)
        for place, queue in enumerate(found.present.queues)
        if queue.tasks or (found.changed is not None and found.changed.queues[place].tasks)
    ]
    total: list[Cell] = [Styled("all", STRONG), _tasks(found.present.queues, _then(found))]
    total += [_end(found.present.ends_at, found.present, zone)]
    if found.changed is None:
        waits = [queue.longest_wait for queue in found.present.queues if queue.longest_wait is not None]
        total.append(duration(max(waits, default=None)))
    else:
        total += [
            _end(found.changed.ends_at, found.changed, zone),
            _difference(found.present.ends_at, found.changed.ends_at),
        ]
    return Grid(tuple(columns), [*rows, total])


def _queue_row(found: Simulation, place: int, queue: QueueForecast, zone: str) -> list[Cell]:
    other = queue if found.changed is None else found.changed.queues[place]
    row: list[Cell] = [short_queue(queue.name), _tasks([queue], [other]), _queue_end(queue, zone)]
    if found.changed is None:
        return [*row, duration(queue.longest_wait)]
    return [*row, _queue_end(other, zone), _difference(queue.ends_at, other.ends_at)]


def _then(found: Simulation) -> Sequence[QueueForecast]:
    return found.present.queues if found.changed is None else found.changed.queues


def _tasks(now: Iterable[QueueForecast], then: Iterable[QueueForecast]) -> str:
    """Say how many tasks there are, and how many more in the what-if."""
    number, added = sum(queue.tasks for queue in now), sum(queue.tasks for queue in then)
    return f"{number:,}" if number == added else f"{number:,} + {added - number:,}"


def _queue_end(queue: QueueForecast, zone: str) -> Cell:
    if queue.never:
        return Styled(f"never for {queue.never:,}", BAD)
    return shown(queue.ends_at, zone)


def _end(at: int | None, forecast: Forecast, zone: str) -> Cell:
    if at is None and any(queue.never for queue in forecast.queues):
        return _NEVER
    return shown(at, zone)


def _difference(before: int | None, after: int | None) -> Cell:
    if before is None or after is None or before == after:
        return "-" if before is None or after is None else "none"
    words = brief(abs(after - before))
    return Styled(f"+{words}", CAREFUL) if after > before else Styled(f"-{words}", GOOD)


def _delays(found: Simulation, zone: str) -> Grid:
    columns = [Column("TASK"), Column("QUEUE"), Column("STARTS"), Column("WAITS", "right")]
    if found.changed is not None:
        columns[2:] = [Column("STARTS IN THE WHAT-IF"), Column("LATER BY", "right")]
    return Grid(
        tuple(columns), [_delay_row(each, zone, compared=found.changed is not None) for each in found.delayed]
    )


def _delay_row(each: Delay, zone: str, *, compared: bool) -> list[Cell]:
    start = each.starts_then if compared else each.starts_at
    waits = each.later_ms if compared else (None if start is None else start - each.due_at)
    return [
        task_name(each.task),
        short_queue(each.queue),
        _NEVER if start is None else shown(start, zone),
        duration(waits),
    ]


def simulation_words(found: Simulation, zone: str) -> list[str]:
    """Return what a person should know beside the tables."""
    workers = count(found.workers, "worker")
    lines = [
        f"at {shown(found.at, zone)}, {workers}"
        + (f" now and {found.workers_then:,} in the what-if" if found.workers_then != found.workers else "")
        + ("" if found.daemon_runs else "; no daemon is running: it is thought to be started now")
    ]
    if found.added:
        lines.append(f"the what-if has {count(found.added, 'task')} more")
    if found.changed is not None:
        delayed = count(found.delayed_count, "task starts", "tasks start")
        lines.append(f"{delayed} later by a second or more, {found.hastened_count:,} earlier")
    lines.append(
        f"run times as in the last {count(found.recorded, 'run')}"
        if found.recorded
        else "no run has been recorded yet: each is assumed to take a second"
    )
    if found.weight > 1:
        lines.append(f"sampled: one of {found.weight:,} tasks was followed and stands for all of them")
    return lines
