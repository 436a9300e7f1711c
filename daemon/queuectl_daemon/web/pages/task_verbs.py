"""The verbs of the pages on tasks and on dead letters, on one or on all that are selected."""

from __future__ import annotations

from dataclasses import replace

from queuectl.domain.bulk import BulkResult
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.domain.web_access import Role
from queuectl.errors import InvalidInputError
from queuectl.operations.dead_letters import moment_days_ago
from queuectl.operations.selectors import letter_selection, narrows
from queuectl.operations.task_control import CANCELLABLE, REPRIORITIZABLE, RETRIABLE
from queuectl_daemon.web.api import forms
from queuectl_daemon.web.api.common import in_time
from queuectl_daemon.web.notes import Note
from queuectl_daemon.web.pages.verbs import Asked, PageVerb, Plan
from queuectl_daemon.web.problems import problem_of
from queuectl_daemon.web.routes import converted

_SAMPLE = 5
_POSSIBLE = {"cancel": CANCELLABLE, "retry": RETRIABLE, "reprioritize": REPRIORITIZABLE}


class _Fields(forms.Filter, kw_only=True):
    to_priority: str | None = None


def _selection(asked: Asked, verb: str) -> Selection:
    pairs = [(name, value) for name, values in asked.fields.items() for value in values]
    wanted: _Fields = converted(pairs, _Fields)
    return wanted.selectors().narrow_selection(asked.call.zone, verb, or_all=False)


def _counts(asked: Asked, selection: Selection, possible: frozenset[State]) -> dict[State, int]:
    wanted = replace(selection.narrowed(possible), limit=None)
    counts = asked.call.desk.manager.count_tasks_by("state", wanted)
    return {State(str(state)): number for state, number in counts if State(str(state)) in possible}


def _plan_for(verb: str, asked: Asked) -> Plan:
    possible, t = _POSSIBLE[verb], asked.t
    selection = _selection(asked, verb)
    counts = _counts(asked, selection, possible)
    number = sum(counts.values())
    allowed = possible.intersection(selection.states or possible)
    sample = asked.call.desk.manager.oldest_tasks(replace(selection, states=tuple(sorted(allowed))), _SAMPLE)
    if verb == "cancel":
        running = counts.get(State.RUNNING, 0)
        sentences = [t("confirm.cancel_waiting", n=number - running)] if number > running else []
        sentences += [t("confirm.cancel_running", n=running)] if running else []
    else:
        sentences = [t(f"confirm.{verb}_means", n=number)]
    return Plan(
        t(f"confirm.{verb}_title", n=number),
        sentences if number else [t("confirm.nothing")],
        t(f"confirm.{verb}_button", n=number),
        count=number,
        possible=bool(number),
        dangerous=verb == "cancel",
        tasks=sample if number else (),
    )


def _done(verb: str, asked: Asked, result: BulkResult) -> Note:
    text = asked.t(f"done.{verb}", n=result.done)
    if result.stopped:
        text += " " + asked.why_ended(result.reason)
    can_be_undone = verb in ("cancel", "reprioritize") and result.done
    kind = "good" if result.done and result.reason is None else "bad"
    return Note(text, kind, result.operation if can_be_undone else None)


def _act(verb: str, asked: Asked) -> Note:
    selection, manager = _selection(asked, verb), asked.call.desk.manager
    asked.check_count(sum(_counts(asked, selection, _POSSIBLE[verb]).values()))
    should_stop = in_time(asked.call)
    match verb:
        case "cancel":
            result = manager.cancel_tasks(selection, should_stop=should_stop)
        case "retry":
            result = manager.retry_tasks(selection, should_stop=should_stop)
        case _:
            result = manager.reprioritize_tasks(selection, asked.one("to_priority"), should_stop=should_stop)
    return _done(verb, asked, result)


def _task_verb(name: str, *, asks: tuple[str, ...] = ()) -> PageVerb:
    return PageVerb(
        name, Role.OPERATE, lambda asked: _plan_for(name, asked), lambda asked: _act(name, asked), asks
    )


def _letters(asked: Asked) -> DeadLetterSelection:
    pairs = [(name, value) for name, values in asked.fields.items() for value in values]
    wanted: forms.Letters = converted(pairs, forms.Letters)
    selection = letter_selection(wanted.selectors(), wanted.words(), asked.call.zone)
    if not narrows(selection):
        raise InvalidInputError("it is not said which dead letters to resurrect")
    return selection


def _plan_resurrect(asked: Asked) -> Plan:
    selection, t, manager = _letters(asked), asked.t, asked.call.desk.manager
    number = manager.count_dead_letters(selection)
    return Plan(
        t("confirm.resurrect_title", n=number),
        [t("confirm.resurrect_means", n=number) if number else t("confirm.nothing")],
        t("confirm.resurrect_button", n=number),
        count=number,
        possible=bool(number),
        letters=manager.oldest_dead_letters(selection, _SAMPLE) if number else (),
    )


def _resurrect(asked: Asked) -> Note:
    selection, manager = _letters(asked), asked.call.desk.manager
    asked.check_count(manager.count_dead_letters(selection))
    total = manager.resurrect_dead_letters(selection, should_stop=in_time(asked.call))
    text = asked.t("done.resurrect", n=total.done)
    reason = total.stopped or (total.refusals[0].error if total.refusals else None)
    if reason is not None:
        text += " " + asked.show.problem(problem_of(reason))
    if total.interrupted:
        text += " " + asked.t("done.stopped")
    return Note(text, "good" if total.done and reason is None else "bad", None)


def _days(asked: Asked) -> float:
    try:
        days = float(asked.one("days"))
    except ValueError:
        raise InvalidInputError(f"{asked.one('days')[:40]!r} is no number of days") from None
    moment_days_ago(days)
    return days


def _plan_purge(asked: Asked) -> Plan:
    days, t, manager = _days(asked), asked.t, asked.call.desk.manager
    number = manager.cleanup_dead_letter_queue(days, dry_run=True)
    old = DeadLetterSelection(until=moment_days_ago(days), resurrected=True)
    return Plan(
        t("confirm.purge_title", n=number),
        [t("confirm.purge_means", days=f"{days:g}") if number else t("confirm.nothing")],
        t("confirm.purge_button", n=number),
        count=number,
        possible=bool(number),
        dangerous=True,
        letters=manager.oldest_dead_letters(old, _SAMPLE) if number else (),
    )


def _purge(asked: Asked) -> Note:
    days, manager = _days(asked), asked.call.desk.manager
    asked.check_count(manager.cleanup_dead_letter_queue(days, dry_run=True))
    return Note(asked.t("done.purge", n=manager.cleanup_dead_letter_queue(days)))


VERBS = (
    _task_verb("cancel"),
    _task_verb("retry"),
    _task_verb("reprioritize", asks=("to_priority",)),
    PageVerb("resurrect", Role.OPERATE, _plan_resurrect, _resurrect),
    PageVerb("purge", Role.ADMIN, _plan_purge, _purge),
)
