"""The verbs of the pages on queues and schedules, and undoing."""

from __future__ import annotations

from queuectl.domain.priority import queue_named
from queuectl.domain.queue_limits import LIMITS, changes, read_limits
from queuectl.domain.selection import Selection
from queuectl.domain.web_access import Role
from queuectl.operations.auditing import latest_operation
from queuectl_daemon.web.api.common import in_time
from queuectl_daemon.web.api.system import operation_number
from queuectl_daemon.web.notes import Note
from queuectl_daemon.web.pages.verbs import Asked, PageVerb, Plan


def _queue(asked: Asked) -> str:
    return queue_named(asked.one("name"))


def _plan_queue(verb: str, asked: Asked) -> Plan:
    name, t = _queue(asked), asked.t
    number = asked.call.desk.manager.count_waiting(name)
    shown = asked.show.queue(name)
    is_clear = verb == "queue-clear"
    return Plan(
        t(f"confirm.{verb}_title", queue=shown),
        [t("confirm.nothing") if is_clear and not number else t(f"confirm.{verb}_means", n=number)],
        t(f"confirm.{verb}_button", queue=shown, n=number),
        count=number if is_clear else 1,
        possible=bool(number) or not is_clear,
        dangerous=is_clear,
    )


def _switch(verb: str, asked: Asked) -> Note:
    name, manager = _queue(asked), asked.call.desk.manager
    changed = manager.pause_queue(name) if verb == "queue-pause" else manager.resume_queue(name)
    return Note(
        asked.t(f"done.{verb}", queue=asked.show.queue(name)), "good", latest_operation() if changed else None
    )


def _clear(asked: Asked) -> Note:
    name, manager = _queue(asked), asked.call.desk.manager
    asked.check_count(manager.count_waiting(name))
    cleared = manager.clear_queue(name)
    text = asked.t("done.queue-clear", n=cleared, queue=asked.show.queue(name))
    return Note(text, "good", latest_operation() if cleared else None)


def _limits(asked: Asked) -> dict[str, str]:
    return {key: asked.one(key) for key in LIMITS if key in asked.fields}


def _plan_limits(asked: Asked) -> Plan:
    name, t = _queue(asked), asked.t
    present = asked.call.desk.manager.get_queue_config(name)
    changed = changes(present, read_limits(_limits(asked)))
    return Plan(
        t("confirm.queue-set_title", queue=asked.show.queue(name)),
        [t("confirm.queue-set_means") if changed else t("confirm.queue-set_same")],
        t("confirm.queue-set_button"),
        count=len(changed),
        possible=bool(changed),
        changes=[(each.key, each.before, each.after) for each in changed],
    )


def _set_limits(asked: Asked) -> Note:
    name = _queue(asked)
    changed = asked.call.desk.manager.update_queue_config(name, _limits(asked))
    text = asked.t("done.queue-set", n=len(changed), queue=asked.show.queue(name))
    return Note(text, "good", latest_operation() if changed else None)


def _plan_schedule(verb: str, asked: Asked) -> Plan:
    schedule = asked.call.desk.scheduler.get_schedule(asked.one("name"))
    return Plan(
        asked.t(f"confirm.{verb}_title", name=asked.show.text(schedule.name)),
        [asked.t(f"confirm.{verb}_means")],
        asked.t(f"confirm.{verb}_button"),
        dangerous=verb == "schedule-remove",
    )


def _act_on_schedule(verb: str, asked: Asked) -> Note:
    scheduler, name = asked.call.desk.scheduler, asked.one("name")
    shown = asked.show.text(name)
    if verb == "schedule-run":
        tick = scheduler.run_now(name)
        text = asked.t(
            "done.schedule-run", name=shown, n=tick.accepted, duplicates=tick.duplicates, invalid=tick.invalid
        )
        return Note(
            text if tick.problem is None else f"{text} {tick.problem}",
            "good" if tick.problem is None else "bad",
        )
    if verb == "schedule-remove":
        scheduler.remove(name)
        changed = True
    else:
        changed = scheduler.pause(name) if verb == "schedule-pause" else scheduler.resume(name)
    return Note(asked.t(f"done.{verb}", name=shown), "good", latest_operation() if changed else None)


def _plan_undo(asked: Asked) -> Plan:
    t, manager = asked.t, asked.call.desk.manager
    plan = manager.undo_plan(operation_number(asked.one("number")))
    sentences = [t("confirm.undo_means", what=f"{plan.verb} {plan.target}")]
    if plan.outcomes:
        sentences.append(t("confirm.undo_tasks", n=plan.outcomes["done"], changed=plan.outcomes["changed"]))
    if plan.undone_by is not None:
        sentences.append(t("confirm.undo_again", number=plan.undone_by))
    sample = manager.list_tasks(_chosen(plan.sample)) if plan.sample else []
    return Plan(
        t("confirm.undo_title", number=plan.number),
        sentences,
        t("confirm.undo_button"),
        count=max(1, plan.outcomes["done"]),
        tasks=sample,
    )


def _undo(asked: Asked) -> Note:
    result = asked.call.desk.manager.undo(
        operation_number(asked.one("number")), should_stop=in_time(asked.call)
    )
    left = result.looked_at - result.done + result.ran + len(result.kept_as_is)
    text = asked.t("done.undo", n=result.done + len(result.put_back), left=left)
    if result.stopped:
        text += " " + asked.why_ended(result.reason)
    kind = "good" if result.anything_done and result.reason is None else "bad"
    return Note(text, kind, result.operation)


def _chosen(numbers: tuple[int, ...]) -> Selection:
    return Selection(ids=numbers, limit=len(numbers))


def _queue_verb(name: str, role: Role) -> PageVerb:
    if name == "queue-clear":
        return PageVerb(name, role, lambda asked: _plan_queue(name, asked), _clear)
    return PageVerb(name, role, lambda asked: _plan_queue(name, asked), lambda asked: _switch(name, asked))


def _schedule_verb(name: str, role: Role) -> PageVerb:
    return PageVerb(
        name, role, lambda asked: _plan_schedule(name, asked), lambda asked: _act_on_schedule(name, asked)
    )


VERBS = (
    _queue_verb("queue-pause", Role.OPERATE),
    _queue_verb("queue-resume", Role.OPERATE),
    _queue_verb("queue-clear", Role.ADMIN),
    PageVerb("queue-set", Role.ADMIN, _plan_limits, _set_limits),
    _schedule_verb("schedule-pause", Role.OPERATE),
    _schedule_verb("schedule-resume", Role.OPERATE),
    _schedule_verb("schedule-run", Role.OPERATE),
    _schedule_verb("schedule-remove", Role.ADMIN),
    PageVerb("undo", Role.ADMIN, _plan_undo, _undo),
)
