"""What ``top`` reads and changes, through the same monitor and manager as every other command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.cli.control import told_of_cancel, told_of_retry
from queuectl.cli.invocation import Invocation
from queuectl.cli.queue import told_of_switch
from queuectl.cli.top.rows import Snapshot
from queuectl.cli.top.view import Deed, Message, Sheet, Sight, Verb
from queuectl.domain.explanation import Explanation
from queuectl.domain.task import Task
from queuectl.domain.task_log import LogPart
from queuectl.errors import NotFoundError, QueuectlError

_MOST = 100
"""So many tasks of each kind are read, whatever is stored."""


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """Everything about one task: with its attempts, what it logged, and why it waits."""

    task: Task
    log: Sequence[LogPart]
    why: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at one moment: the panels, and what lies over them if something of the database does."""

    snapshot: Snapshot
    sheet: Sheet | None = None
    content: TaskDetails | Explanation | str | None = None


class Reader:
    """Reads for the screen; ``sheet`` is what the person looks at."""

    def __init__(self, run: Invocation) -> None:
        self._run = run
        self.sheet: Sheet | None = None

    def read(self) -> Reading:
        """Return what is there now.

        Raises:
            UnreachableError: the database does not answer.
        """
        monitor = self._run.monitor
        status = monitor.get_realtime_status()
        busy = any(queue.running for queue in status.queues)
        snapshot = Snapshot(
            status,
            monitor.running(_MOST) if busy else [],
            monitor.next_tasks(_MOST),
            monitor.recent_ends(_MOST),
        )
        sheet = self.sheet
        if sheet is None or sheet.sight not in (Sight.TASK, Sight.EXPLANATION):
            return Reading(snapshot)
        try:
            return Reading(snapshot, sheet, self._content(sheet))
        except NotFoundError as error:
            return Reading(snapshot, sheet, error.message)

    def _content(self, sheet: Sheet) -> TaskDetails | Explanation:
        from queuectl.cli.explain import why_it_waits

        if sheet.sight is Sight.EXPLANATION:
            return self._run.monitor.explain(sheet.target)
        task = self._run.manager.get_task(sheet.target)
        return TaskDetails(task, self._run.monitor.get_task_log(task.id), why_it_waits(self._run, task))

    def do(self, deed: Deed) -> Message:
        """Make a change and return what came of it."""
        try:
            return Message(self._done(deed))
        except QueuectlError as error:
            return Message(f"{error.message}; {error.hint}" if error.hint else error.message, is_bad=True)

    def _done(self, deed: Deed) -> str:
        manager, name = self._run.manager, deed.target
        match deed.verb:
            case Verb.PAUSE:
                return told_of_switch(self._run, name, changed=manager.pause_queue(name), paused=True)
            case Verb.RESUME:
                return told_of_switch(self._run, name, changed=manager.resume_queue(name), paused=False)
            case Verb.CANCEL:
                return f"{name} {told_of_cancel(self._run, manager.cancel_task(name))}"
            case Verb.RETRY:
                return f"{name} {told_of_retry(manager.retry_task(name))}"

    def close(self) -> None:
        """Close the thread's connections."""
        self._run.monitor.close()
        self._run.manager.close()
