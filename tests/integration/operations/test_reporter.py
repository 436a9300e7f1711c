"""Reports say what the rows say, whoever has added up meanwhile, and go on saying it when the rows are gone."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from queuectl.domain.lifecycle import Move
from queuectl.domain.report import METRICS, Kind, Report
from queuectl.errors import InvalidInputError, StorageError
from queuectl.operations import reporter as reporter_module
from queuectl.operations.adding_up import add_up, forget_old
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.operations.reporter import Reporter
from queuectl.reports.forms import FORMS
from queuectl.settings import Settings
from queuectl.store import articles, tasks
from queuectl.store.database import Database
from tests.support.factories import NODE, an_article, ending, finish, new_task, submit
from tests.support.payloads import PAYLOADS

HOUR = 3_600_000
DAY = date(2026, 1, 14)
BEGIN = round(datetime(2026, 1, 14, tzinfo=UTC).timestamp() * 1000)
HOSTS = ("example.com", "example.org", "例え.test")
MOVES = (Move.SUCCEED, Move.SUCCEED, Move.SUCCEED, Move.RETRY, Move.BURY, Move.CANCEL, Move.RELEASE)


def work(database: Database, seed: int, *, rounds: int = 40, begin: int = BEGIN - 24 * HOUR) -> None:
    """Let tasks come and end over two days."""
    chance = random.Random(seed)
    for number in range(rounds):
        at = begin + chance.randrange(48 * HOUR - 300_000)
        rows = [
            new_task(
                url=f"https://{chance.choice(HOSTS)}/{seed}/{number}/{each}",
                score=chance.choice((1, 3, 5, 8, 10)),
                created_at=at,
                due_at=at,
            )
            for each in range(chance.randrange(1, 6))
        ]
        begun = at + chance.randrange(5_000)
        with database.writing() as transaction:
            submit(transaction, *rows)
            claimed = [
                each
                for queue in sorted({row.queue for row in rows})
                for each in tasks.start(transaction, queue, 5, node=NODE, now=begun)[0]
            ]
            ended = [
                _ended(each, chance.choice(MOVES), begun + chance.randrange(200_000)) for each in claimed
            ]
            articles.save(transaction, [each for each in ended if each.article is not None])
            finish(transaction, ended)


def _ended(work, move, at):
    if move is Move.SUCCEED:
        return ending(work, move, finished_at=at, article=an_article(title=f"文章 {work.id}", url=work.url))
    fields = {"due_at": at + 10 * 24 * HOUR} if move in {Move.RETRY, Move.RELEASE} else {}
    return ending(
        work,
        move,
        finished_at=at,
        **fields,
        **({"error": f"HTTP 404 for task_{work.id}"} if move in {Move.RETRY, Move.BURY} else {}),
    )


def rows_of(report: Report, metric: str, table: int = 0) -> list[dict[str, Any]]:
    (section,) = [each for each in report.sections if each.metric == metric]
    if not section.tables:
        return []
    return [
        dict(zip(section.tables[table].columns, [cell.value for cell in row], strict=True))
        for row in section.tables[table].rows
    ]


def figures(report: Report, column: str = "value", metric: str = "summary") -> dict[object, Any]:
    return {row["figure"]: row[column] for row in rows_of(report, metric)}


def in_rows(database: Database, begin: int, end: int) -> Counter[str]:
    """Count what the rows of a period say."""
    found: Counter[str] = Counter()
    with database.reading() as transaction:
        found["submitted"] = transaction.rows(
            "SELECT COUNT(*) FROM tasks WHERE created_at >= %s AND created_at < %s", (begin, end)
        )[0][0]
        for state, number in transaction.rows(
            "SELECT state, COUNT(*) FROM tasks WHERE finished_at >= %s AND finished_at < %s GROUP BY state",
            (begin, end),
        ):
            found[state] = number
        for move, number in transaction.rows(
            "SELECT move, COUNT(*) FROM attempts WHERE finished_at >= %s AND finished_at < %s"
            " AND move <> 'release' GROUP BY move",
            (begin, end),
        ):
            found["attempts"] += number
            found["failed_attempts"] += number * (move in {"retry", "bury"})
        found["articles"] = transaction.rows(
            "SELECT COUNT(*) FROM articles WHERE stored_at >= %s AND stored_at < %s", (begin, end)
        )[0][0]
    return found


@pytest.fixture
def reporter(settings: Settings) -> Reporter:
    return Reporter(settings)


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_figures_are_those_of_the_rows(database, settings, reporter, seed, added):
    work(database, seed)
    while added and add_up(database, settings, 500):
        pass
    report = reporter.generate_daily_report(DAY)
    wanted = in_rows(database, BEGIN, BEGIN + 24 * HOUR)
    former = in_rows(database, BEGIN - 24 * HOUR, BEGIN)
    shown = figures(report)
    before = figures(report, "before", "comparison")
    for name in ("submitted", "succeeded", "dead", "cancelled", "attempts", "failed_attempts", "articles"):
        assert shown[name] == wanted[name], name
        assert before[name] == former[name], name
    assert wanted["succeeded"] > 5
    for column in ("submitted", "succeeded", "dead", "cancelled"):
        assert sum(row[column] for row in rows_of(report, "throughput")) == wanted[column]
    assert sum(row["attempts"] for row in rows_of(report, "hosts")) == wanted["attempts"]
    assert sum(row["attempts"] for row in rows_of(report, "queue_utilization")) == wanted["attempts"]
    assert (
        sum(row["failed_attempts"] for row in rows_of(report, "error_analysis")) == wanted["failed_attempts"]
    )
    assert sum(row["given_up"] for row in rows_of(report, "error_analysis")) == wanted["dead"]
    assert sum(row["articles"] for row in rows_of(report, "publishing")) == wanted["articles"]


def test_a_report_agrees_with_the_status(database, settings, reporter):
    work(database, 3)
    report = reporter.generate_custom_report(DAY - timedelta(days=1), DAY, ["summary"])
    status = Monitor(settings).get_realtime_status()
    shown = figures(report)
    for name in ("succeeded", "dead", "cancelled"):
        assert shown[name] == sum(getattr(queue, name) for queue in status.queues)


def test_figures_stay_when_the_tasks_are_cleaned_up_and_what_is_missing_is_said(database, settings, reporter):
    work(database, 4)
    before = reporter.generate_daily_report(DAY)
    with QueueManager(settings) as manager:
        manager.cleanup(days=1)
    after = reporter.generate_daily_report(DAY)
    kept = {"articles"}
    assert {name: value for name, value in figures(after).items() if name not in kept} == {
        name: value for name, value in figures(before).items() if name not in kept
    }
    for metric in ("throughput", "wait_times", "durations", "error_analysis", "queue_utilization", "hosts"):
        assert rows_of(after, metric) == rows_of(before, metric)
    notes = {section.metric: [note.key for note in section.notes] for section in after.sections}
    assert "some_removed" in notes["slowest"]
    assert "articles_removed" in notes["publishing"]
    assert rows_of(before, "slowest")


def test_articles_that_are_gone_are_told_wherever_they_are_counted(database, settings, reporter):
    work(database, 9)
    with QueueManager(settings) as manager:
        manager.cleanup(days=1)
    later = reporter.generate_custom_report(DAY + timedelta(days=1), DAY + timedelta(days=1))
    assert figures(later)["articles"] == 0
    for report in (later, reporter.generate_daily_report(DAY)):
        notes = {section.metric: [note.key for note in section.notes] for section in report.sections}
        assert "articles_removed" in notes["summary"]
        assert "articles_removed" in notes["comparison"]
    notes = {section.metric: [note.key for note in section.notes] for section in later.sections}
    assert "articles_removed" not in notes["publishing"], "the period itself misses nothing"


def only_coarser(database: Database, settings: Settings) -> None:
    """Let everything be added up, and nothing be kept that is finer than the settings say."""
    while add_up(database, settings, 500):
        pass
    while forget_old(database, settings, 500):
        pass


@pytest.mark.parametrize(("kept_days", "begin", "hours"), [(0, 10, 1), (1, 0, 24)], ids=["hours", "days"])
def test_of_a_widened_period_all_that_is_told_is_of_the_whole_of_it(
    database, settings, reporter, kept_days, begin, hours
):
    work(database, 10, rounds=100)
    start, length = BEGIN + begin * HOUR, hours * HOUR
    wanted = in_rows(database, start, start + length)
    only_coarser(database, replace(settings, statistics_hour_days=kept_days))
    report = reporter.generate_custom_report(
        datetime(2026, 1, 14, 10, tzinfo=UTC), datetime(2026, 1, 14, 10, 5, tzinfo=UTC)
    )
    assert "widened" in [note.key for note in report.notes]
    shown = figures(report)
    ended = sum(wanted[state] for state in ("succeeded", "dead", "cancelled"))
    assert ended > 3
    assert shown["ended_per_hour"] == pytest.approx(ended / hours, abs=0.001)
    assert (shown["articles"], shown["attempts"]) == (wanted["articles"], wanted["attempts"])
    notes = [note.key for section in report.sections for note in section.notes]
    assert "some_removed" not in notes, "every row is still there"
    queues = rows_of(report, "queue_utilization")
    at_once = sum(row["at_once"] for row in queues)
    assert at_once == pytest.approx(sum(row["running_time"] for row in queues) / length, abs=0.001)
    assert "articles_removed" not in notes


def test_of_less_than_a_minute_no_rate_is_told(database, settings, monkeypatch):
    with database.writing() as transaction:
        submit(transaction, new_task(created_at=BEGIN, due_at=BEGIN))
        (begun,) = tasks.start(transaction, "medium_priority", 1, node=NODE, now=BEGIN + 1)[0]
        finish(transaction, [_ended(begun, Move.SUCCEED, BEGIN + 20_000)])
    monkeypatch.setattr(reporter_module, "now_ms", lambda: BEGIN + 50_000)
    report = Reporter(settings).generate_daily_report()
    assert figures(report)["succeeded"] == 1
    assert figures(report)["ended_per_hour"] is None
    assert [row["at_once"] for row in rows_of(report, "queue_utilization")] == [None]
    monkeypatch.setattr(reporter_module, "now_ms", lambda: BEGIN + 110_000)
    assert figures(Reporter(settings).generate_daily_report())["ended_per_hour"] == 60


def test_the_slowest_runs_come_first(database, reporter):
    work(database, 5)
    rows = rows_of(reporter.generate_daily_report(DAY), "slowest")
    took = [row["took"] for row in rows]
    assert took == sorted(took, reverse=True)
    with database.reading() as transaction:
        longest = transaction.rows(
            "SELECT MAX(finished_at - started_at) FROM attempts WHERE finished_at >= %s AND finished_at < %s"
            " AND move <> 'release'",
            (BEGIN, BEGIN + 24 * HOUR),
        )[0][0]
    assert took[0] == longest


@pytest.mark.parametrize("form", FORMS)
def test_the_same_period_and_the_same_data_are_the_same_bytes(database, settings, form):
    work(database, 6)
    made = []
    for _ in range(2):
        reporter = Reporter(settings)
        made.append(reporter.render(reporter.generate_weekly_report(DAY), form, "zh"))
        add_up(database, settings, 500)
        reporter.close()
    assert made[0] == made[1]


def test_a_zone_decides_what_a_day_is(database, settings):
    work(database, 7)
    there = replace(settings, timezone="Asia/Kathmandu")
    report = Reporter(there).generate_daily_report(DAY)
    begin = BEGIN - round(5.75 * HOUR)
    assert (report.period.begin, report.period.end) == (begin, begin + 24 * HOUR)
    wanted = in_rows(database, begin, begin + 24 * HOUR)
    assert figures(report)["succeeded"] == wanted["succeeded"]
    assert sum(row["succeeded"] for row in rows_of(report, "throughput")) == wanted["succeeded"]


def test_a_period_without_anything_says_so(reporter):
    report = reporter.generate_monthly_report(2024, 12)
    assert [note.key for note in report.notes] == ["headline_nothing"]
    assert figures(report)["submitted"] == 0
    page = reporter.render(report, "html", "en").decode()
    assert "No task ended in this period." in page


def test_today_is_not_over(reporter):
    report = reporter.generate_daily_report()
    assert "not_over" in [note.key for note in report.notes]
    assert not report.period.is_over


def test_metrics_are_those_asked_for_in_their_order(reporter):
    report = reporter.generate_custom_report("2024-12-01", "2024-12-31", metrics=["hosts", "summary"])
    assert [section.metric for section in report.sections] == ["hosts", "summary"]
    whole = reporter.generate_daily_report(DAY)
    assert tuple(section.metric for section in whole.sections) == METRICS


def test_what_comes_from_outside_is_in_every_form_and_obeyed_by_none(database, settings, reporter):
    """One task for each payload, with it as the title, the account and the error."""
    with database.writing() as transaction:
        submit(
            transaction,
            *(new_task(number, created_at=BEGIN, due_at=BEGIN) for number in range(len(PAYLOADS[:20]))),
        )
        claimed = tasks.start(transaction, "medium_priority", 20, node=NODE, now=BEGIN + 1)[0]
        ended = [
            ending(
                each,
                Move.SUCCEED,
                finished_at=BEGIN + 1000 + each.id,
                article=an_article(title=payload.replace("\x00", ""), account=payload.replace("\x00", "")),
            )
            for each, payload in zip(claimed, PAYLOADS, strict=False)
        ]
        articles.save(transaction, ended)
        finish(transaction, ended)
    report = reporter.generate_daily_report(DAY)
    assert {row["title"] for row in rows_of(report, "publishing", 1)} == set(PAYLOADS[:20])
    page = reporter.render(report, "html", "zh").decode()
    assert "<script" not in page
    assert len(PdfReader(io.BytesIO(reporter.render(report, "pdf", "zh"))).pages) >= 2
    rows = json.loads(reporter.render(report, "json"))["sections"]["publishing"]["tables"][1]["rows"]
    assert {row["title"] for row in rows} == set(PAYLOADS[:20])


def test_a_file_is_written_whole_or_not_at_all(reporter, home, monkeypatch):
    report = reporter.generate_daily_report(DAY)
    target = home / "report.pdf"
    target.write_text("before")
    assert reporter.export_report(report, output_path=target) == str(target)
    assert target.read_bytes().startswith(b"%PDF-")
    for path, form, lang, error in (
        (home / "missing" / "a.html", "html", "en", InvalidInputError),
        (home, "html", "en", InvalidInputError),
        (home / "a.html", "word", "en", InvalidInputError),
        (home / "a.html", "html", "fr", InvalidInputError),
        (home / ("x" * 300), "html", "en", StorageError),
    ):
        with pytest.raises(error):
            reporter.export_report(report, form, path, lang)
    assert sorted(each.name for each in home.iterdir() if not each.name.startswith("queuectl")) == [
        "report.pdf"
    ]


def test_without_a_path_a_file_goes_to_the_folder_of_reports(reporter, home):
    report = reporter.generate_monthly_report(2024, 12)
    assert Path(reporter.export_report(report, "md", lang="zh")) == home / "reports" / "monthly-2024-12.zh.md"
    week = reporter.generate_weekly_report("2024-12-31")
    assert Path(reporter.export_report(week)).name == "weekly-2024-12-25-to-2024-12-31.en.html"


def test_two_periods_of_one_day_go_to_two_files(settings):
    reporter = Reporter(replace(settings, timezone="Asia/Shanghai"))
    names = [
        Path(reporter.export_report(reporter.generate_custom_report(start, end, ["summary"]), "csv")).name
        for start, end in (
            ("2024-12-25T08:00", "2024-12-25T09:30"),
            ("2024-12-25T09:30", "2024-12-25T12:00"),
            ("2024-12-24T18:00", "2024-12-25"),
            ("2024-12-25", "2024-12-25"),
        )
    ]
    assert names == [
        "custom-2024-12-25T0800-to-2024-12-25T0930.en.csv",
        "custom-2024-12-25T0930-to-2024-12-25T1200.en.csv",
        "custom-2024-12-24T1800-to-2024-12-26T0000.en.csv",
        "custom-2024-12-25.en.csv",
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda reporter: reporter.generate_monthly_report(2024, 13), "no month 13"),
        (lambda reporter: reporter.generate_monthly_report(2024), "a year without a month"),
        (lambda reporter: reporter.generate_daily_report("31.1.2024"), "is not a day"),
        (lambda reporter: reporter.generate_daily_report(date(2999, 1, 1)), "still to come"),
        (lambda reporter: reporter.generate_daily_report(date(9999, 12, 31)), "beyond the calendar"),
        (lambda reporter: reporter.generate_daily_report("0001-01-01"), "no report on the year 1"),
        (lambda reporter: reporter.generate_weekly_report("0001-01-03"), "beyond the calendar"),
        (lambda reporter: reporter.generate_custom_report("0001-01-01", "0001-01-02"), "on the year 1"),
        (lambda reporter: reporter.generate_custom_report("2024-02-01", "2024-01-01"), "is empty"),
        (
            lambda reporter: reporter.generate_custom_report("2024-01-01", "2024-01-01", []),
            "no metric is named",
        ),
        (
            lambda reporter: reporter.generate_custom_report("2024-01-01", "2024-01-01", ["x"]),
            "no metric 'x'",
        ),
    ],
)
def test_what_cannot_be_reported_is_refused_in_one_line(reporter, call, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        call(reporter)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_every_kind_of_value_has_its_place(database, reporter):
    work(database, 8)
    report = reporter.generate_daily_report(DAY)
    kinds = {
        cell.kind for each in report.sections for table in each.tables for row in table.rows for cell in row
    }
    assert set(Kind) - kinds == {Kind.DAY, Kind.DATE, Kind.HOUR}
