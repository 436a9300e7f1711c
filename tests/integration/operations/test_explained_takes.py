"""What explanations promise is what dispatch does: a task called startable is taken by the next tick, no other is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from queuectl import Monitor, Settings
from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES
from queuectl.store import nodes, queues
from queuectl.store.database import Database
from queuectl.store.ordering import apply_aging
from queuectl_daemon.tick import Tick, View
from queuectl_daemon.window import room
from tests.integration.operations.test_explain import DAEMON
from tests.support.chance import chooser, rounds
from tests.support.factories import NODE, all_rows, new_task, submit

AGING_MINUTES = 1.0


def prepare(database: Database, dice: random.Random, workers: int, *, aging: bool) -> list[int]:
    """Fill the database with queued, due and planned tasks of several hosts, and with switched-off queues."""
    now = now_ms()
    tasks = dice.randint(1, 24)
    with database.writing() as transaction:
        nodes.save(transaction, replace(DAEMON, workers=workers), 600_000)
        for queue in QUEUES:
            queues.set_paused(transaction, queue, paused=dice.random() < 0.25)
        rows = []
        for number in range(tasks):
            late = dice.choice((0, 0, 0, -120_000, 3_600_000))
            rows.append(
                new_task(
                    number,
                    url=f"https://{dice.choice('abc')}.test/{number}",
                    score=dice.choice((12, 10, 8, 6, 5, 3, 1)),
                    aging=AGING_MINUTES if aging else None,
                    due_at=now + late,
                    run_at=now + late if late > 0 else None,
                )
            )
        return submit(transaction, *rows)


def take(database: Database, workers: int, *, aging: bool) -> set[int]:
    """Let a daemon with so many free workers take what one tick takes."""
    with database.writing() as transaction:
        tick = Tick(transaction, NODE, View(aging=aging))
        tick.promote(looking=True)
        tick.look(running=False)
        tick.start(room(workers, {}))
    return {work.id for work in tick.claimed}


def empty(database: Database) -> None:
    with database.writing() as transaction:
        for table in ("tasks", "task_urls", "counters", "nodes", "hosts", "queue_starts"):
            transaction.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("aging", [False, True], ids=["by score", "aging"])
def test_exactly_what_is_called_startable_is_taken(
    database: Database, settings: Settings, aging: bool
) -> None:
    dice = chooser()
    apply_aging(database, AGING_MINUTES if aging else None)
    monitor = Monitor(settings)
    seen = {"startable": 0, "blocked": 0}
    for _ in range(rounds(25)):
        workers = dice.randint(1, 9)
        ids = prepare(database, dice, workers, aging=aging)
        explained = {number: monitor.explain(number) for number in ids}
        taken = take(database, workers, aging=aging)
        assert {number for number, each in explained.items() if each.startable} == taken
        for number, each in explained.items():
            if number not in taken:
                assert each.reasons, number
                assert each.reasons[0].binding, number
        seen["startable"] += len(taken)
        seen["blocked"] += len(ids) - len(taken)
        empty(database)
    monitor.close()
    assert min(seen.values()) > 20, f"the rounds were too much alike: {seen}"


def test_a_position_is_the_number_of_tasks_that_are_taken_before(
    database: Database, settings: Settings
) -> None:
    dice = chooser()
    prepare(database, dice, 4, aging=False)
    with database.writing() as transaction:
        for queue in QUEUES:
            queues.set_paused(transaction, queue, paused=False)
    monitor = Monitor(settings)
    rows = [row for row in all_rows(database, "tasks") if row["state"] == State.QUEUED]
    order = sorted(rows, key=lambda row: (QUEUES.index(row["queue"]), row["rank"], row["due_at"], row["id"]))
    assert [monitor.explain(row["id"]).position for row in order] == list(range(len(order)))
    monitor.close()
