"""The pages of tasks: the list with its filters, and one task with everything about it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
from starlette.responses import Response

from queuectl.domain.lifecycle import WAITING, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.selection import Selection, Sort, cursor_in
from queuectl.domain.web_access import Role
from queuectl_daemon.web.api.forms import TaskList
from queuectl_daemon.web.api.tasks import VERBS
from queuectl_daemon.web.pages.dashboard import Noted
from queuectl_daemon.web.pages.page import address, page
from queuectl_daemon.web.routes import Call, Route

_SHOWN = 50
_LOG_PARTS = 200
_LONGEST_RESULT = 20_000
_PLACES = ("sort", "limit", "after")


class TaskPage(TaskList, kw_only=True):
    """The filters of the page, and the name of what it says once."""

    note: str | None = None


def list_tasks(call: Call) -> Response:
    """Return a page of tasks."""
    asked: TaskPage = call.query
    sort = Sort(asked.sort) if asked.sort in set(Sort) else Sort.CREATED
    selection = asked.selectors(_SHOWN).selection(call.zone)
    place = None if asked.after is None else cursor_in(asked.after, sort)
    found = call.desk.manager.page_of_tasks(selection, sort, place)
    fields = filter_fields(asked)
    order = None if sort is Sort.CREATED else sort.value
    following = None if found.following is None else str(found.following)
    return page(
        call,
        "tasks.html",
        tasks=found.tasks,
        filter=asked,
        filter_fields=fields,
        narrowed=bool(fields),
        states=[state.value for state in State],
        queues=QUEUES,
        sorts=[each.value for each in Sort],
        chosen_states=[state.value for state in selection.states] if len(selection.states) == 1 else [],
        chosen_queues=selection.queues if len(selection.queues) == 1 else (),
        matching=_matching(call, selection) if fields else None,
        first_page=address("/tasks", fields, sort=order) if asked.after else None,
        next_page=address("/tasks", fields, sort=order, after=following) if following else None,
    )


def _matching(call: Call, selection: Selection) -> int | None:
    """Return how many tasks match, where that is known without reading all of them."""
    if selection.looks_into_rows:
        return None
    return call.desk.manager.count_tasks(replace(selection, limit=None))


def filter_fields(asked: msgspec.Struct) -> dict[str, Any]:
    """Return the filters that are given, for an address."""
    fields = msgspec.structs.asdict(asked)
    return {name: value for name, value in fields.items() if value and name not in (*_PLACES, "note")}


def show_task(call: Call) -> Response:
    """Return the page of one task."""
    desk = call.desk
    task = desk.manager.get_task(call.path["task_id"])
    article = desk.monitor.get_article(task.id) if task.state is State.SUCCEEDED else None
    return page(
        call,
        "task.html",
        task=task,
        possible=[verb.name for verb in VERBS if task.state in verb.possible],
        explanation=desk.monitor.explain(task.id) if task.state in WAITING else None,
        article=article,
        delivery=None if article is None else desk.manager.get_article_delivery(task.id),
        result=_cut(json.dumps(task.result, ensure_ascii=False, indent=2)),
        logs=desk.monitor.get_task_log(task.id)[-_LOG_PARTS:],
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_RESULT else f"{text[:_LONGEST_RESULT]}…"


ROUTES = (
    Route("GET", "/tasks", Role.READ, list_tasks, "Tasks", query=TaskPage),
    Route("GET", "/tasks/{task_id}", Role.READ, show_task, "One task", query=Noted),
)
