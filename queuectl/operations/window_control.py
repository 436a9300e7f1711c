"""The verb that spreads tasks over a window of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import Move, sources
from queuectl.domain.optimisation import Optimisation, Window
from queuectl.domain.selection import Selection
from queuectl.domain.task import task_number
from queuectl.operations.optimisation import MOST_TASKS, optimize
from queuectl.operations.verbs import Verbs
from queuectl.operations.window import window_from
from queuectl.store import listing


class WindowControl(Verbs):
    """Give tasks that wait other times to start at."""

    def optimize_schedule(
        self, task_ids: Iterable[str | int], target_window: dict[str, Any], *, dry_run: bool = False
    ) -> Optimisation:
        """Spread tasks evenly over ``{"start": …, "end": …, "max_per_hour": …}`` with as few moves as can be.

        In no hour that contains one of them more than ``max_per_hour`` tasks start, others that are
        planned counted; higher scores start earlier, and hosts keep their gaps. ``start`` and ``end``
        are datetimes, read in the configured zone if they have none. Either all tasks get their
        times or, after an error, none; ``dry_run`` only says which times they would get.

        Raises:
            InvalidInputError: there are no tasks, or the window is not one.
            TaskNotFoundError: a task does not exist.
            WrongStateError: a task has started or ended.
            NoPlanError: they do not fit; it says which limit is in the way and which change is enough.
        """
        window = window_from(target_window, self.settings.timezone, now_ms())
        return self._optimize([task_number(task_id) for task_id in task_ids], window, dry_run=dry_run)

    def optimize_selection(
        self, selection: Selection, target_window: dict[str, Any], *, dry_run: bool = False
    ) -> Optimisation:
        """Spread the tasks that match; without ids or states in the selection those that can get another time.

        Raises:
            The same as ``optimize_schedule``; a task that is named by its id has to exist.
        """
        window = window_from(target_window, self.settings.timezone, now_ms())
        narrowed = replace(selection.narrowed(sources(Move.RESCHEDULE)), limit=MOST_TASKS + 1)
        with self._database.reading() as transaction:
            matching = [task.id for task in listing.tasks(transaction, narrowed)]
            known = listing.states_of(transaction, list(selection.ids))
        missing = [number for number in selection.ids if number not in known]
        return self._optimize([*missing, *matching], window, dry_run=dry_run)

    def _optimize(self, ids: Iterable[int], window: Window, *, dry_run: bool) -> Optimisation:
        found = optimize(self._database, self.settings, list(dict.fromkeys(ids)), window, dry_run=dry_run)
        if found.applied and found.moved:
            self._wake()
        return found
