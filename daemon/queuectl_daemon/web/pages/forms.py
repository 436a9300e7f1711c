"""The pages with forms: submit URLs, add a schedule, and choose language and theme."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import cast

from starlette.responses import RedirectResponse, Response

from queuectl.domain.batch import Entry
from queuectl.domain.priority import LEVELS
from queuectl.domain.schedule import CatchUp
from queuectl.domain.task import ArticleTask
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError, QueuectlError
from queuectl.operations.submission_key import SubmissionKey
from queuectl_daemon.web.api.common import moment
from queuectl_daemon.web.notes import Note
from queuectl_daemon.web.pages.dashboard import Noted
from queuectl_daemon.web.pages.page import THEMES, Show, page, reader_of
from queuectl_daemon.web.pages.words import LANGUAGES
from queuectl_daemon.web.problems import problem_of
from queuectl_daemon.web.routes import Call, Route

_YEAR_SECONDS = 31_536_000
_MOST_URLS = 10_000


def submit_form(call: Call) -> Response:
    """Return the form for submitting."""
    return _submit_page(call, {})


def _submit_page(call: Call, given: Mapping[str, str], problem: str | None = None) -> Response:
    # The key makes pressing the button twice, or going back and pressing it again, submit once.
    key = given.get("key") or secrets.token_urlsafe(16)
    return page(
        call,
        "submit.html",
        code=200 if problem is None else 400,
        given=given,
        problem=problem,
        levels=LEVELS,
        key=key,
    )


def submit(call: Call) -> Response:
    """Submit the URLs of the form, one as a task and several as a batch."""
    given = dict(call.body)
    try:
        note, target = _submitted(call, given)
    except QueuectlError as error:
        return _submit_page(call, given, _said(call, error))
    return noted(call, target, note)


def _submitted(call: Call, given: Mapping[str, str]) -> tuple[Note, str]:
    t = reader_of(call.request, call.zone).words
    urls = [line.strip() for line in given.get("urls", "").splitlines() if line.strip()]
    if not 1 <= len(urls) <= _MOST_URLS:
        raise InvalidInputError(f"give 1 to {_MOST_URLS:,} URLs")
    start = moment(call, given.get("start") or None)
    once = SubmissionKey.of(call.identity.name, f"page {given.get('key', '')}", call.content)
    priority = given.get("priority") or None
    if len(urls) == 1:
        task_id = call.desk.manager.submit_task(urls[0], priority, publish_at=start, once=once)
        return Note(t("done.submit", n=1, id=task_id)), f"/tasks/{task_id.removeprefix('task_')}"
    receipt = call.desk.manager.submit_entries(
        [Entry(number, url, ArticleTask(url)) for number, url in enumerate(urls, 1)],
        priority=priority,
        batch_name=given.get("name") or None,
        interval_minutes=_minutes(given.get("interval", "")),
        start_at=start,
        once=once,
    )
    if receipt.batch_id is None:
        text = t("done.submit_none", duplicates=receipt.duplicates, invalid=receipt.invalid)
        return Note(text, "bad"), "/submit"
    text = t(
        "done.submit_some",
        n=receipt.accepted,
        id=receipt.batch_id,
        duplicates=receipt.duplicates,
        invalid=receipt.invalid,
    )
    return Note(text), f"/batches/{receipt.batch_id.removeprefix('batch_')}"


def _said(call: Call, error: QueuectlError) -> str:
    return Show(reader_of(call.request, call.zone)).problem(problem_of(error))


def _minutes(text: str) -> float:
    try:
        return float(text) if text.strip() else 0.0
    except ValueError:
        raise InvalidInputError(f"{text[:40]!r} is no number of minutes") from None


def schedule_form(call: Call) -> Response:
    """Return the form for a new schedule."""
    return page(call, "schedule_new.html", given={}, problem=None, levels=LEVELS)


def add_schedule(call: Call) -> Response:
    """Add the schedule of the form."""
    given = dict(call.body)
    t = reader_of(call.request, call.zone).words
    try:
        name = call.desk.scheduler.schedule_recurring(
            given.get("source", "").strip(),
            given.get("cron", "").strip(),
            given.get("priority") or None,
            name=given.get("name", "").strip() or None,
            zone=given.get("zone", "").strip() or None,
            catch_up=cast(CatchUp, given.get("catch_up") or "latest"),
        )
    except QueuectlError as error:
        problem = _said(call, error)
        return page(call, "schedule_new.html", code=400, given=given, problem=problem, levels=LEVELS)
    return noted(call, "/schedules", Note(t("done.schedule-add", name=name)))


def preferences(call: Call) -> Response:
    """Keep how somebody wants to read, in their own browser."""
    given = dict(call.body)
    response = RedirectResponse(own_address(given.get("to", "/")), 303)
    secure = bool(call.request.scope["state"]["secure"])
    for name, choices in (("theme", THEMES), ("language", LANGUAGES)):
        if given.get(name) in choices:
            response.set_cookie(
                name, given[name], max_age=_YEAR_SECONDS, httponly=True, samesite="lax", secure=secure
            )
    return response


def own_address(text: str) -> str:
    """Return an address if it lies below this site, else the dashboard's."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_own and "\\" not in text and len(text) < 4_000 else "/"


def noted(call: Call, target: str, note: Note) -> Response:
    """Return the way to a page that says once what was done."""
    target = own_address(target)
    name = call.desk.notes.leave(note)
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}note={name}", 303)


ROUTES = (
    Route("GET", "/submit", Role.OPERATE, submit_form, "Submit URLs", query=Noted),
    Route("POST", "/submit", Role.OPERATE, submit, "Submit URLs", form=True),
    Route("GET", "/schedules/new", Role.ADMIN, schedule_form, "Add a schedule", query=Noted),
    Route("POST", "/schedules/new", Role.ADMIN, add_schedule, "Add a schedule", form=True),
    Route("POST", "/preferences", Role.READ, preferences, "Language and theme", form=True),
)
