"""Tasks: list, count, show, submit, and the verbs on one or many of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.bulk import BulkResult, Outcome
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import DEFAULT, level_named, level_of_score
from queuectl.domain.selection import Selection, Sort, cursor_in
from queuectl.domain.task import Task, batch_name, task_name, task_number
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.operations.auditing import latest_operation
from queuectl.operations.task_control import CANCELLABLE, REPRIORITIZABLE, RETRIABLE
from queuectl.settings import shown_webhook
from queuectl.shapes.deliveries import delivery_shape
from queuectl.shapes.forecasts import explanation_shape
from queuectl.shapes.tasks import article_shape, log_line_shape, task_shape
from queuectl.times import iso, milliseconds
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import confirmed, in_time, moment, submission_key
from queuectl_daemon.web.problems import reason_of
from queuectl_daemon.web.routes import Call, Route

_BY = ("state", "queue", "host", "batch", "handler")


def list_tasks(call: Call) -> Mapping[str, Any]:
    """Return a page of tasks."""
    asked: forms.TaskList = call.query
    sort = _sort(asked.sort)
    place = None if asked.after is None else cursor_in(asked.after, sort)
    page = call.desk.manager.page_of_tasks(asked.selectors(asked.limit).selection(call.zone), sort, place)
    return {
        "tasks": [task_shape(each) for each in page.tasks],
        "next": str(page.following) if page.following else None,
    }


def count_tasks(call: Call) -> Mapping[str, Any]:
    """Return how many tasks match."""
    asked: forms.TaskCount = call.query
    selection = asked.selectors().selection(call.zone)
    if asked.by is None:
        return {"count": call.desk.manager.count_tasks(selection)}
    if asked.by not in _BY:
        raise InvalidInputError(
            f"tasks are not counted by {asked.by[:40]!r}", hint=f"by is one of {', '.join(_BY)}"
        )
    found = call.desk.manager.count_tasks_by(asked.by, replace(selection, limit=asked.limit))  # type: ignore[arg-type]
    counts = [
        {asked.by: batch_name(value) if asked.by == "batch" and isinstance(value, int) else str(value or "-"),
         "count": number}
        for value, number in found
    ]  # fmt: skip
    return {"by": asked.by, "counts": counts}


def show_task(call: Call) -> Mapping[str, Any]:
    """Return one task with its attempts, its article, and how far that one's delivery is."""
    desk = call.desk
    task = desk.manager.get_task(call.path["task_id"])
    article = desk.monitor.get_article(task.id) if task.state is State.SUCCEEDED else None
    shape = task_shape(task, with_attempts=True)
    delivery = None if article is None else desk.manager.get_article_delivery(task.id)
    target = shown_webhook(desk.settings)
    return shape | {
        "article": None if article is None else article_shape(article, desk.settings.home),
        "delivery": None if delivery is None else delivery_shape(delivery, target),
    }


def explain_task(call: Call) -> Mapping[str, Any]:
    """Return why a task waits."""
    return explanation_shape(call.desk.monitor.explain(call.path["task_id"]))


def logs_of_task(call: Call) -> Mapping[str, Any]:
    """Return what a task's handler logged."""
    number = task_number(call.path["task_id"])
    parts = call.desk.monitor.get_task_log(number)
    lines = [log_line_shape(part, line) for part in parts for line in part.lines]
    return {"task_id": task_name(number), "lines": lines}


def submit_task(call: Call) -> Mapping[str, Any]:
    """Submit one task."""
    asked: forms.Submit = call.body
    if asked.priority is not None and asked.score is not None:
        raise InvalidInputError("a priority and a score contradict each other", hint="give one of them")
    start, once = moment(call, asked.run_at), submission_key(call)
    task_id = call.desk.manager.submit_task(
        asked.url,
        asked.priority,
        priority_score=asked.score,
        metadata=asked.metadata,
        handler=asked.handler,
        publish_at=start,
        timeout=asked.timeout,
        memory_limit=asked.memory_limit,
        max_retries=asked.max_retries,
        unique=asked.unique or None,
        once=once,
    )
    if once is not None:
        return _submitted(call.desk.manager.get_task(task_id))  # it may be the one of an earlier request
    score = asked.score
    if score is None:
        score = (level_named(asked.priority) if asked.priority else DEFAULT).score
    at = None if start is None else milliseconds(start)
    return {
        "task_id": task_id,
        "state": "scheduled" if at is not None and at > now_ms() else "queued",
        "queue": level_of_score(score).queue,
        "priority_score": score,
        "run_at": iso(at),
    }


def _submitted(task: Task) -> Mapping[str, Any]:
    return {
        "task_id": task_name(task.id),
        "state": task.state.value,
        "queue": task.queue,
        "priority_score": task.priority_score,
        "run_at": iso(task.run_at),
    }


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb on tasks, on one and on many."""

    name: str
    done: str
    possible: frozenset[State]
    one: Callable[[Call, str], Task]
    many: Callable[..., BulkResult]


def _one_reprioritized(call: Call, task_id: str) -> Task:
    asked: forms.Reprioritize = call.body
    return call.desk.manager.reprioritize_task(task_id, asked.priority, score=asked.score)


def _many_reprioritized(call: Call, selection: Selection, **groups: Any) -> BulkResult:
    asked: forms.ManyReprioritize = call.body
    return call.desk.manager.reprioritize_tasks(selection, asked.to_priority, score=asked.to_score, **groups)


VERBS = (
    Verb(
        "cancel",
        "cancelled",
        CANCELLABLE,
        lambda call, task_id: call.desk.manager.cancel_task(task_id),
        lambda call, selection, **groups: call.desk.manager.cancel_tasks(selection, **groups),
    ),
    Verb(
        "retry",
        "retried",
        RETRIABLE,
        lambda call, task_id: call.desk.manager.retry_task(task_id),
        lambda call, selection, **groups: call.desk.manager.retry_tasks(selection, **groups),
    ),
    Verb("reprioritize", "reprioritized", REPRIORITIZABLE, _one_reprioritized, _many_reprioritized),
)


def _act_on_one(verb: Verb) -> Callable[[Call], Mapping[str, Any]]:
    def act(call: Call) -> Mapping[str, Any]:
        task = verb.one(call, call.path["task_id"])
        return {"tasks": [task_shape(task)], "failed": [], "operation": latest_operation()}

    return act


def _act_on_many(verb: Verb) -> Callable[[Call], Mapping[str, Any]]:
    def act(call: Call) -> Mapping[str, Any]:
        asked: forms.Many = call.body
        selectors = asked.selectors(asked.limit or None, everything=asked.all)
        selection = selectors.narrow_selection(call.zone, verb.name)
        matched = matching(call, selection, verb.possible)
        if asked.dry_run:
            return {"matched": matched, "done": 0, "dry_run": True}
        if not selection.only_names:
            confirmed(matched, asked.confirm, "tasks")
        failed: list[tuple[int, Outcome]] = []

        def take(progress: Any) -> None:
            failed.extend(
                (each, outcome) for each, outcome in progress.outcomes.items() if outcome is not Outcome.DONE
            )

        result = verb.many(call, selection, on_group=take, should_stop=in_time(call))
        return bulk_shape(result, failed)

    return act


def matching(call: Call, selection: Selection, possible: frozenset[State]) -> int:
    """Return how many tasks a verb would be done to."""
    wanted = replace(selection.narrowed(possible), limit=None)
    counts = call.desk.manager.count_tasks_by("state", wanted)
    total = sum(number for state, number in counts if State(str(state)) in possible)
    return total if selection.limit is None else min(total, selection.limit)


def bulk_shape(result: BulkResult, failed: list[tuple[int, Outcome]]) -> Mapping[str, Any]:
    """Return what became of an action on many tasks; the first hundred that it could not be done to by name."""
    return {
        "matched": result.looked_at,
        "done": result.done,
        "asked_to_stop": result.asked,
        "outcomes": {outcome.value: result.outcomes[outcome] for outcome in Outcome},
        "stopped": result.stopped,
        "reason": reason_of(result.reason),
        "operation": result.operation,
        "failed": [{"id": task_name(number), "outcome": outcome.value} for number, outcome in failed[:100]],
    }


def _sort(text: str) -> Sort:
    try:
        return Sort(text)
    except ValueError:
        raise InvalidInputError(
            f"tasks are not sorted by {text[:40]!r}", hint=f"sort is one of {', '.join(Sort)}"
        ) from None


_TASK = "/tasks/{task_id}"

ROUTES = (
    Route("GET", "/tasks", Role.READ, list_tasks, "List tasks, page by page", query=forms.TaskList),
    Route(
        "POST", "/tasks", Role.OPERATE, submit_task, "Submit a task", body=forms.Submit, status=201, once=True
    ),
    Route("GET", "/tasks/count", Role.READ, count_tasks, "Count tasks", query=forms.TaskCount),
    *(
        Route(
            "POST",
            f"/tasks/{verb.name}",
            Role.OPERATE,
            _act_on_many(verb),
            f"{verb.name.capitalize()} all tasks that match",
            body=forms.ManyReprioritize if verb.name == "reprioritize" else forms.Many,
        )
        for verb in VERBS
    ),
    Route("GET", _TASK, Role.READ, show_task, "Show a task with its attempts"),
    Route("GET", f"{_TASK}/explain", Role.READ, explain_task, "Say why a task does not run"),
    Route("GET", f"{_TASK}/logs", Role.READ, logs_of_task, "Show what a task logged"),
    *(
        Route(
            "POST",
            f"{_TASK}/{verb.name}",
            Role.OPERATE,
            _act_on_one(verb),
            f"{verb.name.capitalize()} a task",
            body=forms.Reprioritize if verb.name == "reprioritize" else None,
        )
        for verb in VERBS
    ),
)
