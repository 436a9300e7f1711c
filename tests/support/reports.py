"""A report with something of everything, made without a database."""

from __future__ import annotations

from queuectl.domain.report import (
    Cell,
    Chart,
    Kind,
    Note,
    Report,
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
from queuectl.domain.report_period import HOUR_MS, Period

BEGIN = 1_764_259_200_000
"""28 November 2025, midnight in Asia/Shanghai."""

ZONE = "Asia/Shanghai"
DAY_MS = 24 * HOUR_MS
DAY = Period("daily", BEGIN, BEGIN + DAY_MS, BEGIN + DAY_MS)


def sample_report(
    title: str = "为什么大模型需要更长的上下文：一次深入的实验",
    error: str = "HTTP 503: Service Unavailable",
    host: str = "mp.weixin.qq.com",
    url: str = "https://mp.weixin.qq.com/s/abcdefg?chksm=12345&scene=27#rd",
) -> Report:
    """Return a report in whose tables, charts and links the four texts stand."""
    return Report(
        DAY,
        ZONE,
        (
            _summary(),
            _throughput(),
            _waits(),
            _errors(error, host),
            _publishing(title, url),
            Section("schedules", notes=(Note("nothing"),)),
        ),
        (
            Note(
                "headline",
                (
                    ("ended", count(1234)),
                    ("succeeded", count(1203)),
                    ("dead", count(12)),
                    ("cancelled", count(19)),
                ),
            ),
            Note("not_over", (("moment", Cell(Kind.MOMENT, BEGIN + 15 * HOUR_MS)),)),
        ),
    )


def _summary() -> Section:
    figures = (
        (word("submitted"), count(1300), change(1000, 1300)),
        (word("succeeded"), count(1203), change(1300, 1203)),
        (word("dead"), count(12), change(0, 12)),
        (word("success_share"), share(1203, 1234), Cell(Kind.POINTS, -0.015)),
        (word("wait_half"), duration(180), change(180, 180)),
        (word("wait_p95"), duration(95_000), change(60_000, 95_000)),
        (word("run_half"), duration(1_250), change(1_000, 1_250)),
        (word("articles"), count(1_103), change(1_000, 1_103)),
    )
    return Section("summary", (Table(("figure", "value", "change"), figures),))


def _throughput() -> Section:
    hours = [Cell(Kind.CLOCK, DAY.begin + number * HOUR_MS) for number in range(24)]
    done = [(number * 37) % 91 for number in range(24)]
    dead = [number % 5 for number in range(24)]
    chart = Chart(
        "columns",
        "ended_over_time",
        Kind.COUNT,
        tuple(hours),
        (Series(word("succeeded"), tuple(done)), Series(word("dead"), tuple(dead))),
    )
    rows = tuple(
        (hour, count(each), count(bad), Cell(Kind.NUMBER, float(each + bad)))
        for hour, each, bad in zip(hours, done, dead, strict=True)
    )
    return Section("throughput", (Table(("hour", "succeeded", "dead", "ended_per_hour"), rows),), (chart,))


def _waits() -> Section:
    hours = tuple(Cell(Kind.CLOCK, DAY.begin + number * HOUR_MS) for number in range(24))
    half = tuple(None if number in {3, 5} else float(100 + number * 13) for number in range(24))
    high = tuple(None if each is None else each * 6 for each in half)
    chart = Chart(
        "lines",
        "waits_over_time",
        Kind.DURATION,
        hours,
        (Series(word("half"), half), Series(word("p95"), high)),
    )
    rows = tuple(
        (word(queue), count(123 * number), duration(150 * number), duration(4_000 * number**3))
        for number, queue in enumerate(("urgent_priority", "high_priority", "background_priority"), 1)
    )
    note = Note("quantiles", (("share", Cell(Kind.SHARE, 0.022)),))
    return Section("wait_times", (Table(("queue", "attempts", "half", "p95"), rows),), (chart,), (note,))


def _errors(error: str, host: str) -> Section:
    rows = (
        (text(error), word("exhausted"), count(42), share(42, 61)),
        (text("no article text was found"), word("refused"), count(19), share(19, 61)),
    )
    bars = Chart(
        "bars",
        "failed_runs_by_error",
        Kind.COUNT,
        (text(error), text(host)),
        (Series(word("attempts"), (42.0, 19.0)),),
    )
    return Section("error_analysis", (Table(("error", "cause", "failed_attempts", "share"), rows),), (bars,))


def _publishing(title: str, url: str) -> Section:
    rows = (
        (text(title), text("量子位"), Cell(Kind.LINK, url), Cell(Kind.MOMENT, BEGIN)),
        (
            text("A second article"),
            text(None),
            Cell(Kind.LINK, "https://example.com/2"),
            Cell(Kind.MOMENT, BEGIN),
        ),
    )
    return Section("publishing", (Table(("title", "account", "page", "published"), rows, "newest_articles"),))
