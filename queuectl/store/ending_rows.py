"""The rows in which the ends of runs travel into one statement."""

from __future__ import annotations

from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import FINAL, Move, State
from queuectl.domain.outcome import Verdict

TARGET = {
    Move.SUCCEED: State.SUCCEEDED,
    Move.RETRY: State.RETRYING,
    Move.BURY: State.DEAD,
    Move.CANCEL: State.CANCELLED,
    Move.RELEASE: State.QUEUED,
}
"""The state that each move leads to."""

ENDING_COLUMNS = (
    ("vid", "bigint"),
    ("vfence", "bigint"),
    ("vstate", "text"),
    ("vdue", "bigint"),
    ("vfinished", "bigint"),
    ("vrevoked", "bigint"),
    ("vreleased", "bigint"),
    ("vcrashed", "bigint"),
    ("vresult", "text"),
    ("verror", "text"),
)


def run_of(ending: Ending) -> tuple[int, int]:
    """Return the task's id and fence: the identity of the run."""
    return ending.work.id, ending.work.fence


def ending_row(ending: Ending) -> tuple[object, ...]:
    """Return the values of ``ENDING_COLUMNS`` for one end."""
    target = TARGET[ending.move]
    released = ending.move is Move.RELEASE
    return (
        ending.work.id,
        ending.work.fence,
        target.value,
        ending.due_at,
        ending.finished_at if target in FINAL else None,
        1 if released else 0,
        0 if ending.charged else 1,
        1 if ending.verdict is Verdict.CRASHED else 0,
        ending.result,
        ending.error,
    )
