"""Each metric of a report made from its figures: what its tables, charts and notes say."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from queuectl.domain.histogram import RELATIVE_ERROR, Histogram
from queuectl.domain.priority import QUEUES
from queuectl.domain.report import (
    Cell,
    Chart,
    Kind,
    Note,
    Section,
    Series,
    Table,
    change,
    count,
    duration,
    share,
    text,
    word,
)
from queuectl.domain.report_period import HOUR_MS, MINUTE_MS, Period, is_of_days, spans
from queuectl.domain.statistics import Counts, Statistics, summed
from queuectl.operations.reporter_figures import SHOWN, Figures

_AXIS = {"hour": Kind.HOUR, "day": Kind.DAY, "week": Kind.DAY}
_ONE_DAY_MS = 26 * 3_600_000
_BARS = 8
_QUANTILES = (("half", 0.5), ("p95", 0.95), ("p99", 0.99))
NOTHING = (Note("nothing"),)


def summary(figures: Figures, zone: tzinfo) -> Section:
    """Return the figures that matter most, each with its change against the period before."""
    former = {name.value: value for name, value in _figures(figures.former.total, figures, former=True)}
    rows = tuple(
        (name, value, _change(former[name.value], value))
        for name, value in _figures(figures.now.total, figures)
    )
    return Section("summary", (Table(("figure", "value", "change"), rows),), notes=_notes(figures, zone))


def comparison(figures: Figures, zone: tzinfo) -> Section:
    """Return every figure of this period beside that of the one before."""
    former = dict(_named(_figures(figures.former.total, figures, former=True)))
    rows = tuple(
        (name, former[str(name.value)], value, _change(former[str(name.value)], value))
        for name, value in _figures(figures.now.total, figures)
    )
    columns = ("figure", "before", "now", "change")
    return Section("comparison", (Table(columns, rows),), notes=_notes(figures, zone))


def throughput(figures: Figures, zone: tzinfo) -> Section:
    """Return what was submitted and what ended, over time; the table leaves out the times of nothing."""
    unit, axis, parts = _over_time(figures, zone)
    rows = tuple(
        (
            place,
            *(count(number) for number in (each.submitted, each.succeeded, each.dead, each.cancelled)),
            count(each.retried),
        )
        for place, each in zip(axis, parts, strict=True)
        if each.submitted or each.ended or each.retried
    )
    series = tuple(
        Series(word(name), tuple(float(getattr(each, name)) for each in parts))
        for name in ("succeeded", "dead", "cancelled")
    )
    chart = Chart("columns", "ended_over_time", Kind.COUNT, axis, series)
    if not rows:
        return Section("throughput", notes=NOTHING)
    columns = (unit, "submitted", "succeeded", "dead", "cancelled", "retried")
    return Section("throughput", (Table(columns, rows),), (chart,))


def wait_times(figures: Figures, zone: tzinfo) -> Section:
    """Return how long tasks waited, by queue and over time."""
    return _times("wait_times", "waits_over_time", figures, zone, lambda each: each.waits)


def durations(figures: Figures, zone: tzinfo) -> Section:
    """Return how long runs took, by queue and over time."""
    return _times("durations", "runs_over_time", figures, zone, lambda each: each.runs)


def error_analysis(figures: Figures, zone: tzinfo) -> Section:
    """Return the ways in which runs failed, the most frequent first."""
    del zone
    kinds: dict[str, list[int]] = {}
    said: dict[str, tuple[str, str]] = {}
    for each in figures.now.failures:
        counts = kinds.setdefault(each.failure, [0, 0])
        counts[0] += each.runs
        counts[1] += each.dead
        said[each.failure] = (each.cause, each.shape)
    if not kinds:
        return Section("error_analysis", notes=NOTHING)
    every = sum(runs for runs, _ in kinds.values())
    ranked = sorted(kinds, key=lambda key: (-kinds[key][0], key))
    rows = tuple(
        (
            _error(said[key]),
            word(said[key][0]),
            count(kinds[key][0]),
            share(kinds[key][0], every),
            count(kinds[key][1]),
        )
        for key in ranked[:SHOWN]
    )
    chart = Chart(
        "bars",
        "failed_runs_by_error",
        Kind.COUNT,
        tuple(_error(said[key]) for key in ranked[:_BARS]),
        (Series(word("failed_attempts"), tuple(float(kinds[key][0]) for key in ranked[:_BARS])),),
    )
    columns = ("error", "cause", "failed_attempts", "share_of_failures", "given_up")
    return Section("error_analysis", (Table(columns, rows),), (chart,), _only_first(len(ranked)))


def queue_utilization(figures: Figures, zone: tzinfo) -> Section:
    """Return how much each queue had to do."""
    del zone
    queues = _by_queue(figures)
    if not queues:
        return Section("queue_utilization", notes=NOTHING)
    ran = {queue: each.runs.total_ms for queue, each in queues.items()}
    whole, passed = sum(ran.values()), _passed(figures.now, figures.period)
    rows = [
        (
            word(queue),
            count(each.submitted),
            count(each.attempts),
            Cell(Kind.SHARE, each.failure_rate),
            duration(ran[queue]),
            share(ran[queue], whole),
            _rate(ran[queue], passed),
        )
        for queue, each in queues.items()
    ]
    axis = tuple(word(queue) for queue in queues)
    bars = Series(word("running_time"), tuple(float(ran[queue]) for queue in queues))
    columns = (
        *("queue", "submitted", "attempts", "failure_share"),
        *("running_time", "share_of_time", "at_once"),
    )
    return Section(
        "queue_utilization",
        (Table(columns, tuple(rows)),),
        (Chart("bars", "running_time_by_queue", Kind.DURATION, axis, (bars,)),),
    )


def _times(
    metric: str,
    chart_name: str,
    figures: Figures,
    zone: tzinfo,
    of: Callable[[Counts], Histogram],
) -> Section:
    queues = {queue: of(each) for queue, each in _by_queue(figures).items() if of(each).count}
    if not queues:
        return Section(metric, notes=NOTHING)
    rows = [_measured(word(queue), each) for queue, each in queues.items()]
    if len(queues) > 1:
        rows.append(_measured(word("all_queues"), of(figures.now.total)))
    _, axis, parts = _over_time(figures, zone)
    series = tuple(
        Series(word(name), tuple(of(each).quantile_ms(fraction) for each in parts))
        for name, fraction in _QUANTILES[:2]
    )
    columns = ("queue", "attempts", "mean", *(name for name, _ in _QUANTILES), "longest")
    return Section(
        metric,
        (Table(columns, tuple(rows)),),
        (Chart("lines", chart_name, Kind.DURATION, axis, series),),
        (Note("quantiles", (("share", Cell(Kind.SHARE, round(RELATIVE_ERROR, 4))),)),),
    )


def _measured(name: Cell, times: Histogram) -> tuple[Cell, ...]:
    return (
        name,
        count(times.count),
        duration(times.mean_ms),
        *(duration(times.quantile_ms(fraction)) for _, fraction in _QUANTILES),
        duration(times.longest_ms if times.count else None),
    )


def _figures(total: Counts, figures: Figures, *, former: bool = False) -> list[tuple[Cell, Cell]]:
    read = (figures.former, figures.former_period) if former else (figures.now, figures.period)
    passed = _passed(*read)
    articles = figures.articles_before if former else figures.articles.number if figures.articles else 0
    found = {
        "submitted": count(total.submitted),
        "succeeded": count(total.succeeded),
        "dead": count(total.dead),
        "cancelled": count(total.cancelled),
        "success_share": share(total.succeeded, total.succeeded + total.dead),
        "ended_per_hour": _rate(total.ended * HOUR_MS, passed),
        "attempts": count(total.attempts),
        "failed_attempts": count(total.failed),
        "wait_half": duration(total.waits.quantile_ms(0.5)),
        "wait_p95": duration(total.waits.quantile_ms(0.95)),
        "run_half": duration(total.runs.quantile_ms(0.5)),
        "articles": count(articles),
    }
    return [(word(name), value) for name, value in found.items()]


def _passed(read: Statistics, period: Period) -> int:
    """Return how many milliseconds had passed of the time that figures are from, which may be more than the period."""
    return (read.end if period.is_over else period.until) - read.start


def _rate(number: float, passed: int) -> Cell:
    """Return how much came to each millisecond that had passed; of less than a minute that would say nothing."""
    return Cell(Kind.NUMBER, round(number / passed, 4) if passed >= MINUTE_MS else None)


def _named(rows: Sequence[tuple[Cell, Cell]]) -> list[tuple[str, Cell]]:
    return [(str(name.value), value) for name, value in rows]


def _change(former: Cell, now: Cell) -> Cell:
    """Return how a figure has changed: a share by points, anything else by a part of itself."""
    old, new = former.value, now.value
    if isinstance(old, str) or isinstance(new, str):
        raise TypeError("a figure is a number")
    if now.kind is Kind.SHARE:
        return Cell(Kind.POINTS, None if old is None or new is None else round(new - old, 6))
    return change(old, new)


def _notes(figures: Figures, zone: tzinfo) -> tuple[Note, ...]:
    """Say what figures are compared with, and whether articles are missing in either of the two counts."""
    missing = figures.articles_are_missing or figures.former_articles_are_missing
    return (*_compared(figures, zone), *((Note("articles_removed"),) if missing else ()))


def _compared(figures: Figures, zone: tzinfo) -> tuple[Note, ...]:
    """Say what it is compared with: whole days as days, anything else from moment to moment."""
    former = figures.former_period
    kind, end = Kind.MOMENT, former.end
    if is_of_days(former, zone):
        kind, end = Kind.DATE, former.end - 1
        first, last = (datetime.fromtimestamp(at / 1000, zone).date() for at in (former.begin, end))
        if first == last:
            return (Note("compared_with_day", (("begin", Cell(kind, former.begin)),)),)
    return (Note("compared_with", (("begin", Cell(kind, former.begin)), ("end", Cell(kind, end)))),)


def _over_time(figures: Figures, zone: tzinfo) -> tuple[str, tuple[Cell, ...], list[Counts]]:
    """Return what the places of an axis are called, the places, and what happened at each."""
    parts, unit = spans(figures.period, zone)
    edges = [part.begin for part in parts]
    found: list[list[Counts]] = [[] for _ in parts]
    for row in figures.now.rows:
        found[max(0, bisect.bisect_right(edges, row.start) - 1)].append(row.counts)
    kind = _AXIS[unit]
    if kind is Kind.HOUR and figures.period.end - figures.period.begin <= _ONE_DAY_MS:
        kind = Kind.CLOCK
    return unit, tuple(Cell(kind, edge) for edge in edges), [summed(each) for each in found]


def _by_queue(figures: Figures) -> Mapping[str, Counts]:
    """Return the counts of the queues in which something happened, in the order in which queues are served."""
    found = figures.now.by_name()
    return {queue: found[queue] for queue in QUEUES if queue in found}


def _error(said: tuple[str, str]) -> Cell:
    cause, shape = said
    return text(shape) if shape else word(cause)


def _only_first(number: int) -> tuple[Note, ...]:
    if number <= SHOWN:
        return ()
    return (Note("only_first", (("shown", count(SHOWN)), ("all", count(number)))),)
