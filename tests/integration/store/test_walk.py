"""Long random walks of moves, each step compared with a small model of what it should do.

The model knows nothing of SQL and of the store: it reads the table of moves and the rules of the design.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest

from queuectl.domain.lifecycle import FINAL, Move, State, allows
from queuectl.domain.outcome import Verdict
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl.store import counters, tasks
from queuectl.store.database import Database, Transaction
from tests.support.factories import NOW, all_rows, counts_are_right, ending, finish, new_task, submit

SCORES = (10, 10, 8, 5, 5, 5, 3, 1)
NODES = ("a", "b")
ENDS = {
    Move.SUCCEED: State.SUCCEEDED,
    Move.RETRY: State.RETRYING,
    Move.BURY: State.DEAD,
    Move.RELEASE: State.QUEUED,
    Move.CANCEL: State.CANCELLED,
}


@dataclass(slots=True)
class Twin:
    """What the model knows of a task."""

    id: int
    queue: str
    score: int
    due: int
    state: State
    fence: int = 0
    attempt: int = 0
    released: int = 0
    crashes: int = 0
    node: str | None = None
    asked: bool = False

    @property
    def run(self) -> tuple[int, int]:
        return self.id, self.fence


class Model:
    """The rules of the moves, on plain objects."""

    def __init__(self) -> None:
        self.tasks: dict[int, Twin] = {}
        self.attempts: set[tuple[int, int]] = set()
        self.letters = 0

    def due(self, now: int, limit: int) -> int:
        waiting = sorted(self.that(Move.DUE), key=lambda task: (task.due, task.id))
        ready = [task for task in waiting if task.due <= now]
        moved = [
            task
            for kind in (State.SCHEDULED, State.RETRYING)
            for task in [t for t in ready if t.state is kind][:limit]
        ]
        for task in moved:
            task.state = State.QUEUED
        return len(moved)

    def take(self, queue: str, limit: int, node: str) -> list[tuple[int, int]]:
        mine = [task for task in self.that(Move.DISPATCH) if task.queue == queue]
        taken = sorted(mine, key=lambda task: (-task.score, task.due, task.id))[:limit]
        for task in taken:
            task.state, task.node = State.DISPATCHED, node
            task.fence += 1
        return [task.run for task in taken]

    def claim(self, runs: set[tuple[int, int]], node: str) -> set[tuple[int, int]]:
        held = [task for task in self.that(Move.CLAIM) if task.run in runs]
        for task in held:
            task.state, task.node = State.RUNNING, node
            task.attempt += 1
        return {task.run for task in held}

    def end(self, run: tuple[int, int], move: Move, *, charged: bool, crashed: bool, due: int) -> Move | None:
        task = self.tasks[run[0]]
        if task.run != run or not allows(move, task.state) or task.state is not State.RUNNING:
            return None
        if task.asked and move in (Move.RETRY, Move.RELEASE):
            move = Move.CANCEL
        task.state, task.node, task.asked = ENDS[move], None, False
        task.crashes += crashed
        self.attempts.add(run)
        self.letters += move is Move.BURY
        if move is Move.RETRY:
            task.due = due
        if move is Move.RELEASE:
            task.fence += 1
            task.released += not charged
        return move

    def release_dispatched(self, node: str | None) -> int:
        lost = [t for t in self.tasks.values() if t.state is State.DISPATCHED and node in (None, t.node)]
        for task in lost:
            task.state, task.node = State.QUEUED, None
            task.fence += 1
        return len(lost)

    def cancel(self, ids: list[int]) -> dict[int, State]:
        found = [self.tasks[number] for number in ids if allows(Move.CANCEL, self.tasks[number].state)]
        for task in found:
            if task.state is State.RUNNING:
                task.asked = True
            else:
                task.state, task.node = State.CANCELLED, None
                task.fence += 1
        return {task.id: task.state for task in found}

    def cancel_queue(self, queue: str, limit: int) -> int:
        waiting = [t.id for t in self.that(Move.CANCEL) if t.queue == queue and t.state is not State.RUNNING]
        return len(self.cancel(sorted(waiting)[:limit]))

    def requeue(self, ids: list[int], now: int) -> list[int]:
        found = [
            self.tasks[number] for number in sorted(ids) if allows(Move.REQUEUE, self.tasks[number].state)
        ]
        for task in found:
            task.state, task.due, task.released, task.crashes = State.QUEUED, now, task.attempt, 0
        return [task.id for task in found]

    def reschedule(self, ids: list[int], due: int, now: int) -> set[int]:
        found = [t for t in self.that(Move.RESCHEDULE) if t.id in ids and t.due != due]
        for task in found:
            task.state, task.due = (State.SCHEDULED if due > now else State.QUEUED), due
        return {task.id for task in found}

    def that(self, move: Move) -> list[Twin]:
        """Return the tasks that may make a move."""
        return [task for task in self.tasks.values() if allows(move, task.state)]


class Walk:
    """A random walk over the store with the model beside it."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.dice = random.Random(seed)
        self.model = Model()
        self.now = NOW
        self.messages: list[tuple[int, int]] = []
        self.works: dict[tuple[int, int], Claimed] = {}

    def step(self) -> str:
        """Make one random step and compare what the store says with what the model says."""
        self.now += self.dice.randint(0, 400)
        names = [
            "submit",
            "take",
            "take",
            "claim",
            "end",
            "end",
            "due",
            "release",
            "cancel",
            "requeue",
            "clear",
            "reschedule",
        ]
        (name,) = self.dice.choices(names, weights=[6, 5, 5, 8, 8, 8, 4, 1, 2, 2, 1, 2])
        with self.database.writing() as transaction:
            said, expected = getattr(self, name)(transaction)
        assert said == expected, f"after {name}"
        return name

    def submit(self, transaction: Transaction) -> tuple[object, object]:
        score = self.dice.choice(SCORES)
        run_at = self.now + self.dice.randint(1, 2_000) if self.dice.random() < 0.3 else None
        row = new_task(len(self.model.tasks), score=score, run_at=run_at, due_at=run_at or self.now)
        (number,) = submit(transaction, row)
        known = number in self.model.tasks
        self.model.tasks[number] = Twin(number, row.queue, score, row.due_at, State(row.state))
        return known, False

    def take(self, transaction: Transaction) -> tuple[object, object]:
        queue, limit, node = self.dice.choice(QUEUES), self.dice.randint(1, 6), self.dice.choice(NODES)
        expected = self.model.take(queue, limit, node)
        if self.dice.random() < 0.5:
            messages, _ = tasks.dispatch(transaction, queue, limit, node=node, now=self.now)
            self.messages += [(each.id, each.fence) for each in messages]
            return [(each.id, each.fence) for each in messages], expected
        works, _ = tasks.start(transaction, queue, limit, node=node, now=self.now)
        self.model.claim(set(expected), node)
        self.works |= {(work.id, work.fence): work for work in works}
        return [(work.id, work.fence) for work in works], expected

    def claim(self, transaction: Transaction) -> tuple[object, object]:
        some, node = self.some(self.messages), self.dice.choice(NODES)
        works = tasks.claim(transaction, some + some[:1], node=node, now=self.now)
        self.works |= {(work.id, work.fence): work for work in works}
        return {(work.id, work.fence) for work in works}, self.model.claim(set(some), node)

    def end(self, transaction: Transaction) -> tuple[object, object]:
        endings = []
        expected = {}
        for run in self.some(list(self.works)):
            move = self.dice.choice(list(ENDS))
            crashed = move in (Move.RETRY, Move.RELEASE) and self.dice.random() < 0.3
            charged = move is not Move.RELEASE or self.dice.random() < 0.5
            fields: dict[str, object] = {"verdict": Verdict.CRASHED} if crashed else {}
            due = self.now + self.dice.randint(1, 1_000)
            if move is Move.RETRY:
                fields |= {"due_at": due}
            endings.append(ending(self.works[run], move, charged=charged, **fields))
            if became := self.model.end(run, move, charged=charged, crashed=crashed, due=due):
                expected[run] = became
        held = finish(transaction, endings, "a")
        return {(each.work.id, each.work.fence): each.move for each in held}, expected

    def due(self, transaction: Transaction) -> tuple[object, object]:
        return tasks.due(transaction, self.now, 3), self.model.due(self.now, 3)

    def release(self, transaction: Transaction) -> tuple[object, object]:
        node = self.dice.choice([None, *NODES])
        return tasks.release_dispatched(transaction, node=node), self.model.release_dispatched(node)

    def cancel(self, transaction: Transaction) -> tuple[object, object]:
        ids = self.some(list(self.model.tasks))
        return tasks.cancel(transaction, ids, self.now), self.model.cancel(ids)

    def requeue(self, transaction: Transaction) -> tuple[object, object]:
        ids = self.some(list(self.model.tasks))
        return tasks.requeue(transaction, ids, self.now), self.model.requeue(ids, self.now)

    def clear(self, transaction: Transaction) -> tuple[object, object]:
        queue, limit = self.dice.choice(QUEUES), self.dice.randint(1, 4)
        return tasks.cancel_queue(transaction, queue, self.now, limit), self.model.cancel_queue(queue, limit)

    def reschedule(self, transaction: Transaction) -> tuple[object, object]:
        ids, due = self.some(list(self.model.tasks)), self.now + self.dice.randint(-500, 1_500)
        times = [(number, due, -self.model.tasks[number].score) for number in ids]
        said = set(tasks.reschedule(transaction, times, self.now))
        return said, self.model.reschedule(ids, due, self.now)

    def some(self, things: list) -> list:
        """Return up to six different ones, the youngest most often."""
        recent = things[-20:] if self.dice.random() < 0.8 else things
        return self.dice.sample(recent, min(len(recent), self.dice.randint(0, 6)))

    def compare(self) -> None:
        """Compare everything that is stored with the model."""
        rows = all_rows(self.database, "tasks")
        stored = [
            Twin(
                *(
                    row["id"],
                    row["queue"],
                    row["priority_score"],
                    row["due_at"],
                    State(row["state"]),
                    row["fence"],
                ),
                *(
                    row["attempt"],
                    row["released"],
                    row["crashes"],
                    row["node"],
                    bool(row["cancel_requested"]),
                ),
            )
            for row in rows
        ]
        assert stored == list(self.model.tasks.values())
        assert all((row["finished_at"] is not None) == (row["state"] in FINAL) for row in rows)
        runs = [(row["task_id"], row["fence"]) for row in all_rows(self.database, "attempts")]
        assert sorted(runs) == sorted(self.model.attempts)
        assert len(all_rows(self.database, "dead_letters")) == self.model.letters
        with self.database.reading() as transaction:
            kept = counters.read(transaction)
        assert kept == Counter((task.queue, task.state) for task in self.model.tasks.values())
        assert counts_are_right(self.database)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_store_does_what_the_model_does(database: Database, seed: int) -> None:
    walk = Walk(database, seed)
    steps: list[str] = []
    for _ in range(8):
        for _ in range(50):
            steps.append(walk.step())
        walk.compare()
    assert set(steps) == {
        *("submit", "take", "claim", "end", "due", "release", "cancel", "requeue", "clear", "reschedule")
    }
