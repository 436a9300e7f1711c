"""``queuectl report``: what a day, a week, a month or any other period was like, as a file to hand on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from queuectl.cli.deeds import note_written
from queuectl.cli.help import command, group
from queuectl.cli.invocation import Invocation
from queuectl.cli.report_deliveries import deliveries
from queuectl.errors import InvalidInputError

if TYPE_CHECKING:
    from queuectl.domain.report import Report

app = group("Report on a day, a week, a month or any other period, as a file.")

STREAM = "-"

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="html, pdf, md, csv or json; by default what FILE ends in, or html.",
        autocompletion=lambda: ["html", "pdf", "md", "csv", "json"],
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The file, or - for a pipe; without it one in the folder reports of the home.",
    ),
]
Lang = Annotated[
    str,
    typer.Option("--lang", metavar="LANG", help="en or zh.", autocompletion=lambda: ["en", "zh"]),
]


@command(app)
def daily(
    ctx: typer.Context,
    *,
    day: Annotated[
        str | None, typer.Option("--day", metavar="DAY", help="Such as 2027-01-31 or yesterday; else today.")
    ] = None,
    form: Format = None,
    output: Target = None,
    lang: Lang = "en",
) -> None:
    """Report on one day, by default on today as far as it has come.

    Prints the file's name. A file of that name is replaced. Figures come from the statistics, which outlive the
    tasks; articles and the slowest runs are those that are still there.

    Examples:
      queuectl report daily
      queuectl report daily --day yesterday --format pdf --lang zh
      queuectl report daily --output report.md
    """
    run: Invocation = ctx.obj
    _write(run, lambda: run.reporter.generate_daily_report(_day(run, day)), form, output, lang)


@command(app)
def weekly(
    ctx: typer.Context,
    *,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DAY", help="The last of the seven days; by default today."),
    ] = None,
    form: Format = None,
    output: Target = None,
    lang: Lang = "en",
) -> None:
    """Report on seven days, by default on those that end with today.

    Examples:
      queuectl report weekly --format pdf
      queuectl report weekly --until 2027-01-31 --output week.html
    """
    run: Invocation = ctx.obj
    _write(run, lambda: run.reporter.generate_weekly_report(_day(run, until)), form, output, lang)


@command(app)
def monthly(
    ctx: typer.Context,
    *,
    year: Annotated[int | None, typer.Option(metavar="YEAR", help="By default this year.")] = None,
    month: Annotated[
        int | None, typer.Option(metavar="MONTH", help="1 to 12; by default this month.")
    ] = None,
    form: Format = None,
    output: Target = None,
    lang: Lang = "en",
) -> None:
    """Report on a month, by default on the present one.

    Examples:
      queuectl report monthly
      queuectl report monthly --year 2027 --month 1 --format pdf --output january.pdf
    """
    run: Invocation = ctx.obj
    _write(run, lambda: run.reporter.generate_monthly_report(year, month), form, output, lang)


@command(app)
def custom(
    ctx: typer.Context,
    *,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="The first day, or a moment.")],
    end: Annotated[
        str, typer.Option("--to", metavar="TIME", help="The last day, which is included, or a moment.")
    ],
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What to tell, with commas: summary, throughput, wait_times, durations, error_analysis,"
            " queue_utilization, hosts, schedules, publishing, slowest, comparison; by default all.",
        ),
    ] = None,
    form: Format = None,
    output: Target = None,
    lang: Lang = "en",
) -> None:
    """Report on any period, with the metrics that you choose.

    Times are read in the configured zone. A day, such as 2027-01-31, is meant as a whole; a time of day makes
    it a moment.

    Examples:
      queuectl report custom --from 2027-01-01 --to 2027-01-15
      queuectl report custom --from "2027-01-05 08:00" --to "2027-01-05 12:30" --metrics summary,error_analysis
    """
    run: Invocation = ctx.obj
    wanted = None if metrics is None else metrics.split(",")

    def made() -> Report:
        return run.reporter.generate_custom_report(_moment(run, start), _moment(run, end), wanted)

    _write(run, made, form, output, lang)


command(app)(deliveries)


def _day(run: Invocation, text: str | None) -> datetime | None:
    return None if text is None else _moment(run, text)


def _moment(run: Invocation, text: str) -> datetime:
    """Return the day or the moment that a text means; midnight stands for the whole day."""
    from queuectl.times import parse_moment

    return parse_moment(text, run.settings.timezone, towards="past", tell=run.output.say)


def _write(
    run: Invocation, make: Callable[[], Report], form: str | None, output: str | None, lang: str
) -> None:
    """Make a report and write it, after a look at how it is wanted: that takes no time, and reading may."""
    from queuectl.reports.forms import form_for
    from queuectl.reports.wording import Wording, language

    if output == STREAM and run.output.json:
        raise InvalidInputError("--json and --output - both want standard output", hint="leave one out")
    named, tongue = form_for(Path(output or STREAM), form).name, language(lang)
    report = make()
    if output == STREAM:
        made = run.reporter.render(report, named, tongue)
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return
    path = run.reporter.export_report(report, named, output, tongue)
    note_written(path)
    if run.output.json:
        from queuectl.shapes.reports import receipt_shape

        run.output.document(receipt_shape(report, Path(path), named, tongue))
        return
    run.output.line(path)
    wording = Wording("en", report.zone)
    run.output.say(f"{wording.title(report)}, {wording.period(report.period)}")
    for note in report.notes:
        run.output.say(wording.sentence(note))
