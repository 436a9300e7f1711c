"""The rows of streams: events as they happen, and lines of a task's log."""

from __future__ import annotations

from datetime import datetime

from queuectl.cli.render.grid import Cell, Styled
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD
from queuectl.cli.render.words import short_queue
from queuectl.domain.event import Event
from queuectl.domain.task import task_name
from queuectl.domain.task_log import LogLine
from queuectl.shapes.tasks import level_word
from queuectl.times import shown, zone_named

EVENT_WIDTHS = (0, 12, 12, 10)
"""Every time is as long as the others."""

LOG_WIDTHS = (12, 8)

_STYLES = {"succeed": GOOD, "bury": BAD, "retry": CAREFUL, "cancel": FAINT, "release": CAREFUL}
_NODE = 8
"""So many characters of a node's id tell it from the others."""


def event_row(event: Event, zone: str, *, narrow: bool = False) -> list[Cell]:
    """Return when, what, which task, its queue, and the circumstances; where it is narrow only the time of day."""
    return [
        _clock(event.at, zone) if narrow else shown(event.at, zone),
        Styled(event.kind, _STYLES.get(event.kind, "")),
        task_name(event.task),
        short_queue(event.queue),
        _circumstances(event),
    ]


def _circumstances(event: Event) -> str:
    parts = []
    if event.attempt is not None:
        parts.append(f"run {event.attempt}")
    if event.kind == "start" and event.node:
        parts.append(f"on {event.node[:_NODE]}")
    text = " ".join(parts)
    return f"{text}: {event.why}" if text and event.why else text or event.why or ""


def log_row(line: LogLine, zone: str) -> list[Cell]:
    """Return when, how grave, and what."""
    word = level_word(line.level)
    style = BAD if line.level >= 40 else CAREFUL if line.level >= 30 else FAINT
    return [_clock(line.at, zone), Styled(word, style), line.text]


def _clock(at: int, zone: str) -> str:
    moment = datetime.fromtimestamp(at // 1000, zone_named(zone))
    return f"{moment:%H:%M:%S}.{at % 1000:03d}"
