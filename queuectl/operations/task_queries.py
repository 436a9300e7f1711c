"""Look at tasks: one by its id, lists page by page, counts, and waiting for their ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from queuectl.clock import monotonic
from queuectl.domain.lifecycle import FINAL, State
from queuectl.domain.selection import Cursor, Selection, Sort
from queuectl.domain.task import Task, task_name, task_number
from queuectl.errors import InvalidInputError, TaskNotFoundError, WaitTimedOutError
from queuectl.operations.verbs import Verbs
from queuectl.store import listing
from queuectl.store.listing import By, Page

_LONGEST_LIST = 1_000_000
_PAGE = 1_000


class TaskQueries(Verbs):
    """The verbs that change nothing."""

    def get_task(self, task_id: str | int) -> Task:
        """Return a task with its attempts.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        number = task_number(task_id)
        with self._database.reading() as transaction:
            found = listing.task(transaction, number)
        if found is None:
            raise no_such_task(number)
        return found

    def list_tasks(self, selection: Selection | None = None, sort: Sort | str = Sort.CREATED) -> list[Task]:
        """Return the tasks that match, by default the newest first, without their attempts.

        Raises:
            InvalidInputError: the selection asks for less than one task or more than a million.
        """
        return self.page_of_tasks(selection, sort).tasks

    def page_of_tasks(
        self, selection: Selection | None = None, sort: Sort | str = Sort.CREATED, after: Cursor | None = None
    ) -> Page:
        """Return one page of the tasks that match, and the cursor with which the next one begins.

        Sorted by ``due`` only waiting tasks are listed, by ``finished`` only those that have ended.

        Raises:
            InvalidInputError: the selection asks for less than one task or more than a million.
        """
        wanted = selection or Selection()
        if wanted.limit is not None and not 1 <= wanted.limit <= _LONGEST_LIST:
            raise InvalidInputError(f"the limit {wanted.limit} is not between 1 and {_LONGEST_LIST}")
        with self._database.reading() as transaction:
            return listing.page(transaction, wanted, Sort(sort), after)

    def iterate_tasks(
        self,
        selection: Selection | None = None,
        sort: Sort | str = Sort.CREATED,
        after: Cursor | None = None,
    ) -> Iterator[Task]:
        """Yield every task that matches, however many there are; memory stays flat."""
        wanted = selection or Selection()
        left = wanted.limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.page_of_tasks(replace(wanted, limit=size), sort, after)
            yield from page.tasks
            if page.following is None:
                return
            after = page.following
            left = None if left is None else left - len(page.tasks)

    def oldest_tasks(self, selection: Selection, limit: int) -> list[Task]:
        """Return the first tasks that match, in the order of their submission: where the verbs in the plural begin."""
        with self._database.reading() as transaction:
            found = listing.walk(transaction, selection, above=0, up_to=2**62, limit=limit)
            ids = tuple(number for number, _ in found)
            return listing.tasks(transaction, Selection(ids=ids))[::-1] if ids else []

    def states_of_tasks(self, selection: Selection, limit: int) -> dict[int, State]:
        """Return the states of the first tasks that match, by number."""
        with self._database.reading() as transaction:
            return dict(listing.walk(transaction, selection, above=0, up_to=2**62, limit=limit))

    def rows_to_read(self, selection: Selection, sort: Sort | str = Sort.CREATED) -> int:
        """Return how many stored tasks such a list may have to read, at the most."""
        with self._database.reading() as transaction:
            return listing.reach(transaction, selection, Sort(sort))

    def count_tasks(self, selection: Selection | None = None) -> int:
        """Return how many tasks match, at most the selection's limit."""
        wanted = selection or Selection()
        with self._database.reading() as transaction:
            found = listing.count(transaction, wanted)
        return found if wanted.limit is None else min(found, wanted.limit)

    def count_tasks_by(
        self, by: By, selection: Selection | None = None
    ) -> list[tuple[str | int | None, int]]:
        """Return how many tasks match for each state, queue, host, batch number or handler, the most frequent first.

        The selection's limit is that of the values, not of the tasks.
        """
        wanted = selection or Selection()
        with self._database.reading() as transaction:
            return listing.count_by(transaction, replace(wanted, limit=None), by, wanted.limit)

    def wait_for(
        self,
        task_ids: Iterable[str | int],
        timeout: float | None = None,
        on_change: Callable[[int, State], None] | None = None,
    ) -> list[Task]:
        """Wait until all these tasks are final and return them.

        ``on_change`` is told each new state. Interrupting the wait leaves the tasks alone.

        Raises:
            TaskNotFoundError: one of them does not exist.
            WaitTimedOutError: ``timeout`` seconds have passed first.
        """
        numbers = [task_number(task_id) for task_id in task_ids]
        deadline = None if timeout is None else monotonic() + timeout
        seen: dict[int, State] = {}
        pause = 0.005
        while True:
            states = self._states(numbers)
            for number, state in states.items():
                if on_change and seen.get(number) is not state:
                    on_change(number, state)
            seen = states
            open_tasks = [number for number in numbers if states[number] not in FINAL]
            if not open_tasks:
                return [self.get_task(number) for number in numbers]
            if deadline is not None and monotonic() >= deadline:
                first = open_tasks[0]
                raise WaitTimedOutError(
                    f"{task_name(first)} is still {states[first]} after {timeout:g} s",
                    hint=f"it goes on; see: queuectl show {task_name(first)}",
                )
            threading.Event().wait(pause)
            pause = min(pause * 1.3, 0.25)

    def _states(self, numbers: list[int]) -> dict[int, State]:
        with self._database.reading() as transaction:
            states = listing.states_of(transaction, numbers)
        for number in numbers:
            if number not in states:
                raise no_such_task(number)
        return states


def no_such_task(number: int) -> TaskNotFoundError:
    """Return the error for a number that no task has."""
    return TaskNotFoundError(f"there is no task {task_name(number)}", hint="see: queuectl list")
