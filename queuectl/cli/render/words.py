"""Durations, ages and counts in few words."""

from __future__ import annotations

from datetime import datetime

from queuectl.domain.admission import Block
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.task import Task
from queuectl.times import zone_named

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000


def duration(ms: int | None) -> str:
    """Return a duration in its one or two leading units, such as ``1.2 s`` or ``2 h 05 min``."""
    if ms is None:
        return "-"
    ms = max(0, ms)
    if ms < _SECOND:
        return f"{ms} ms"
    if ms < 10 * _SECOND:
        return f"{ms // 100 / 10:.1f} s"
    if ms < _MINUTE:
        return f"{ms // _SECOND} s"
    if ms < _HOUR:
        return f"{ms // _MINUTE} min {ms % _MINUTE // _SECOND:02d} s"
    if ms < _DAY:
        return f"{ms // _HOUR} h {ms % _HOUR // _MINUTE:02d} min"
    return f"{ms // _DAY} d {ms % _DAY // _HOUR:02d} h"


def brief(ms: int | None) -> str:
    """Return a duration in its leading unit alone, such as ``3 min``."""
    if ms is None:
        return "-"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if ms >= unit:
            return f"{ms // unit} {name}"
    return f"{max(0, ms) // _SECOND} s"


def clock(ms: int) -> str:
    """Return a duration as a stopwatch shows it: ``0:07``, ``12:30``, ``1:02:03``."""
    seconds = max(0, ms) // _SECOND
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def when(task: Task, now: int) -> str:
    """Return the time that matters about a task in its present state."""
    if task.state in FINAL:
        return f"{brief(now - (task.finished_at or task.created_at))} ago"
    if task.state is State.RUNNING:
        return f"for {brief(now - (task.started_at or now))}"
    if task.due_at > now:
        return f"in {brief(task.due_at - now)}"
    return f"since {brief(now - task.due_at)}"


def block_words(block: Block, now: int, zone: str) -> str:
    """Return in few words why no task of a queue starts, such as ``rate limit until 10:32``."""
    words = block.reason.value.replace("_", " ")
    if block.until is None:
        return words
    moment = datetime.fromtimestamp(block.until / 1000, zone_named(zone))
    if block.until - now < _MINUTE:
        return f"{words} until {moment:%H:%M:%S}"
    return (
        f"{words} until {moment:%H:%M}" if block.until - now < _DAY else f"{words} until {moment:%m-%d %H:%M}"
    )


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return a number with its noun, such as ``1 task`` or ``1,200 tasks``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def per_minute(runs: float) -> str:
    """Return how many runs a minute has, such as ``1 run/min``."""
    number = f"{runs:,.0f}"
    return f"{number} {'run' if number == '1' else 'runs'}/min"


def wider(limit: int, largest: int) -> str:
    """Return the end of a sentence about a list that is full: how to see more, where more may be asked for."""
    return f"; there may be more: --limit {min(limit * 10, largest)}" if limit < largest else ""


def size(number: int) -> str:
    """Return a number of bytes in its leading unit, such as ``1.5 MiB``."""
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return count(number, "byte")


def short_queue(name: str) -> str:
    """Return a queue's short name, which is accepted wherever the full one is."""
    return name.removesuffix("_priority")
