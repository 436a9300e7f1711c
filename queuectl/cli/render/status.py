"""The screen of ``status``: queues by state, daemons, running tasks, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from queuectl.cli.render.grid import Cell, Column, Grid, Styled, rich_cell
from queuectl.cli.render.safe import safe
from queuectl.cli.render.style import ACCENT, BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.tables import url_cell
from queuectl.cli.render.words import block_words, brief, clock, count, per_minute, short_queue
from queuectl.domain.status import DEAD_LETTERS_COUNTED, NodeStatus, QueueStatus, RealtimeStatus, RunningTask
from queuectl.domain.task import task_name
from queuectl.times import shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_BAR_COLUMNS = 10
_ROOM_FOR_BLOCKS = 102


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should know, and what to type about it."""

    message: str
    hint: str
    style: str = CAREFUL


@dataclass(frozen=True, slots=True)
class Screen:
    """What is on the screen at one moment; times are shown in ``zone``."""

    status: RealtimeStatus
    running: Sequence[RunningTask]
    zone: str
    trouble: str | None = None

    def alerts(self) -> list[Alert]:
        """Return what needs a person, the worst first."""
        return list(_alerts(self.status))


def plain_status(screen: Screen) -> list[str]:
    """Return the screen as lines for a pipe or a file."""
    lines = [f"at        {shown(screen.status.at, screen.zone)}", f"database  {screen.status.database}", ""]
    lines += _queues(screen).plain()
    if screen.running:
        lines += ["", *_running(screen.running).plain()]
    lines.append("")
    if pace := pace_words(screen.status):
        lines.append(f"pace      {pace}")
    lines += [f"daemon    {_node_text(node, screen.status)}" for node in living(screen.status)]
    return lines + [f"alert     {alert.message}: {alert.hint}" for alert in screen.alerts()]


def rich_status(screen: Screen, room: int, *, lines: int | None = None) -> RenderableType:
    """Return the screen for a terminal with so many columns of characters.

    With ``lines`` it is a live screen of so many lines, on which no more running tasks are shown than fit.
    """
    from rich.console import Group
    from rich.text import Text

    above = _above(screen, room)
    alerts = [alert_line(alert) for alert in screen.alerts()]
    if screen.trouble is not None:
        alerts.insert(0, _one_line(f"! {safe(screen.trouble, 200)}", BAD))
    running = screen.running
    if lines is not None:
        left = lines - len(above) - (len(alerts) + 1 if alerts else 0) - 4
        running = running[: max(0, left)]
    parts: list[RenderableType] = [*above]
    if running:
        parts += [Text(), *_running(running).lines(room)]
    if alerts:
        parts += [Text(), *alerts] if living(screen.status) or running else alerts
    if lines is not None:
        parts += [Text(), _one_line("q leaves", FAINT)]
    return Group(*parts)


def _above(screen: Screen, room: int) -> list[Text]:
    """Return the lines that are there whatever runs: heading, queues, pace and daemons."""
    from rich.text import Text

    wide = room >= _ROOM_FOR_BLOCKS
    parts = [_heading(screen), Text(), *_queues(screen, with_blocks=wide).lines(room)]
    if not wide and (held_back := _held_back(screen)):
        parts.append(_one_line(held_back, CAREFUL))
    parts.append(Text())
    if pace := pace_words(screen.status):
        parts.append(_one_line(f"  pace    {pace}", ""))
    return parts + [node_line(node, screen.status) for node in living(screen.status)]


def pace_words(status: RealtimeStatus) -> str:
    """Return how fast tasks pass, how many runs fail, and when all that waits is done; empty if nothing ran lately."""
    pace = status.pace
    if not pace.runs:
        return ""
    words = per_minute(pace.per_minute)
    if pace.per_minute_of_15 is not None:
        words += f", {pace.per_minute_of_15:,.1f} over 15 min"
    words += f", {pace.failed_share:.1%} failed"
    drained = pace.drained_in_ms(status.startable)
    return f"{words}, drained in about {brief(drained)}" if drained is not None else words


def _one_line(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _heading(screen: Screen) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("queuectl", style=STRONG)
    text.append(f"  {shown(screen.status.at, screen.zone)}")
    text.append(f"  {safe(screen.status.database)}", style=FAINT)
    return text


def _queues(screen: Screen, *, with_blocks: bool = True) -> Grid:
    status = screen.status
    columns = [
        Column("QUEUE"),
        Column("WAITING", "right"),
        Column("SCHEDULED", "right"),
        Column("RUNNING", "right"),
        Column("SUCCEEDED", "right"),
        Column("DEAD", "right"),
        Column("CANCELLED", "right"),
        Column("OLDEST", "right"),
    ]
    rows = [_queue_row(queue) for queue in status.queues]
    total: list[Cell] = [Styled("total", STRONG)]
    for name in ("waiting", "scheduled", "running", "succeeded", "dead", "cancelled"):
        total.append(Styled(f"{sum(getattr(queue, name) for queue in status.queues):,}", STRONG))
    rows.append([*total, ""])
    blocks = _blocks(screen)
    if blocks and with_blocks:
        columns.append(Column("HELD BACK BY", flexible=True))
        for row, name in zip(rows, [*(queue.name for queue in status.queues), ""], strict=True):
            row.append(Styled(blocks.get(name, ""), CAREFUL))
    return Grid(tuple(columns), rows)


def _blocks(screen: Screen) -> dict[str, str]:
    """Return what holds back the tasks of which queue; that a queue is paused is said elsewhere."""
    return {
        queue.name: block_words(queue.block, screen.status.at, screen.zone)
        for queue in screen.status.queues
        if queue.block is not None and not queue.paused
    }


def _held_back(screen: Screen) -> str:
    """Return the same on one line, for a screen without room for one more column."""
    said = [f"{short_queue(name)} by {words}" for name, words in _blocks(screen).items()]
    return f"held back: {', '.join(said)}" if said else ""


def _queue_row(queue: QueueStatus) -> list[Cell]:
    oldest = brief(queue.oldest_wait_ms) if queue.oldest_wait_ms is not None else ""
    return [
        short_queue(queue.name),
        _number(queue.waiting),
        _number(queue.scheduled, "blue"),
        _number(queue.running, ACCENT),
        _number(queue.succeeded, GOOD),
        _number(queue.dead, BAD),
        _number(queue.cancelled),
        Styled("paused", CAREFUL) if queue.paused else oldest,
    ]


def _number(number: int, style: str = "") -> Cell:
    return Styled(f"{number:,}", style if number else FAINT)


def living(status: RealtimeStatus) -> list[NodeStatus]:
    """Return the daemons that work."""
    return [node for node in status.nodes if node.alive]


def _node_text(node: NodeStatus, status: RealtimeStatus) -> str:
    # A daemon describes itself now and then; where it is the only one, the tasks tell it as it is.
    alone = len(living(status)) == 1
    busy = sum(queue.running for queue in status.queues) if alone else node.running
    transport = node.transport if node.transport_up else f"{node.transport} (down)"
    # The pace of the only daemon is that of the system, which has a line of its own.
    rate = "" if alone and status.pace.runs else f", {per_minute(node.per_minute)}"
    up = brief(status.at - node.started_at)
    if node.role == "scheduler":
        return f"pid {node.pid} on {node.host}, scheduler, {transport}, up {up}"
    role = "" if node.role == "all" else f"{node.role}, "
    return f"pid {node.pid} on {node.host}, {role}{busy} of {node.workers} workers busy, {transport}{rate}, up {up}"


def node_line(node: NodeStatus, status: RealtimeStatus) -> Text:
    """Return a daemon on one line."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("✓ daemon  ", style=GOOD if node.transport_up else CAREFUL)
    return text.append(safe(_node_text(node, status)))


def _running(running: Sequence[RunningTask]) -> Grid:
    columns = (
        Column("RUNNING"),
        Column("QUEUE"),
        Column("FOR", "right"),
        Column("PROGRESS"),
        Column("URL", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                Styled(task_name(each.task.id), ACCENT),
                short_queue(each.task.queue),
                clock(each.elapsed_ms),
                progress_cell(each),
                url_cell(each.task.url),
            ]
            for each in running
        ],
    )


def progress_cell(running: RunningTask) -> Cell:
    """Return what a handler last said of its progress."""
    part = "" if running.fraction is None else f"{running.fraction:.0%} "
    return Styled(f"{part}{running.note or ''}".rstrip(), drawn=progress_text(running.fraction, running.note))


def progress_text(fraction: float | None, note: str | None) -> str:
    """Return a bar, a percentage and what the handler does now; only what it has said."""
    if fraction is None:
        return note or ""
    part = min(1.0, max(0.0, fraction))
    full = round(part * _BAR_COLUMNS)
    bar = "▰" * full + "▱" * (_BAR_COLUMNS - full)
    return f"{bar} {part:4.0%} {safe(note or '', 20)}".rstrip()


def _alerts(status: RealtimeStatus) -> Iterator[Alert]:
    alive = living(status)
    if not alive:
        waiting = sum(queue.waiting for queue in status.queues)
        what = f"no daemon is running and {count(waiting, 'task waits', 'tasks wait')}" if waiting else None
        yield Alert(what or "no daemon is running", "queuectl daemon start", BAD if waiting else CAREFUL)
    if role := status.missing_role:
        idle = role == "worker"
        yield Alert(
            "only schedulers run, so no task starts" if idle else "only workers run, so no schedule fires",
            f"queuectl daemon start --role {role}",
            BAD if idle else CAREFUL,
        )
    for node in status.nodes:
        if not node.alive:
            silent = brief(status.at - node.heartbeat_at)
            yield Alert(
                f"the daemon on {node.host} (pid {node.pid}) is silent since {silent}", "queuectl doctor", BAD
            )
    if any(not node.transport_up for node in alive):
        yield Alert("Redis does not answer; the daemon goes on without it", "queuectl doctor", BAD)
    for queue in status.queues:
        if queue.paused:
            name = short_queue(queue.name)
            yield Alert(
                f"{name} is paused with {count(queue.waiting, 'task')}", f"queuectl queue resume {name}"
            )
    for trouble in status.schedule_problems:
        yield Alert(
            f"schedule {trouble.name}: {trouble.problem}",
            f"queuectl schedule show {quote(trouble.name)}",
            BAD,
        )
    if status.dead_letters:
        many = "more than " if status.dead_letters > DEAD_LETTERS_COUNTED else ""
        number = min(status.dead_letters, DEAD_LETTERS_COUNTED)
        waits = count(number, "dead letter waits", "dead letters wait")
        yield Alert(f"{many}{waits} for a decision", "queuectl dead list --group")


def alert_line(alert: Alert) -> Text:
    """Return an alert on one line."""
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append_text(rich_cell(Styled(alert.message, alert.style, "!"))).append(
        f": {safe(alert.hint)}"
    )
