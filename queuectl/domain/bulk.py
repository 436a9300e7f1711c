"""What became of an action on many tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from queuectl.errors import QueuectlError


class Outcome(StrEnum):
    """What an action on many tasks came to for one of them."""

    DONE = "done"
    WRONG_STATE = "wrong_state"  # its state did not allow it from the beginning
    CHANGED = "changed"  # somebody else was faster
    DUPLICATE = "duplicate"  # it is unique, and another open task has its URL
    MISSING = "missing"  # there is no such task


@dataclass(slots=True)
class BulkResult:
    """The outcomes of an action on many tasks, added up group by group.

    ``asked`` counts those among the done that run and were asked to stop. ``stopped`` says that it was
    ended early, so that the rest is as it was, and ``reason`` which error did that; it is None where somebody
    asked for it. ``operation`` is its number in the audit.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    asked: int = 0
    stopped: bool = False
    reason: QueuectlError | None = None
    operation: int | None = None

    def stop(self, error: QueuectlError) -> None:
        """Keep the error that ended the action, so that what is done already is told with it.

        Raises:
            QueuectlError: nothing is done, so there is only the error to tell.
        """
        if not self.done:
            raise error
        self.stopped, self.reason = True, error

    @property
    def done(self) -> int:
        """How many tasks the action was done to."""
        return self.outcomes[Outcome.DONE]

    @property
    def refused(self) -> int:
        """How many tasks were found, and it could not be done to them."""
        return self.looked_at - self.done - self.outcomes[Outcome.MISSING]

    @property
    def looked_at(self) -> int:
        """How many tasks the action came to."""
        return self.outcomes.total()
