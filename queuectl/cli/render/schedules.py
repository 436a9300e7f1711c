"""How schedules and their ticks are shown, and their shapes in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from queuectl.cli.render.facts import Facts
from queuectl.cli.render.grid import Cell, Column, Grid, Styled
from queuectl.cli.render.style import BAD, CAREFUL, FAINT, GOOD, STRONG
from queuectl.cli.render.tables import url_cell
from queuectl.cli.render.words import brief, count
from queuectl.domain.cron import parse
from queuectl.domain.priority import level_of_score
from queuectl.domain.schedule import Schedule, Tick
from queuectl.domain.task import batch_name
from queuectl.domain.ticks import PlannedTick
from queuectl.times import shown

_OUTCOMES = {"submitted": GOOD, "skipped": CAREFUL, "refused": BAD, "failed": BAD}
_SIGNS = {"submitted": "✓", "skipped": "⊘", "refused": "✗", "failed": "✗"}


def tick_time(at: int | None, zone: str) -> str:
    """Return a tick's time without its seconds, which are always none, and with the name of its zone."""
    text = shown(at, zone)
    return text if at is None or at % 60_000 else f"{text[:16]} {zone}{_offset(text, zone)}"


def _offset(text: str, zone: str) -> str:
    return "" if zone == "UTC" else f" ({text[20:]})"


def schedule_grid(schedules: Sequence[Schedule], last: Mapping[int, Tick], now: int) -> Grid:
    """Return schedules as a list."""
    columns = (
        Column("NAME"),
        Column("STATE"),
        Column("NEXT"),
        Column("CRON"),
        Column("ZONE"),
        Column("LAST"),
        Column("SOURCE", flexible=True),
    )
    return Grid(
        columns,
        [
            [
                each.name,
                _state(each),
                _next(each, now),
                each.cron,
                each.zone,
                _last(last.get(each.id), now),
                url_cell(each.source),
            ]
            for each in schedules
        ],
    )


def _state(schedule: Schedule) -> Cell:
    if schedule.paused:
        return Styled("paused", CAREFUL)
    return Styled("problem", BAD, "!") if schedule.problem else Styled("on", GOOD)


def _next(schedule: Schedule, now: int) -> Cell:
    if schedule.paused or schedule.next_tick_at is None:
        return Styled("-", FAINT)
    wait = schedule.next_tick_at - now
    return f"in {brief(wait)}" if wait >= 0 else Styled(f"overdue {brief(-wait)}", CAREFUL)


def _last(tick: Tick | None, now: int) -> Cell:
    if tick is None:
        return Styled("-", FAINT)
    words = count(tick.accepted, "task") if tick.outcome == "submitted" else tick.outcome
    return Styled(f"{words} {brief(now - tick.fired_at)} ago", _OUTCOMES[tick.outcome])


def schedule_facts(schedule: Schedule, coming: Sequence[PlannedTick]) -> Facts:
    """Return everything about one schedule but its past ticks; what it has not is left out."""
    queue = level_of_score(schedule.priority_score).queue
    wanted = {None: "feeds only once, lists every time", True: "each only once", False: "every time"}
    rows: list[tuple[str, Cell | None]] = [
        ("schedule", Styled(schedule.name, STRONG)),
        ("state", _state(schedule)),
        ("problem", _problem(schedule)),
        ("source", url_cell(schedule.source)),
        ("cron", f"{schedule.cron} ({parse(schedule.cron).in_words()})"),
        ("zone", schedule.zone),
        ("queue", f"{queue}, score {schedule.priority_score}"),
        ("handler", schedule.handler),
        ("metadata", json.dumps(schedule.metadata, ensure_ascii=False) if schedule.metadata else None),
        ("urls", wanted[schedule.only_new]),
        ("catch up", schedule.catch_up),
        ("overlap", schedule.overlap),
        (
            "last good",
            None if schedule.good_entries is None else count(schedule.good_entries, "entry", "entries"),
        ),
        ("added", shown(schedule.created_at, schedule.zone)),
    ]
    for tick in coming:
        rows.append(("next", tick_time(tick.at, schedule.zone) + (f" ({tick.note})" if tick.note else "")))
    return Facts([(name, cell) for name, cell in rows if cell is not None])


def _problem(schedule: Schedule) -> Cell | None:
    if schedule.problem is None:
        return None
    return Styled(f"{schedule.problem} (since {shown(schedule.problem_since, schedule.zone)})", BAD)


def tick_grid(ticks: Sequence[Tick], zone: str) -> Grid:
    """Return past ticks, the newest first."""
    columns = (
        Column("TICK"),
        Column("OUTCOME"),
        Column("TASKS", "right"),
        Column("BATCH"),
        Column("NOTE", flexible=True),
    )
    return Grid(columns, [_tick_row(tick, zone) for tick in ticks])


def _tick_row(tick: Tick, zone: str) -> list[Cell]:
    time = shown(tick.tick_at, zone)
    return [
        f"{time[:16]}{time[19:]}",
        Styled(tick.outcome, _OUTCOMES[tick.outcome], _SIGNS[tick.outcome]),
        f"{tick.accepted:,}",
        "-" if tick.batch_id is None else batch_name(tick.batch_id),
        "; ".join(_notes(tick)),
    ]


def _notes(tick: Tick) -> Iterator[str]:
    if tick.by_hand:
        yield "by hand"
    if tick.missed:
        yield f"for {count(tick.missed, 'missed tick')} too"
    if tick.known:
        yield f"{tick.known:,} known"
    if tick.duplicates:
        yield count(tick.duplicates, "duplicate")
    if tick.invalid:
        yield f"{tick.invalid:,} invalid"
    if tick.problem:
        yield tick.problem


def tick_words(tick: Tick) -> str:
    """Return in one line what a tick has submitted."""
    return (
        f"{count(tick.accepted, 'task')} submitted, {tick.known:,} known,"
        f" {count(tick.duplicates, 'duplicate')}, {tick.invalid:,} invalid"
    )


def planned_grid(ticks: Sequence[PlannedTick], zone: str) -> Grid:
    """Return ticks that are to come, with what the clocks do at them."""
    columns = (Column("TICK"), Column("UTC"), Column("CLOCKS", flexible=True))
    return Grid(
        columns,
        [
            [
                tick_time(tick.at, zone),
                shown(tick.at, "UTC")[:16],
                Styled(tick.note, CAREFUL) if tick.note else "",
            ]
            for tick in ticks
        ],
    )
