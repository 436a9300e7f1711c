"""What a report stands on: the statistics of a period and of the one before, and rows that are still there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from queuectl.domain.report_period import HOURLY_UP_TO_MS, Period, before
from queuectl.domain.statistics import Statistics, Step, Subject
from queuectl.operations.statistics import read_statistics
from queuectl.settings import Settings
from queuectl.store import report_rows
from queuectl.store.database import Database
from queuectl.store.report_rows import ArticlesStored, LongRun, ScheduleTicks

SHOWN = 20
"""So many hosts, errors, articles and runs a report lists at most."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read for a report; what none of its metrics needs is empty.

    ``now`` tells queues apart and has steps, ``former`` is the period before as a whole, ``hosts`` the period by
    host. What is counted and listed from rows is from the same time as the figures. ``runs_there`` and
    ``succeeded_there`` count the runs of the period whose rows are still there, ``succeeded_before`` those that
    succeeded in the period before.
    """

    period: Period
    former_period: Period
    now: Statistics
    former: Statistics
    hosts: Statistics | None = None
    articles: ArticlesStored | None = None
    articles_before: int = 0
    ticks: list[ScheduleTicks] = field(default_factory=list)
    slowest: list[LongRun] = field(default_factory=list)
    runs_there: int = 0
    succeeded_there: int = 0
    succeeded_before: int = 0

    @property
    def articles_are_missing(self) -> bool:
        """Whether articles of the period were removed with their tasks."""
        return self.succeeded_there < self.now.total.succeeded

    @property
    def former_articles_are_missing(self) -> bool:
        """Whether articles of the period before were removed with their tasks."""
        return self.succeeded_before < self.former.total.succeeded


def read_figures(
    database: Database, settings: Settings, period: Period, zone: tzinfo, metrics: tuple[str, ...]
) -> Figures:
    """Read what these metrics of a period need."""
    former = before(period, zone)
    step = Step.HOUR if period.end - period.begin <= HOURLY_UP_TO_MS else Step.DAY
    wanted = set(metrics)
    now = read_statistics(database, settings, period.begin, period.end, step=step, by=Subject.QUEUE)
    hosts = None
    if "hosts" in wanted:
        hosts = read_statistics(database, settings, period.begin, period.end, by=Subject.HOST)
    earlier = read_statistics(database, settings, former.begin, max(former.end, former.begin + 1))
    articles, articles_before = None, 0
    ticks: list[ScheduleTicks] = []
    slowest: list[LongRun] = []
    runs_there = succeeded_there = succeeded_before = 0
    begin, end = now.start, now.end
    with database.reading() as transaction:
        if wanted & {"summary", "publishing", "comparison"}:
            articles = report_rows.articles(transaction, begin, end, SHOWN)
        if wanted & {"summary", "comparison"}:
            articles_before = report_rows.count_articles(transaction, earlier.start, earlier.end)
            _, succeeded_before = report_rows.count_runs(transaction, earlier.start, earlier.end)
        if wanted & {"summary", "publishing", "comparison", "slowest"}:
            runs_there, succeeded_there = report_rows.count_runs(transaction, begin, end)
        if "schedules" in wanted:
            ticks = report_rows.ticks(transaction, begin, end)
        if "slowest" in wanted:
            slowest = report_rows.longest_runs(transaction, begin, end, SHOWN)
    return Figures(
        period,
        former,
        now,
        earlier,
        hosts,
        articles,
        articles_before,
        ticks,
        slowest,
        runs_there,
        succeeded_there,
        succeeded_before,
    )
