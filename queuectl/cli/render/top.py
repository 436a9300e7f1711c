"""The screen of ``top``: a heading, four lists below each other, and a last line that says what the keys do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from queuectl.cli.render.fullscreen import rendered
from queuectl.cli.render.safe import safe, width
from queuectl.cli.render.status import Screen, alert_line, living, node_line
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.top_panels import panel_grid
from queuectl.cli.render.top_sheets import sheet_lines, sheet_title
from queuectl.cli.render.words import brief, per_minute
from queuectl.cli.top.reading import Reading
from queuectl.cli.top.rows import Panel
from queuectl.cli.top.view import View
from queuectl.domain.status import RealtimeStatus
from queuectl.times import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_ROOM_FOR_ALL = 16
"""With fewer lines only the list that has the keys is shown."""

_ROOM_FOR_GAPS = 22
_CHOSEN = "reverse"
_KEYS = (
    ("?", "help"),
    ("q", "quit"),
    ("Tab", "list"),
    ("Enter", "details"),
    ("e", "explain"),
    ("p", "pause"),
    ("c", "cancel"),
    ("r", "retry"),
    ("/", "filter"),
    ("s", "sort"),
)
_SHEET_KEYS = (("Esc", "back"), ("j k", "move"), *_KEYS[4:8])
_CHANGING = frozenset({"pause", "cancel", "retry"})


def top_lines(
    console: Console, view: View, reading: Reading, size: os.terminal_size, zone: str, note: str | None
) -> list[str]:
    """Return the screen as lines with their colours, as many as the terminal has.

    ``note`` says what is wrong with what was read.
    """
    from rich.console import Group

    head = _head(view, zone, note)
    room = max(1, size.lines - len(head) - 1)
    if view.sheet is not None:
        head.append(sheet_title(view.sheet))
        body = sheet_lines(console, view.sheet, reading, size.columns, zone)
        view.page_lines = max(1, room - 2)
        view.sheet.top = max(0, min(view.sheet.top, len(body) - (room - 1)))
        lines = rendered(console, Group(*head), size.columns)
        lines += body[view.sheet.top :][: room - 1]
    else:
        lines = rendered(console, Group(*head, *_panels(view, room, size.columns, zone)), size.columns)
    lines = lines[: size.lines - 1]
    lines += [""] * (size.lines - 1 - len(lines))
    return lines + rendered(console, _foot(view, size.columns), size.columns)


def _head(view: View, zone: str, note: str | None) -> list[Text]:
    from rich.text import Text

    status = view.snapshot.status
    first = _line()
    first.append("queuectl top", style=STRONG)
    first.append(f"  {shown(status.at, zone)}")
    if view.readonly:
        first.append("  read only", style=CAREFUL)
    first.append(f"  {safe(status.database)}", style=FAINT)
    lines = [first]
    if living(status):
        lines.append(_daemons(status))
    alerts = Screen(status, [], zone).alerts()
    if note:
        lines.append(Text(f"! {safe(note, 300)}", style=BAD, no_wrap=True, overflow="ellipsis"))
    elif alerts:
        line = alert_line(alerts[0])
        if len(alerts) > 1:
            line = _line().append(f"({len(alerts)} alerts) ", style=FAINT).append_text(line)
        lines.append(line)
    return lines


def _daemons(status: RealtimeStatus) -> Text:
    nodes = living(status)
    pace = f", {per_minute(status.pace.per_minute)}" if status.pace.runs else ""
    if len(nodes) == 1:
        return node_line(nodes[0], status).append(pace)
    line = _line()
    line.append("✓ ", style=GOOD if all(node.transport_up for node in nodes) else CAREFUL)
    workers = sum(node.workers for node in nodes)
    busy = sum(queue.running for queue in status.queues)
    line.append(f"{len(nodes)} daemons  {busy} of {workers} workers busy")
    oldest = brief(status.at - min(node.started_at for node in nodes))
    return line.append(f", the oldest up {oldest}{pace}")


def _panels(view: View, room: int, columns: int, zone: str) -> list[Text]:
    """Return the lists, each with as many lines as it may have."""
    if room < _ROOM_FOR_ALL:
        return _panel(view, view.panel, room - 1, columns, zone)
    gap = room >= _ROOM_FOR_GAPS - 4
    queues = len(view.rows(Panel.QUEUES))
    others = [panel for panel in Panel if panel is not Panel.QUEUES]
    left = room - queues - 1 - len(others) - (len(others) if gap else 0)
    shares = _shares(view, left)
    lines = _panel(view, Panel.QUEUES, queues, columns, zone)
    for panel in others:
        if gap:
            lines.append(_line())
        lines += _panel(view, panel, shares[panel], columns, zone)
    return lines


def _shares(view: View, lines: int) -> Mapping[Panel, int]:
    """Share lines out among the lists of tasks: by turns, two at a time to the one that has the keys."""
    needs: dict[Panel, int] = {
        panel: max(1, len(view.rows(panel))) for panel in Panel if panel is not Panel.QUEUES
    }
    shares = dict.fromkeys(needs, 0)
    while lines > 0:
        open_ones = [panel for panel in needs if shares[panel] < needs[panel]]
        if not open_ones:
            break
        panel = min(open_ones, key=lambda each: shares[each] / (2 if each is view.panel else 1))
        shares[panel] += 1
        lines -= 1
    return shares


def _panel(view: View, panel: Panel, lines: int, columns: int, zone: str) -> list[Text]:
    """Return a list's heading and the part of it around the chosen line."""
    rows, place = view.rows(panel), view.place(panel)
    lines = max(1, lines)
    first = max(0, place - lines + 1) if panel is view.panel else 0
    seen = rows[first : first + lines]
    grid = panel_grid(panel, seen, view.snapshot.status, zone, columns)
    heading, *drawn = grid.lines(columns)
    if panel is view.panel:
        heading.stylize("reverse", 0, len(grid.columns[0].title))
        if rows:
            drawn[place - first].stylize(_CHOSEN)
    _say_beside(heading, _told(view, panel, len(rows)), columns)
    if not rows:
        line = _line()
        drawn = [line.append("none" if not view.filter else "none matches the filter", style=FAINT)]
    return [heading, *drawn]


def _told(view: View, panel: Panel, found: int) -> str:
    """Return what stands at the right of a heading: how many there are, and in which order."""
    order = view.order(panel).name
    if panel is Panel.QUEUES:
        return order if view.panel is panel else ""
    filtered = f' with "{safe(view.filter, 20)}"' if view.filter else ""
    numbers = f"{found:,}{filtered}"
    queues = view.snapshot.status.queues
    if panel is Panel.RUNNING:
        total: int | None = sum(queue.running for queue in queues)
    elif panel is Panel.WAITING:
        total = sum(queue.waiting + queue.scheduled for queue in queues)
    else:
        total = None
    if total is not None and (total > found or view.filter):
        numbers = f"{numbers} of {total:,}"
    return f"{numbers}, {order}"


def _say_beside(heading: Text, told: str, columns: int) -> None:
    """Put a text at the right end of a heading, if there is room for it."""
    heading.rstrip()
    gap = columns - heading.cell_len - width(told)
    if told and gap >= 2:
        heading.append(" " * gap + told, style=FAINT)


def _foot(view: View, columns: int) -> Text:
    line = _line()
    if view.question is not None:
        line.append(f"{safe(view.question.text)}  ", style=CAREFUL)
        return line.append("y yes, any other key no", style=STRONG)
    if view.typing:
        line.append(f"filter: {safe(view.filter)}")
        return line.append("▏  Enter keeps it, Esc forgets it", style=FAINT)
    if view.message is not None:
        style = BAD if view.message.is_bad else GOOD
        return line.append(safe(view.message.text), style=style)
    for key, word in _KEYS if view.sheet is None else _SHEET_KEYS:
        if view.readonly and word in _CHANGING:
            continue
        if line.cell_len + len(key) + len(word) + 3 > columns:
            break
        line.append(key, style=STRONG)
        line.append(f" {word}  ", style=FAINT)
    return line


def _line() -> Text:
    from rich.text import Text

    return Text(no_wrap=True, overflow="ellipsis")
