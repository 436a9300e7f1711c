"""Undo for retries: what has not been dispatched since is dead, cancelled or retrying again, as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.store import dead_letters, restoring, undo
from queuectl.store.audit import Former
from queuectl.store.database import Database, Transaction
from queuectl.store.dead_letters import Dropped
from queuectl.store.restoring import Requeued


class Retried:
    """The tasks of one operation as they were, a group at a time: as many as were sent back in one transaction."""

    def __init__(self, database: Database, operation: int) -> None:
        self._database = database
        self._operation = operation
        self._tasks: dict[int, Requeued] = {}
        self._letters: list[Dropped] = []

    def groups(self) -> Iterator[list[Former]]:
        """Read one group after the other; ``put_back`` is about the last one."""
        after = 0
        while True:
            with self._database.reading() as transaction:
                found = undo.next_kept_row(transaction, self._operation, after)
            if found is None:
                return
            after, content = found
            kept = json.loads(content)
            self._tasks = {each[0]: Requeued(*each) for each in kept["retried"]}
            self._letters = [Dropped(*each) for each in kept["letters"]]
            yield [Former(each.id, State(each.state), 0, each.fence, 0) for each in self._tasks.values()]

    def put_back(self, transaction: Transaction, former: Sequence[Former]) -> Mapping[int, State]:
        """Put tasks of the present group back, with the dead letters of those that are dead again."""
        done = restoring.unqueue(transaction, [self._tasks[each.id] for each in former], now_ms())
        dead_letters.put_back(transaction, [each for each in self._letters if each.task_id in done])
        return done

    def foreseen(self) -> tuple[Counter[str], list[int]]:
        """Count tasks by what undoing comes to, and return the numbers of those that would be put back."""
        outcomes, done = Counter[str](), list[int]()
        for group in self.groups():
            with self._database.reading() as transaction:
                same = restoring.still_queued(transaction, list(self._tasks.values()))
            back = [number for number, waits in same.items() if waits]
            outcomes.update(done=len(back), changed=len(same) - len(back), missing=len(group) - len(same))
            done += back
        return outcomes, sorted(done)
