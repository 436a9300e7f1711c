"""Ends of runs that no handler reported: tasks given back, interrupted, or left by a daemon that died."""

from __future__ import annotations

from queuectl.clock import now_ms
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.retry import RetryRule, decide
from queuectl.domain.task import Claimed
from queuectl.store.tasks import InHand


def never_began(work: Claimed) -> Ending:
    """Return the end of a claimed task whose run did not begin: it goes back, uncharged."""
    return Ending(
        work, Move.RELEASE, Verdict.INTERRUPTED, now_ms(), charged=False, error="released before it began"
    )


def interrupted(work: Claimed) -> Ending:
    """Return the end of a run that an orderly shutdown cut off: it goes back, uncharged."""
    return Ending(
        work,
        Move.RELEASE,
        Verdict.INTERRUPTED,
        now_ms(),
        charged=False,
        error="interrupted by the daemon's shutdown",
    )


def unrecordable(ending: Ending, error: Exception) -> Ending:
    """Return what to record of a run whose own report the database refuses: a dead letter that says so."""
    reason = f"what it reported could not be stored: {type(error.__cause__ or error).__name__}"
    return Ending(
        ending.work, Move.BURY, Verdict.FAILED, ending.finished_at, cause="unrecordable", error=reason
    )


def left_behind(held: InHand, rule: RetryRule) -> Ending:
    """Return the end of a run whose daemon died: charged, and counted as a crash.

    The task goes back at once while it has attempts left. One whose process died too often is
    buried, since it may be what kills them.
    """
    outcome = Outcome(Verdict.CRASHED, error="the daemon that ran it ended without a word")
    if held.cancel_requested:
        return Ending(held.work, Move.CANCEL, Verdict.CANCELLED, now_ms())
    ending = decide(held.work, outcome, rule, now_ms())
    if ending.move is Move.BURY:
        return ending
    return Ending(held.work, Move.RELEASE, Verdict.CRASHED, ending.finished_at, error=outcome.error)
