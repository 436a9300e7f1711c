"""Why a task waits: every reason by the rule that dispatch follows, in the order of how long it binds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.admission import HostUse, QueueRules, QueueUse
from queuectl.domain.explanation import Cause, Certainty, WaitReason, earliest, ranked
from queuectl.domain.lifecycle import State
from queuectl.domain.rate import RateLimit
from queuectl.domain.sentence import say
from queuectl.domain.task import Task
from queuectl.domain.wait_reasons import Facts, Line, Worker, reasons_to_wait
from tests.support.factories import NOW

IDLE = Worker("here", 4, 0.0, frozenset({"article"}), 0)
HOUR = 3_600_000


def a_task(state: State = State.QUEUED, **fields: Any) -> Task:
    task = Task(
        id=7, url="https://a.test/", handler="article", queue="low_priority", priority_score=3, state=state, fence=0,
        attempt=0, max_retries=None, timeout=None, memory_limit=None, batch_id=None, metadata={}, created_at=NOW,
        run_at=None, due_at=NOW, started_at=None, finished_at=None, cancel_requested=False, error=None, result=None,
    )  # fmt: skip
    return replace(task, **fields)


def facts(**fields: Any) -> Facts:
    """Return facts of a queued task that nothing keeps back."""
    known = Facts(
        now=NOW,
        task=a_task(),
        failures=0,
        runs=4,
        daemons=(IDLE,),
        rule=QueueRules("low_priority"),
        host="a.test",
        line=Line(before=0, own=0, least=False, free=4, taken=0, chosen=True),
    )
    return replace(known, **fields)


def rule(**limits: Any) -> QueueRules:
    return QueueRules("low_priority", **limits)


def causes(known: Facts) -> list[Cause]:
    return [reason.cause for reason in ranked(reasons_to_wait(known))]


def only(known: Facts) -> WaitReason:
    (reason,) = reasons_to_wait(known)
    return reason


def hour_after(start: int) -> int:
    """Return when a start leaves the window of ten in an hour: it may have happened a second after it was granted."""
    return RateLimit(10, HOUR).stamp(start + 1_000) + HOUR


def test_nothing_keeps_a_task_that_is_chosen() -> None:
    assert reasons_to_wait(facts()) == []
    assert earliest([], NOW) == (NOW, Certainty.NOW)


def test_without_a_daemon_nothing_moves_in_the_line() -> None:
    reason = only(facts(daemons=(), line=Line(5, 5, False, 0, 0, False)))
    assert (reason.cause, reason.until, reason.command) == (Cause.NO_DAEMON, None, "queuectl daemon start")


def test_a_paused_queue_is_resumed_by_name() -> None:
    reason = only(facts(rule=rule(paused=True)))
    assert (reason.cause, reason.command) == (Cause.PAUSED, "queuectl queue resume low")


def test_a_used_up_rate_ends_when_a_start_leaves_the_window() -> None:
    limit = RateLimit(10, HOUR)
    use = QueueUse(started=10, next_start_at=NOW + 60_000)
    reason = only(facts(rule=rule(rate_limit=limit), use=use, starts=(NOW + 60_000 - HOUR,) * 10))
    assert (reason.cause, reason.until, reason.estimated) == (Cause.RATE_LIMIT, NOW + 60_000, False)
    assert "10/h" in reason.message


@pytest.mark.parametrize(
    ("own", "started", "until"),
    [
        (9, 10, NOW + 60_000),  # the tenth of those that become free
        (10, 10, hour_after(NOW + 60_000)),
        (25, 10, hour_after(hour_after(NOW + 60_000))),
        (3, 8, NOW + 60_000),  # two may start at once, and the next ones when the eight are an hour old
        (11, 8, hour_after(NOW)),
        (12, 8, hour_after(NOW + 60_000)),
    ],
)
def test_tasks_before_it_use_up_the_rate_first(own: int, started: int, until: int) -> None:
    use = QueueUse(started=started, next_start_at=NOW + 60_000 if started == 10 else None)
    line = Line(own, own, False, 100, min(own, 10 - started), False)
    starts = (NOW + 60_000 - HOUR,) * started
    found = reasons_to_wait(
        facts(rule=rule(rate_limit=RateLimit(10, HOUR)), use=use, line=line, starts=starts)
    )
    (reason,) = [each for each in found if each.cause is Cause.RATE_LIMIT]
    assert (reason.until, reason.estimated) == (until, True)


def test_each_limit_is_told_although_admission_names_one() -> None:
    limited = rule(paused=True, rate_limit=RateLimit(1, HOUR), concurrency=2)
    use = QueueUse(at_work=2, started=1, next_start_at=NOW + 5)
    known = facts(rule=limited, use=use, starts=(NOW + 5 - HOUR,))
    assert causes(known) == [Cause.PAUSED, Cause.CONCURRENCY, Cause.RATE_LIMIT]


def test_each_limit_of_the_host_is_told() -> None:
    use = HostUse(running=1, last_start_at=NOW - 1_000, held_until=NOW + 90_000)
    known = facts(rule=rule(host_gap=5, host_concurrency=1), host_use=use, held_because="429 slow\x1b down")
    found = ranked(reasons_to_wait(known))
    assert [each.cause for each in found] == [Cause.HOST_CONCURRENCY, Cause.HOST_HELD, Cause.HOST_GAP]
    assert [each.until for each in found] == [None, NOW + 90_000, NOW + 4_000]
    assert found[1].message == "a.test wants to be left alone: 429 slow\\x1b down"


def test_what_stands_before_it_waits_for_workers() -> None:
    known = facts(daemons=(replace(IDLE, per_minute=60.0),), line=Line(9, 2, False, 0, 0, False))
    found = {each.cause: each for each in reasons_to_wait(known)}
    assert found[Cause.AHEAD].until == NOW + 10_000
    assert found[Cause.WORKERS].until == NOW + 1_000
    assert all(each.estimated for each in found.values())
    assert "9 queued tasks" in found[Cause.AHEAD].message


@pytest.mark.parametrize(
    ("workers", "command"),
    [
        ((4,), "queuectl daemon scale 8"),
        ((400,), "queuectl daemon scale 512"),
        ((512,), None),
        ((4, 6), "queuectl daemon scale 12 --all"),
    ],
)
def test_more_workers_are_a_command_away_while_more_can_be_set(
    workers: tuple[int, ...], command: str | None
) -> None:
    daemons = tuple(replace(IDLE, workers=each) for each in workers)
    reason = only(facts(daemons=daemons, line=Line(0, 0, False, 0, 0, False)))
    assert (reason.cause, reason.command) == (Cause.WORKERS, command)


def test_a_kind_at_its_cap_keeps_a_task_unless_another_daemon_has_room_for_it() -> None:
    full = replace(IDLE, held_back={"article": "process"})
    reason = only(facts(daemons=(full,)))
    assert (reason.cause, reason.binding, reason.until) == (Cause.KIND, True, None)
    assert reason.message == "as many tasks of its kind are at work as workers_process allows"
    assert causes(facts(daemons=(full, IDLE))) == []
    assert causes(facts(daemons=(replace(full, held_back={"index": "thread"}),))) == []


def test_long_runs_are_estimated_by_their_mean() -> None:
    known = facts(mean_run_ms=30_000.0, line=Line(4, 4, False, 0, 0, False))
    (ahead,) = [each for each in reasons_to_wait(known) if each.cause is Cause.AHEAD]
    assert ahead.until == NOW + 5 * 30_000 // 4


def test_a_line_longer_than_was_counted_is_said_to_be() -> None:
    found = reasons_to_wait(facts(line=Line(10_000, 10_001, True, 0, 0, False)))
    assert "more than 10,000 queued tasks" in found[-1].message


def test_a_planned_time_and_what_lasts_longer_are_told() -> None:
    task = a_task(State.SCHEDULED, due_at=NOW + HOUR)
    use = QueueUse(started=1, next_start_at=NOW + 60_000)
    known = facts(task=task, line=None, rule=rule(rate_limit=RateLimit(1, 60_000)), use=use)
    assert causes(known) == [Cause.NOT_DUE]
    assert causes(replace(known, rule=rule(paused=True))) == [Cause.PAUSED, Cause.NOT_DUE]
    held = replace(known, rule=rule(), host_use=HostUse(held_until=NOW + 2 * HOUR))
    assert causes(held) == [Cause.HOST_HELD, Cause.NOT_DUE]


def test_a_back_off_names_the_run_that_failed() -> None:
    reason = only(
        facts(task=a_task(State.RETRYING, due_at=NOW + 5_000, error="no\nway"), failures=2, line=None)
    )
    assert (reason.cause, reason.until, reason.command) == (
        Cause.BACK_OFF,
        NOW + 5_000,
        "queuectl retry task_7",
    )
    assert "run 2 of 4 failed because: no\\nway" in reason.message


def test_a_dispatched_task_starts_at_any_moment() -> None:
    found = reasons_to_wait(facts(task=a_task(State.DISPATCHED), line=None))
    assert [each.cause for each in found] == [Cause.ON_ITS_WAY]
    assert earliest(found, NOW) == (NOW, Certainty.ESTIMATE)


def test_a_handler_that_nobody_has_is_told_and_keeps_nothing_back() -> None:
    reason = only(facts(daemons=(replace(IDLE, handlers=frozenset({"other"})),)))
    assert (reason.cause, reason.binding) == (Cause.NO_HANDLER, False)
    assert earliest([reason], NOW) == (NOW, Certainty.NOW)


def test_a_planned_task_waits_for_the_first_clock_that_gets_there() -> None:
    task = a_task(State.SCHEDULED, due_at=NOW + HOUR)
    slow, slower = replace(IDLE, clock_ahead=-5_000), replace(IDLE, host="there", clock_ahead=-9_000)
    found = reasons_to_wait(facts(task=task, line=None, daemons=(slow, slower)))
    assert earliest(found, NOW) == (NOW + HOUR + 5_000, Certainty.KNOWN)
    right = reasons_to_wait(facts(task=task, line=None, daemons=(IDLE, slower)))
    assert earliest(right, NOW) == (NOW + HOUR, Certainty.KNOWN)


reasons = st.builds(
    WaitReason,
    cause=st.sampled_from(Cause),
    said=st.just(say("wait.not_due")),
    until=st.none() | st.integers(NOW - 1000, NOW + 10**9),
    estimated=st.booleans(),
    binding=st.booleans(),
)


@given(st.lists(reasons, max_size=8))
def test_the_longest_comes_first_and_decides_the_start(found: list[WaitReason]) -> None:
    order = ranked(found)
    moment, certainty = earliest(order, NOW)
    binding = [each for each in order if each.binding]
    assert list(order[: len(binding)]) == binding
    open_ends = [each for each in binding if each.until is None]
    assert binding[: len(open_ends)] == open_ends
    ends = [each.until for each in binding if each.until is not None]
    assert ends == sorted(ends, reverse=True)
    assert moment == max([NOW, *ends])
    assert (certainty is Certainty.NOW) == (not binding)
    assert (certainty is Certainty.AT_LEAST) == bool(open_ends)
