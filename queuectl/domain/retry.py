"""What follows a run: another attempt, a dead letter, or the end; and how long the next attempt waits."""

from __future__ import annotations

import random
from dataclasses import dataclass

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import Claimed
from queuectl.domain.visible import storable

CRASH_LIMIT = 3
"""A task whose process died this often is buried, however many retries it has left: it may be poison."""

RETRY_AFTER_LIMIT = 86_400.0
"""No server can postpone a task by more than a day (in seconds)."""


SHORTEST_HOLD = 1.0
"""A host that wants to be left alone is left alone for at least this long (in seconds)."""


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how soon a failed task runs again; ``backoff`` and ``longest`` in seconds."""

    max_retries: int
    backoff: float
    longest: float


def backoff_seconds(rule: RetryRule, failures: int, chance: float) -> float:
    """Return the wait before the next attempt after ``failures`` failed ones.

    It doubles with each failure up to the longest wait. ``chance`` in [0, 1) moves it down by up
    to a quarter, so that tasks that failed together do not come back together.
    """
    doubled = rule.backoff * 2.0 ** min(max(failures - 1, 0), 60)
    return min(rule.longest, doubled) * (1 - chance / 4)


def decide(work: Claimed, outcome: Outcome, rule: RetryRule, finished_at: int) -> Ending:
    """Decide what becomes of a task whose run ended with ``outcome``."""
    match outcome.verdict:
        case Verdict.SUCCEEDED:
            return Ending(
                work,
                Move.SUCCEED,
                outcome.verdict,
                finished_at,
                result=outcome.result,
                article=outcome.article,
            )
        case Verdict.CANCELLED:
            return _ended(work, outcome, finished_at, Move.CANCEL)
        case Verdict.INTERRUPTED:
            return _ended(work, outcome, finished_at, Move.RELEASE, charged=False)
        case Verdict.REFUSED:
            return _ended(work, outcome, finished_at, Move.BURY, cause="refused")
        case Verdict.CRASHED if work.crashes + 1 >= CRASH_LIMIT:
            return _ended(work, outcome, finished_at, Move.BURY, cause="crashed")
        case Verdict.FAILED if outcome.hold_host:
            return _held(work, outcome, rule, finished_at)
        case Verdict.FAILED | Verdict.CRASHED | Verdict.TIMED_OUT | Verdict.OVER_MEMORY:
            return _failed(work, outcome, rule, finished_at)


def _failed(work: Claimed, outcome: Outcome, rule: RetryRule, finished_at: int) -> Ending:
    failures = work.attempt - work.released
    if failures > rule.max_retries:
        cause = "exhausted" if outcome.verdict is Verdict.FAILED else outcome.verdict.value
        return _ended(work, outcome, finished_at, Move.BURY, cause=cause)
    wait = backoff_seconds(rule, failures, random.random())
    if outcome.retry_after is not None:
        wait = max(wait, min(outcome.retry_after, RETRY_AFTER_LIMIT))
    return _ended(work, outcome, finished_at, Move.RETRY, due_at=finished_at + round(wait * 1000))


def _held(work: Claimed, outcome: Outcome, rule: RetryRule, finished_at: int) -> Ending:
    """The host is not ready, which is no fault of the task: it waits as long as the host does, uncharged."""
    asked = rule.backoff if outcome.retry_after is None else outcome.retry_after
    until = finished_at + round(min(max(asked, SHORTEST_HOLD), RETRY_AFTER_LIMIT) * 1000)
    ending = _ended(work, outcome, finished_at, Move.RETRY, due_at=until, charged=False)
    return ending._replace(hold_until=until)


def _ended(
    work: Claimed,
    outcome: Outcome,
    finished_at: int,
    move: Move,
    *,
    due_at: int | None = None,
    cause: str | None = None,
    charged: bool = True,
) -> Ending:
    return Ending(
        work,
        move,
        outcome.verdict,
        finished_at,
        due_at=due_at,
        cause=cause,
        charged=charged,
        error=None if outcome.error is None else storable(outcome.error),
        traceback=None if outcome.traceback is None else storable(outcome.traceback),
    )
