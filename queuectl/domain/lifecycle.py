"""The states of a task and the moves between them; nothing else in the project decides either."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a task is in its life."""

    SCHEDULED = "scheduled"  # waits for its time; the pump moves it on
    QUEUED = "queued"  # may run now; the pump dispatches it
    DISPATCHED = "dispatched"  # its message is with the transport; a daemon claims it
    RUNNING = "running"  # a daemon has claimed it and its handler runs
    RETRYING = "retrying"  # an attempt failed; it waits for its next one
    SUCCEEDED = "succeeded"  # done; only retention moves it
    DEAD = "dead"  # given up; a person may send it back
    CANCELLED = "cancelled"  # stopped by a person; a person may send it back, or undo that


FINAL = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED})
OPEN = frozenset(State) - FINAL
WAITING = frozenset({State.SCHEDULED, State.QUEUED, State.DISPATCHED, State.RETRYING})


class Move(StrEnum):
    """What can happen to a task."""

    SUBMIT = "submit"
    DUE = "due"
    DISPATCH = "dispatch"
    CLAIM = "claim"
    SUCCEED = "succeed"
    RETRY = "retry"
    BURY = "bury"
    RELEASE = "release"
    CANCEL = "cancel"
    REQUEUE = "requeue"
    RESCHEDULE = "reschedule"
    RESTORE = "restore"
    UNQUEUE = "unqueue"


# fmt: off
MOVES: Mapping[Move, tuple[frozenset[State], frozenset[State]]] = MappingProxyType({
    Move.SUBMIT:   (frozenset(),                                  frozenset({State.QUEUED, State.SCHEDULED})),
    Move.DUE:      (frozenset({State.SCHEDULED, State.RETRYING}), frozenset({State.QUEUED})),
    Move.DISPATCH: (frozenset({State.QUEUED}),                    frozenset({State.DISPATCHED})),
    Move.CLAIM:    (frozenset({State.DISPATCHED}),                frozenset({State.RUNNING})),
    Move.SUCCEED:  (frozenset({State.RUNNING}),                   frozenset({State.SUCCEEDED})),
    Move.RETRY:    (frozenset({State.RUNNING}),                   frozenset({State.RETRYING})),
    Move.BURY:     (frozenset({State.RUNNING}),                   frozenset({State.DEAD})),
    Move.RELEASE:  (frozenset({State.DISPATCHED, State.RUNNING}), frozenset({State.QUEUED})),
    Move.CANCEL:   (WAITING | {State.RUNNING},                    frozenset({State.CANCELLED})),
    Move.REQUEUE:  (frozenset({State.CANCELLED, State.RETRYING, State.DEAD}), frozenset({State.QUEUED})),
    Move.RESCHEDULE: (WAITING - {State.DISPATCHED},               frozenset({State.SCHEDULED, State.QUEUED})),
    Move.RESTORE:  (frozenset({State.CANCELLED}), frozenset({State.SCHEDULED, State.QUEUED, State.RETRYING})),
    Move.UNQUEUE:  (frozenset({State.SCHEDULED, State.QUEUED}),
                    frozenset({State.RETRYING, State.CANCELLED, State.DEAD})),
})
# fmt: on


def sources(move: Move) -> frozenset[State]:
    """Return the states that ``move`` may start from; empty for a submission."""
    return MOVES[move][0]


def allows(move: Move, state: State) -> bool:
    """Tell whether a task in ``state`` may make ``move``."""
    return state in MOVES[move][0]
