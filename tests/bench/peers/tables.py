"""The table of a run, on a terminal and in Markdown, with the reasons for its gaps and where queuectl is behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from tests.bench.peers.columns import COLUMNS, MEASURE_OF, Column
from tests.bench.peers.contenders import QUEUECTL
from tests.bench.peers.disasters import FLUSH, KILL
from tests.bench.peers.results import Record, Results
from tests.bench.peers.serving import DURABLE, FAST

NOTHING, FAILED = "–", "failed"
_STRUCK = {KILL: "kill -9", FLUSH: "FLUSHALL"}
_NAMED = 3  # of those who are ahead


def table(results: Results) -> Table:
    """Return everything as one table."""
    drawn = Table(title="beside the peers, medians", title_justify="left", header_style="bold")
    drawn.add_column("", overflow="fold")
    for column in COLUMNS:
        drawn.add_column(column.heading, justify="right", no_wrap=True)
    for name in _STRUCK.values():
        drawn.add_column(f"{name}\nlost·again·2×", justify="right", no_wrap=True)
    for place, record in enumerate(results.records):
        following = results.records[place + 1 : place + 2]
        drawn.add_row(
            record.name,
            *cells(results, record),
            style="bold" if record.peer == QUEUECTL else "",
            end_section=not following or following[0].peer != record.peer,
        )
    return drawn


def markdown(results: Results) -> str:
    """Return the same table for a document."""
    headings = [
        "",
        *(column.heading.replace("\n", ", ") for column in COLUMNS),
        *(f"{name}: lost · again · twice" for name in _STRUCK.values()),
    ]
    lines = [f"| {' | '.join(headings)} |", "|---|" + "---:|" * (len(headings) - 1)]
    for record in results.records:
        title = f"**{record.name}**" if record.peer == QUEUECTL else record.name
        lines.append(f"| {title} | {' | '.join(cells(results, record))} |")
    return "\n".join(lines)


def cells(results: Results, record: Record) -> Iterator[str]:
    """Yield a contender's cells: a figure, a dash for what it cannot do, or that it failed."""
    for column in COLUMNS:
        yield _cell(results, record, column)
    for which in _STRUCK:
        if which in record.disasters:
            yield str(record.disasters[which])
        else:
            yield _gap(record, which)


def _cell(results: Results, record: Record, column: Column) -> str:
    value = record.value(column.key)
    if value is None:
        return _gap(record, column.key)
    share = results.proportion(record, column.key) if column.in_proportion else None
    return column.shown(value) + (f" {share:.{1 if share >= 1 else 2}f}×" if share is not None else "")


def _gap(record: Record, key: str) -> str:
    measure = MEASURE_OF.get(key, key)
    if measure in record.failures or "" in record.failures:
        return FAILED
    return NOTHING if measure in record.cannot else ""


def reasons(results: Results) -> list[str]:
    """Return why there are gaps, a line for each reason with all whom it concerns."""
    concerned: dict[str, list[str]] = {}
    for record in results.records:
        for measure, why in record.cannot.items():
            concerned.setdefault(f"{_called(measure)}: {NOTHING} ({why})", []).append(record.title)
        for measure, why in record.failures.items():
            concerned.setdefault(f"{_called(measure)}: {FAILED} ({why})", []).append(record.name)
    return [f"{reason}: {'; '.join(dict.fromkeys(names))}" for reason, names in concerned.items()]


def _called(measure: str) -> str:
    return _STRUCK.get(measure, measure) or "everything"


def behind(results: Results) -> list[str]:
    """Return a line for each column and each queuectl: who is ahead of it, apart for the durable and the fast."""
    ours = [each for each in results.records if each.peer == QUEUECTL]
    others = [each for each in results.records if each.peer != QUEUECTL]
    return [
        f"{column.heading.replace(chr(10), ', ')}, {record.title}: " + _ahead(column, value, others)
        for column in COLUMNS
        if column.key not in MEASURE_OF
        for record in ours
        if (value := record.value(column.key)) is not None
    ]


def _ahead(column: Column, ours: float, others: Sequence[Record]) -> str:
    parts = []
    for settings in (DURABLE, FAST):
        ahead = sorted(
            (
                (column.ahead(theirs, ours), each.title)
                for each in others
                if each.settings == settings
                and (theirs := each.value(column.key)) is not None
                and column.ahead(theirs, ours) > 1
            ),
            reverse=True,
        )
        named = ", ".join(f"{title} {times:.1f} ×" for times, title in ahead[:_NAMED]) or "nobody"
        more = f" and {len(ahead) - _NAMED} more" if len(ahead) > _NAMED else ""
        parts.append(f"{settings} {named}{more}")
    return "; ".join(parts)
