"""The pages of queues, batches, dead letters, the audit, and the health of the system."""

from __future__ import annotations

from starlette.responses import Response

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import queue_named
from queuectl.domain.queue_limits import LIMITS, written
from queuectl.domain.report import METRICS
from queuectl.domain.selection import Selection, Sort
from queuectl.domain.statistics import Step, begin_of
from queuectl.domain.status import QueueStatus
from queuectl.domain.web_access import Role
from queuectl.operations.selectors import letter_selection, moment_in_past, narrows
from queuectl.reports.forms import FORMS
from queuectl.reports.wording import Wording, language
from queuectl.store.audit import AuditSelection
from queuectl.times import zone_named
from queuectl_daemon.web.api.forms import AuditList, Letters
from queuectl_daemon.web.api.system import operation_number
from queuectl_daemon.web.pages.dashboard import Noted, alerts
from queuectl_daemon.web.pages.page import Show, page, reader_of
from queuectl_daemon.web.reports import ReportWanted, report_response
from queuectl_daemon.web.routes import Call, Route

_SHOWN = 50
_SAMPLE = 10
_LIST = 100


class LetterPage(Letters, kw_only=True):
    """The filters of dead letters, and the name of what the page says once."""

    note: str | None = None


class AuditPage(AuditList, kw_only=True):
    """The filters of the audit, whether to examine it, and the name of what the page says once."""

    verify: bool = False
    note: str | None = None


def list_queues(call: Call) -> Response:
    """Return the page of all queues."""
    status = call.desk.monitor.get_realtime_status()
    return page(
        call, "queues.html", status=status, limits={each.name: _limits(each) for each in status.queues}
    )


def _limits(queue: QueueStatus) -> list[tuple[str, str]]:
    return [
        (key, f"{written(getattr(queue, key))} {limit.unit}".strip())
        for key, limit in LIMITS.items()
        if getattr(queue, key) is not None
    ]


def show_queue(call: Call) -> Response:
    """Return the page of one queue."""
    name = queue_named(call.path["name"])
    status = call.desk.monitor.get_realtime_status()
    queue = next(each for each in status.queues if each.name == name)
    waiting = Selection(
        states=(State.QUEUED, State.DISPATCHED, State.RETRYING), queues=(name,), limit=_SAMPLE
    )
    return page(
        call,
        "queue.html",
        queue=queue,
        limits=[(key, written(getattr(queue, key)), limit.accepts) for key, limit in LIMITS.items()],
        tasks=call.desk.manager.list_tasks(waiting, Sort.SCORE),
    )


def list_batches(call: Call) -> Response:
    """Return the page of batches."""
    return page(call, "batches.html", batches=call.desk.monitor.list_batches(_LIST))


def show_batch(call: Call) -> Response:
    """Return the page of one batch."""
    batch = call.desk.monitor.get_batch_status(call.path["batch_id"])
    tasks = call.desk.manager.list_tasks(Selection(batch=batch.id, limit=_SAMPLE), Sort.STATE)
    return page(call, "batch.html", batch=batch, tasks=tasks)


def dead_letters(call: Call) -> Response:
    """Return the page of dead letters, grouped and one by one."""
    asked: LetterPage = call.query
    selection = letter_selection(asked.selectors(), asked.words(), call.zone)
    return page(
        call,
        "dead.html",
        filter=asked,
        narrowed=narrows(selection) or asked.resurrected,
        groups=call.desk.monitor.group_dead_letters(selection, _SHOWN),
        letters=call.desk.monitor.get_dead_letter_queue(_SHOWN, selection),
    )


def audit(call: Call) -> Response:
    """Return the page of what people did."""
    asked: AuditPage = call.query
    wanted = AuditSelection(
        since=moment_in_past(call.zone, asked.since),
        until=moment_in_past(call.zone, asked.until),
        who=asked.who,
        verb=asked.verb,
    )
    return page(
        call,
        "audit.html",
        filter=asked,
        operations=call.desk.audit.operations(wanted, _LIST),
        verification=call.desk.audit.verify() if asked.verify else None,
    )


def operation(call: Call) -> Response:
    """Return the page of one operation."""
    summary, lines = call.desk.audit.operation(operation_number(call.path["number"]))
    return page(call, "operation.html", summary=summary, lines=lines)


def health(call: Call) -> Response:
    """Return the page of daemons and checks."""
    status = call.desk.monitor.get_realtime_status()
    reader = reader_of(call.request, call.zone)
    return page(
        call,
        "health.html",
        status=status,
        alerts=alerts(reader, status),
        health=call.desk.monitor.get_health(status),
    )


def reports(call: Call) -> Response:
    """Return the page on which reports are made, with the figures of today."""
    now = now_ms()
    begin = begin_of(now, Step.DAY, zone_named(call.zone))
    counts = call.desk.monitor.get_statistics(begin, now + 1).total
    reader = reader_of(call.request, call.zone)
    show = Show(reader)
    rate = counts.failure_rate
    figures = [
        ("submitted", show.number(counts.submitted)),
        ("succeeded", show.number(counts.succeeded)),
        ("dead", show.number(counts.dead)),
        ("retried", show.number(counts.retried)),
        ("failing", "–" if rate is None else f"{rate * 100:.1f} %"),
    ]
    wording = Wording(language(reader.language), call.zone)
    metrics = [(name, wording.word(name)) for name in METRICS]
    today = show.time(now)[:10]
    return page(call, "reports.html", forms=list(FORMS), metrics=metrics, today=today, figures=figures)


ROUTES = (
    Route("GET", "/queues", Role.READ, list_queues, "Queues", query=Noted),
    Route("GET", "/queues/{name}", Role.READ, show_queue, "One queue", query=Noted),
    Route("GET", "/batches", Role.READ, list_batches, "Batches", query=Noted),
    Route("GET", "/batches/{batch_id}", Role.READ, show_batch, "One batch", query=Noted),
    Route("GET", "/dead", Role.READ, dead_letters, "Dead letters", query=LetterPage),
    Route("GET", "/audit", Role.READ, audit, "The audit", query=AuditPage),
    Route("GET", "/audit/{number}", Role.READ, operation, "One operation", query=Noted),
    Route("GET", "/reports", Role.READ, reports, "Reports", query=Noted),
    Route("GET", "/reports/file", Role.READ, report_response, "A report as a file", query=ReportWanted),
    Route("GET", "/health", Role.READ, health, "Health", query=Noted),
)
