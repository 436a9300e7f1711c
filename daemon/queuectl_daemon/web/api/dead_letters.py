"""Dead letters: list, group, show, resurrect and purge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.web_access import Role
from queuectl.operations.dead_letters import Resurrection
from queuectl.operations.selectors import letter_selection, narrows
from queuectl.shapes.dead_letters import group_shape, letter_shape
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import confirmed, in_time
from queuectl_daemon.web.problems import problem_of, reason_of
from queuectl_daemon.web.routes import Call, Route

_NAMED = 1_000


def list_letters(call: Call) -> Mapping[str, Any]:
    """Return dead letters, the newest first."""
    asked: forms.Letters = call.query
    found = call.desk.monitor.get_dead_letter_queue(asked.limit, _selected(call, asked))
    return {"dead_letters": [letter_shape(each) for each in found]}


def list_groups(call: Call) -> Mapping[str, Any]:
    """Return dead letters by cause and kind of error."""
    asked: forms.Letters = call.query
    found = call.desk.monitor.group_dead_letters(_selected(call, asked), asked.limit)
    return {"groups": [group_shape(each) for each in found]}


def show_letter(call: Call) -> Mapping[str, Any]:
    """Return one dead letter."""
    return letter_shape(call.desk.monitor.get_dead_letter(call.path["letter_id"]))


def resurrect_one(call: Call) -> Mapping[str, Any]:
    """Submit the task of a dead letter anew."""
    asked: forms.Again = call.body
    number = call.path["letter_id"]
    task_id = call.desk.manager.resurrect_from_dead_letter(number, again=asked.again)
    return {"matched": 1, "resurrected": [{"dead_letter_id": int(number), "task_id": task_id}], "failed": []}


def resurrect_many(call: Call) -> Mapping[str, Any]:
    """Submit the tasks of all dead letters that match anew."""
    asked: forms.Resurrect = call.body
    selectors = asked.selectors(asked.limit or None, everything=asked.all)
    selection = letter_selection(selectors, asked.words(), call.zone)
    selectors.check_narrow("resurrect", "dead letter", narrow=narrows(selection))
    matched = call.desk.manager.count_dead_letters(selection)
    if asked.dry_run:
        return {"matched": matched, "resurrected": [], "failed": [], "dry_run": True}
    confirmed(matched, asked.confirm, "dead letters")
    made: list[Resurrection] = []

    def take(group: Sequence[Resurrection]) -> None:
        made.extend(group)

    total = call.desk.manager.resurrect_dead_letters(selection, on_group=take, should_stop=in_time(call))
    return {
        "matched": matched,
        "done": total.done,
        "refused": total.refused,
        "stopped": total.interrupted or total.stopped is not None,
        "reason": reason_of(total.stopped),
        "resurrected": [
            {"dead_letter_id": each.dead_letter_id, "task_id": each.task_id} for each in made[:_NAMED]
        ],
        "failed": [
            {"id": str(each.dead_letter_id), "message": problem_of(each.error).message}
            for each in total.refusals
        ],
    }


def purge(call: Call) -> Mapping[str, Any]:
    """Remove old dead letters for good."""
    asked: forms.Purge = call.body
    matched = call.desk.manager.cleanup_dead_letter_queue(asked.days, dry_run=True)
    removed = 0
    if not asked.dry_run:
        confirmed(matched, asked.confirm, "dead letters")
        removed = call.desk.manager.cleanup_dead_letter_queue(asked.days)
    return {"days": asked.days, "matched": matched, "removed": removed, "dry_run": asked.dry_run}


def _selected(call: Call, asked: forms.Letters) -> DeadLetterSelection:
    return letter_selection(asked.selectors(), asked.words(), call.zone)


_LETTER = "/dead-letters/{letter_id}"

ROUTES = (
    Route("GET", "/dead-letters", Role.READ, list_letters, "List dead letters", query=forms.Letters),
    Route("GET", "/dead-letters/groups", Role.READ, list_groups, "Group dead letters", query=forms.Letters),
    Route(
        "POST",
        "/dead-letters/resurrect",
        Role.OPERATE,
        resurrect_many,
        "Resurrect all dead letters that match",
        body=forms.Resurrect,
    ),
    Route("POST", "/dead-letters/purge", Role.ADMIN, purge, "Remove old dead letters", body=forms.Purge),
    Route("GET", _LETTER, Role.READ, show_letter, "Show a dead letter"),
    Route(
        "POST",
        f"{_LETTER}/resurrect",
        Role.OPERATE,
        resurrect_one,
        "Resurrect a dead letter",
        body=forms.Again,
    ),
)
