"""Reports, made when they are asked for: one function for the pages and for the interface."""

from __future__ import annotations

from datetime import date

from msgspec import Struct
from starlette.responses import Response

from queuectl.domain.report import Report
from queuectl.errors import InvalidInputError
from queuectl.operations.reporter import Reporter
from queuectl.reports.forms import content, form_named
from queuectl.reports.wording import language
from queuectl_daemon.web.routes import Call

_KINDS = ("daily", "weekly", "monthly", "custom")
# A report's HTML brings its style along, which no other page may; without a script, and as of nowhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


class ReportWanted(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which report: ``day`` is a day, the last of a week, or a month such as 2027-01; a custom one has two days.

    ``metrics`` may be one text with commas as well.
    """

    kind: str = "daily"
    day: str | None = None
    start: str | None = None
    end: str | None = None
    metrics: list[str] | None = None
    format: str = "html"
    lang: str = "en"
    how: str = "view"


def report_response(call: Call) -> Response:
    """Return a report as a file of the wanted form.

    Raises:
        InvalidInputError: it is not said which, or there is none such.
    """
    asked: ReportWanted = call.query
    form, tongue = form_named(asked.format), language(asked.lang)
    report = _report(call, asked)
    made = content(report, form, tongue)
    name = f"queuectl-{asked.kind}-{report.period.begin}.{form.name}"
    how = "inline" if asked.how == "view" and form.name in ("html", "json", "md") else "attachment"
    headers = {"content-disposition": f'{how}; filename="{name}"', "content-security-policy": _POLICY}
    return Response(made, media_type=form.media_type, headers=headers)


def _report(call: Call, asked: ReportWanted) -> Report:
    reporter = Reporter(call.desk.settings, call.desk.database)
    match asked.kind:
        case "daily":
            return reporter.generate_daily_report(asked.day)
        case "weekly":
            return reporter.generate_weekly_report(asked.day)
        case "monthly":
            return reporter.generate_monthly_report(*_month(asked.day))
        case "custom":
            if asked.start is None or asked.end is None:
                raise InvalidInputError("a custom report needs a start and an end", hint="give two days")
            metrics = None if asked.metrics is None else ",".join(asked.metrics).split(",")
            return reporter.generate_custom_report(asked.start, asked.end, metrics)
        case _:
            raise InvalidInputError(
                f"there is no report {asked.kind[:40]!r}", hint=f"there are {', '.join(_KINDS)}"
            )


def _month(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    try:
        first = date.fromisoformat(f"{text.strip()[:7]}-01")
    except ValueError:
        raise InvalidInputError(f"{text[:40]!r} is no month", hint="write it as 2027-01") from None
    return first.year, first.month
