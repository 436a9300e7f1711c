"""Reports on a day, a week, a month or any period: made from the statistics, and written to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, tzinfo
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from queuectl.clock import now_ms
from queuectl.domain.report import Cell, Kind, Note, Report, Section, checked_metrics, count
from queuectl.domain.report_period import Period, between, day_of, is_of_days, month_of, week_to
from queuectl.errors import InvalidInputError
from queuectl.operations import reporter_lists, reporter_sections
from queuectl.operations.opening import make_folder
from queuectl.operations.reporter_figures import Figures, read_figures
from queuectl.operations.verbs import Verbs
from queuectl.operations.whole_file import in_place_of
from queuectl.reports.forms import Form, content, form_for, form_named
from queuectl.reports.wording import language
from queuectl.settings import Settings
from queuectl.times import zone_named

if TYPE_CHECKING:
    from queuectl.operations.reporter_delivery import PlannedDelivery

FOLDER = "reports"
"""The folder of the home that reports are written to where no other file is named."""

_SECTIONS: Mapping[str, Callable[[Figures, tzinfo], Section]] = MappingProxyType(
    {
        "summary": reporter_sections.summary,
        "throughput": reporter_sections.throughput,
        "wait_times": reporter_sections.wait_times,
        "durations": reporter_sections.durations,
        "error_analysis": reporter_sections.error_analysis,
        "queue_utilization": reporter_sections.queue_utilization,
        "hosts": reporter_lists.hosts,
        "schedules": reporter_lists.schedules,
        "publishing": reporter_lists.publishing,
        "slowest": reporter_lists.slowest,
        "comparison": reporter_sections.comparison,
    }
)


class Reporter(Verbs):
    """Makes reports; it changes nothing, and no daemon is needed. Days are those of the configured time zone.

    Raises:
        ConfigurationError: the settings have mistakes.
        UnreachableError: the database does not answer or does not fit.
    """

    def generate_daily_report(self, day: date | datetime | str | None = None) -> Report:
        """Return the report on one day, by default on today as far as it has come.

        Raises:
            InvalidInputError: the day is still to come, or the text is none.
            UnreachableError: the database does not answer.
        """
        return self.report_on(day_of(self._today() if day is None else _date(day), self._zone, now_ms()))

    def generate_weekly_report(self, last_day: date | datetime | str | None = None) -> Report:
        """Return the report on the seven days that end with ``last_day``, by default with today.

        Raises:
            InvalidInputError: they are still to come, or the text is no day.
            UnreachableError: the database does not answer.
        """
        last = self._today() if last_day is None else _date(last_day)
        return self.report_on(week_to(last, self._zone, now_ms()))

    def generate_monthly_report(self, year: int | None = None, month: int | None = None) -> Report:
        """Return the report on a month, by default on the present one; a month without a year is one of this year.

        Raises:
            InvalidInputError: there is no such month, or it is still to come.
            UnreachableError: the database does not answer.
        """
        today = self._today()
        if month is None:
            if year is not None:
                raise InvalidInputError("a year without a month", hint="name both, such as 2027 and 1")
            month = today.month
        numbers = (today.year if year is None else year, month)
        if not all(isinstance(each, int) for each in numbers):
            raise InvalidInputError("year and month are whole numbers", hint="write them as 2027 and 1")
        return self.report_on(month_of(*numbers, self._zone, now_ms()))

    def generate_custom_report(
        self,
        start_date: date | datetime | str,
        end_date: date | datetime | str,
        metrics: Iterable[str] | None = None,
    ) -> Report:
        """Return the report on the days from ``start_date`` to ``end_date``, both included.

        Either may be a moment as well: without a zone it is read in the configured one, and midnight means the day
        that begins with it. ``metrics`` are names of ``queuectl.domain.report.METRICS``, in the order in which they
        are to be shown; None means all.

        Raises:
            InvalidInputError: the period is empty or still to come, or there is no such metric.
            UnreachableError: the database does not answer.
        """
        wanted = checked_metrics(metrics)
        period = between(_date(start_date), _date(end_date), self._zone, now_ms())
        return self.report_on(period, wanted)

    def report_on(self, period: Period, metrics: tuple[str, ...] | None = None) -> Report:
        """Return the report on a period that was made before; None means all metrics.

        Raises:
            UnreachableError: the database does not answer.
        """
        wanted = checked_metrics(metrics)
        figures = read_figures(self._database, self.settings, period, self._zone, wanted)
        sections = tuple(_SECTIONS[metric](figures, self._zone) for metric in wanted)
        return Report(period, self.settings.timezone, sections, _notes(figures))

    def export_report(
        self,
        report: Report,
        format: str | None = None,
        output_path: str | Path | None = None,
        lang: str = "en",
    ) -> str:
        """Write a report to a file and return its path; a file of that name is replaced.

        ``format`` is html, pdf, md, csv or json, and by default what the file's name ends in. Without a path the
        file goes to the folder ``reports`` of the home. ``lang`` is en or zh. The file appears when it is complete.

        Raises:
            InvalidInputError: there is no such format, language or folder.
            MissingDependencyError: a package that the format needs is not installed.
            StorageError: the file cannot be written.
        """
        file = None if output_path is None else Path(output_path)
        form = form_for(file, format)
        made = self.render(report, form.name, lang)
        if file is None:
            file = self.default_file(report, form, lang)
            make_folder(file.parent)
        with in_place_of(file) as temporary:
            temporary.write_bytes(made)
        return str(file)

    def render(self, report: Report, format: str = "html", lang: str = "en") -> bytes:
        """Return what the file of a report holds.

        Raises:
            InvalidInputError: there is no such format or language.
            MissingDependencyError: a package that the format needs is not installed.
        """
        return content(report, form_named(format), language(lang))

    def default_file(self, report: Report, form: Form, lang: str) -> Path:
        """Return where a report is written if nothing else is said; the same report has the same place."""
        return self.settings.home / FOLDER / file_name(report, form, lang)

    def planned_deliveries(self) -> list[PlannedDelivery]:
        """Return which reports the daemon delivers by itself, and how far that is."""
        from queuectl.operations.reporter_delivery import planned  # it stands on this module

        return planned(self._database, self.settings)

    @property
    def _zone(self) -> tzinfo:
        return zone_named(self.settings.timezone)

    def _today(self) -> date:
        return datetime.fromtimestamp(now_ms() / 1000, self._zone).date()


def file_name(report: Report, form: Form, lang: str) -> str:
    """Return a name for a report's file that tells its period, such as ``daily-2027-01-31.en.html``.

    One that begins or ends within a day is told by both its moments, so that two of a day have two names.
    """
    period, zone = report.period, zone_named(report.zone)
    first, last, end = (
        datetime.fromtimestamp(at / 1000, zone) for at in (period.begin, period.end - 1, period.end)
    )
    if period.kind == "monthly":
        when = f"{first:%Y-%m}"
    elif not is_of_days(period, zone):
        when = f"{first:%Y-%m-%dT%H%M}-to-{end:%Y-%m-%dT%H%M}"
    elif last.date() != first.date():
        when = f"{first:%Y-%m-%d}-to-{last:%Y-%m-%d}"
    else:
        when = f"{first:%Y-%m-%d}"
    return f"{period.kind}-{when}.{language(lang)}.{form.name}"


def get_reporter(settings: Settings | None = None) -> Reporter:
    """Return a reporter of the configured installation."""
    return Reporter(settings)


def _notes(figures: Figures) -> tuple[Note, ...]:
    total, period = figures.now.total, figures.period
    counts = {each: count(getattr(total, each)) for each in ("ended", "succeeded", "dead", "cancelled")}
    notes = [Note("headline", tuple(counts.items())) if total.ended else Note("headline_nothing")]
    if not period.is_over:
        notes.append(Note("not_over", (("moment", Cell(Kind.MOMENT, period.until)),)))
    if figures.now.start < period.begin or figures.now.end > period.end:
        values = (
            ("begin", Cell(Kind.MOMENT, figures.now.start)),
            ("end", Cell(Kind.MOMENT, figures.now.end)),
        )
        notes.append(Note("widened", values))
    return tuple(notes)


def _date(given: date | datetime | str) -> date | datetime:
    """Return a day or a moment, which a text names in the form of ISO 8601.

    Raises:
        InvalidInputError: it is none.
    """
    if isinstance(given, date):
        return given
    try:
        text = given.strip()
        return date.fromisoformat(text) if len(text) == len("2027-01-31") else datetime.fromisoformat(text)
    except (AttributeError, ValueError) as error:
        raise InvalidInputError(
            f"{str(given)[:40]!r} is not a day", hint="write it as 2027-01-31, or give a date"
        ) from error
