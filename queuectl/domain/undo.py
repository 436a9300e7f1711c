"""What came of undoing an operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from queuectl.domain.bulk import BulkResult
from queuectl.domain.lifecycle import State

_SAMPLE = 5


@dataclass(frozen=True, slots=True)
class LeftTask:
    """A task that was not put back, and its state; None if it was removed."""

    id: int
    state: State | None


@dataclass(slots=True)
class UndoResult(BulkResult):
    """The outcomes for tasks, and sentences about other things.

    ``undone`` is the operation that was undone, ``operation`` the new one. ``ran`` counts tasks that were
    running then and have been asked to stop, which nobody can take back. ``left`` is a sample of what was not
    put back. ``put_back`` and ``kept_as_is`` tell in words what became of settings and schedules.
    ``lasting`` says that this undoing cannot be undone itself.
    """

    undone: int = 0
    ran: int = 0
    left: list[LeftTask] = field(default_factory=list)
    put_back: list[str] = field(default_factory=list)
    kept_as_is: list[str] = field(default_factory=list)
    lasting: bool = False

    def leave(self, task: int, state: State | None) -> None:
        """Note a task that was not put back."""
        if len(self.left) < _SAMPLE:
            self.left.append(LeftTask(task, state))

    @property
    def anything_done(self) -> bool:
        """Whether something was put back."""
        return bool(self.done or self.put_back)

    @property
    def anything_left(self) -> bool:
        """Whether something was not."""
        return bool(self.ran or self.kept_as_is or self.looked_at > self.done)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What undoing an operation would do now: its verb and target, and tasks by outcome.

    ``outcomes`` counts ``done``, ``changed``, ``ran`` and ``missing``; it is empty for other things than tasks.
    ``undone_by`` is the latest operation that has put something of it back already.
    """

    number: int
    verb: str
    target: str
    outcomes: Counter[str]
    sample: tuple[int, ...]
    undone_by: int | None
