"""Those metrics of a report that are lists: hosts, schedules, published articles and the slowest runs."""

from __future__ import annotations

from datetime import tzinfo

from queuectl.domain.report import (
    Cell,
    Chart,
    Kind,
    Note,
    Section,
    Series,
    Table,
    count,
    duration,
    share,
    text,
    word,
)
from queuectl.domain.statistics import OTHER, Counts, summed
from queuectl.domain.task import task_name
from queuectl.operations.reporter_figures import SHOWN, Figures
from queuectl.operations.reporter_sections import NOTHING
from queuectl.store.ticks import KEPT

_BARS = 8
_LANGUAGES = {"zh", "en", "ja", "ko", "fr", "de", "es", "ru", "ar"}


def hosts(figures: Figures, zone: tzinfo) -> Section:
    """Return the hosts that were asked most."""
    del zone
    found = {} if figures.hosts is None else figures.hosts.by_name()
    asked = {name: each for name, each in found.items() if each.attempts and name is not None}
    if not asked:
        return Section("hosts", notes=NOTHING)
    ranked = sorted(asked, key=lambda name: (name == OTHER, -asked[name].attempts, name))
    rows = [_host(text(name), asked[name]) for name in ranked[:SHOWN] if name != OTHER]
    rest = [asked[name] for name in ranked if name == OTHER or name not in ranked[:SHOWN]]
    if rest:
        rows.append(_host(word("all_other_hosts"), summed(rest)))
    shown = [name for name in ranked[:_BARS] if name != OTHER]
    bars = Series(word("attempts"), tuple(float(asked[name].attempts) for name in shown))
    columns = ("host", "attempts", "succeeded", "failed_attempts", "failure_share", "half", "p95")
    return Section(
        "hosts",
        (Table(columns, tuple(rows)),),
        (Chart("bars", "runs_by_host", Kind.COUNT, tuple(text(name) for name in shown), (bars,)),),
    )


def schedules(figures: Figures, zone: tzinfo) -> Section:
    """Return what the schedules did."""
    del zone
    if not figures.ticks:
        return Section("schedules", notes=NOTHING)
    rows = tuple(
        (
            text(each.schedule),
            *(count(number) for number in (each.ticks, each.submitted, each.skipped, each.failed)),
            count(each.missed),
            count(each.tasks),
        )
        for each in figures.ticks
    )
    columns = (
        *("schedule", "ticks", "ticks_submitted", "ticks_skipped", "ticks_failed"),
        *("ticks_missed", "tasks"),
    )
    full = any(each.ticks >= KEPT for each in figures.ticks)
    notes = (Note("ticks_kept", (("number", count(KEPT)),)),) if full else ()
    return Section("schedules", (Table(columns, rows),), notes=notes)


def publishing(figures: Figures, zone: tzinfo) -> Section:
    """Return the articles that were stored and are still there."""
    del zone
    stored = figures.articles
    missing = (Note("articles_removed"),) if figures.articles_are_missing else ()
    if stored is None or not stored.number:
        return Section("publishing", notes=(*NOTHING, *missing))
    languages = tuple(
        (_language(name), count(number), share(number, stored.number))
        for name, number in stored.languages.items()
    )
    newest = tuple(
        (
            text(each.title),
            text(each.account),
            Cell(Kind.LINK, each.address),
            Cell(Kind.MOMENT, each.stored_at),
        )
        for each in stored.newest
    )
    first = Note("only_first", (("shown", count(len(newest))), ("all", count(stored.number))))
    return Section(
        "publishing",
        (
            Table(("language", "articles", "share"), languages, "articles_by_language"),
            Table(("title", "account", "page", "published"), newest, "newest_articles"),
        ),
        notes=(*((first,) if stored.number > len(newest) else ()), *missing),
    )


def slowest(figures: Figures, zone: tzinfo) -> Section:
    """Return the runs that took longest, of those whose rows are still there."""
    del zone
    every = max(figures.now.total.attempts, figures.runs_there)
    removed = Note("some_removed", (("shown", count(figures.runs_there)), ("all", count(every))))
    notes = (removed,) if figures.runs_there < every else ()
    if not figures.slowest:
        return Section("slowest", notes=notes or NOTHING)
    rows = tuple(
        (
            text(task_name(each.task_id)),
            text(each.title),
            Cell(Kind.LINK, each.address),
            word(each.queue),
            count(each.attempt),
            word(each.outcome),
            duration(each.took),
            Cell(Kind.MOMENT, each.started_at),
        )
        for each in figures.slowest
    )
    columns = ("task", "title", "page", "queue", "run", "outcome", "took", "started")
    return Section("slowest", (Table(columns, rows),), notes=notes)


def _host(name: Cell, counts: Counts) -> tuple[Cell, ...]:
    return (
        name,
        count(counts.attempts),
        count(counts.succeeded),
        count(counts.failed),
        Cell(Kind.SHARE, counts.failure_rate),
        duration(counts.runs.quantile_ms(0.5)),
        duration(counts.runs.quantile_ms(0.95)),
    )


def _language(name: str | None) -> Cell:
    short = (name or "").lower().partition("-")[0]
    if not short:
        return word("lang_unknown")
    return word(f"lang_{short}") if short in _LANGUAGES else text(name)
