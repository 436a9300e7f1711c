"""What explanations promise is what dispatch does: a task called startable is taken by the next tick, no other is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from queuectl import Monitor, Settings
from queuectl.clock import now_ms
from queuectl.domain.admission import QueueRules
from queuectl.domain.explanation import Cause, Explanation
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES, level_named
from queuectl.domain.rate import RateLimit
from queuectl.store import hosts, nodes, queues, starts
from queuectl.store.database import Database, Transaction
from queuectl.store.hosts import HostNote
from queuectl.store.ordering import apply_aging
from queuectl_daemon.punctuality import Punctuality
from queuectl_daemon.taking import Taking
from queuectl_daemon.tick import Tick
from queuectl_daemon.view import View
from queuectl_daemon.window import room
from tests.integration.operations.test_explain import DAEMON
from tests.support.chance import chooser, rounds
from tests.support.factories import NODE, all_rows, new_task, submit, task_in

AGING_MINUTES = 1.0
HOSTS = ("a.test", "b.test", "c.test")


def prepare(database: Database, dice: random.Random, workers: int, *, limits: bool) -> list[int]:
    """Fill the database with queued, due and planned tasks of several hosts, and with switched-off queues."""
    now = now_ms()
    running = dice.randint(0, 4) if limits else 0
    for number in range(running):
        score = level_named(dice.choice(QUEUES)).score
        task_in(
            database, State.RUNNING, 900 + number, url=f"https://{dice.choice(HOSTS)}/r{number}", score=score
        )
    with database.writing() as transaction:
        nodes.save(transaction, replace(DAEMON, workers=workers + running), 600_000)
        for queue in QUEUES:
            queues.set_paused(transaction, queue, paused=dice.random() < 0.2)
            if limits:
                limit(transaction, dice, queue)
        for host in HOSTS if limits else ():
            if dice.random() < 0.5:
                note = HostNote(
                    now - dice.choice((100_000, 1_000)), dice.choice((None, now - 5, now + 60_000))
                )
                hosts.note(transaction, {host: note})
        rows = []
        for number in range(dice.randint(1, 24)):
            late = dice.choice((0, 0, 0, -120_000, 3_600_000))
            rows.append(
                new_task(
                    number,
                    url=f"https://{dice.choice(HOSTS)}/{number}",
                    score=dice.choice((12, 10, 8, 6, 5, 3, 1)),
                    due_at=now + late,
                    run_at=now + late if late > 0 else None,
                )
            )
        return submit(transaction, *rows)


def limit(transaction: Transaction, dice: random.Random, queue: str) -> None:
    """Give a queue some limits that bind now and then."""
    rate = dice.choice((None, None, RateLimit(dice.randint(1, 4), 3_600_000)))
    rule = QueueRules(
        queue,
        rate_limit=rate,
        concurrency=dice.choice((None, None, 1, 3)),
        host_gap=dice.choice((None, None, 30.0)),
        host_concurrency=dice.choice((None, None, 1, 2)),
    )
    queues.set_limits(transaction, rule)
    if rate is not None:
        starts.note(transaction, queue, dice.randint(1, 3), now_ms() - dice.choice((5_000, 7_200_000)))


def take(database: Database, workers: int, *, aging: bool) -> set[int]:
    """Let a daemon with so many free workers take what one tick takes."""
    view = View(aging=aging)
    with database.writing() as transaction:
        tick = Tick(transaction, NODE, view)
        tick.look(None)
        tick.promote(looking=True)
        taking = Taking(transaction, NODE, view, Punctuality())
        rooms = room(workers, {})
        taking.start(rooms, dict(rooms))
    return {work.id for work in taking.claimed}


def situation(database: Database, explained: dict[int, Explanation], differing: set[int]) -> str:
    """Return what there was to be decided, for the eyes of whoever has to find out who is wrong."""
    with database.reading() as transaction:
        rules = [rule for rule in queues.rules(transaction).values() if rule.limits_starts or rule.paused]
    rows = [
        (row["id"], row["queue"], row["host"], row["state"], row["due_at"] - row["created_at"])
        for row in all_rows(database, "tasks")
    ]
    reasons = {number: [reason.cause.value for reason in explained[number].reasons] for number in differing}
    known = [all_rows(database, table) for table in ("hosts", "queue_starts")]
    return "\n".join(map(str, [reasons, *rules, *rows, *known]))


def empty(database: Database) -> None:
    with database.writing() as transaction:
        for table in ("tasks", "task_urls", "counters", "nodes", "hosts", "queue_starts"):
            transaction.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    ("aging", "limits"), [(False, False), (True, False), (False, True)], ids=["by score", "aging", "limits"]
)
def test_exactly_what_is_called_startable_is_taken(
    database: Database, settings: Settings, aging: bool, limits: bool
) -> None:
    dice = chooser()
    apply_aging(database, AGING_MINUTES if aging else None)
    monitor = Monitor(settings)
    seen = {"startable": 0, "blocked": 0}
    causes: set[Cause] = set()
    for _ in range(rounds(20)):
        workers = dice.randint(1, 9)
        ids = prepare(database, dice, workers, limits=limits)
        explained = {number: monitor.explain(number) for number in ids}
        taken = take(database, workers, aging=aging)
        startable = {number for number, each in explained.items() if each.startable}
        assert startable == taken, situation(database, explained, startable ^ taken)
        for number, each in explained.items():
            if number not in taken:
                assert each.reasons, number
                assert each.reasons[0].binding, number
                causes.update(reason.cause for reason in each.reasons)
        seen["startable"] += len(taken)
        seen["blocked"] += len(ids) - len(taken)
        empty(database)
    monitor.close()
    assert min(seen.values()) > 10, f"the rounds were too much alike: {seen}"
    if limits:
        assert causes >= {Cause.RATE_LIMIT, Cause.HOST_HELD, Cause.HOST_GAP, Cause.PAUSED}, causes


def test_a_position_is_the_number_of_tasks_that_are_taken_before(
    database: Database, settings: Settings
) -> None:
    dice = chooser()
    prepare(database, dice, 4, limits=False)
    with database.writing() as transaction:
        for queue in QUEUES:
            queues.set_paused(transaction, queue, paused=False)
    monitor = Monitor(settings)
    rows = [row for row in all_rows(database, "tasks") if row["state"] == State.QUEUED]
    order = sorted(rows, key=lambda row: (QUEUES.index(row["queue"]), row["rank"], row["due_at"], row["id"]))
    assert [monitor.explain(row["id"]).position for row in order] == list(range(len(order)))
    monitor.close()


def test_what_starts_in_a_queue_without_limits_counts_once_for_the_queues_below_it(
    database: Database,
) -> None:
    with database.writing() as transaction:
        for queue in ("high_priority", "low_priority"):
            queues.set_limits(transaction, QueueRules(queue, host_concurrency=2))
        ids = submit(
            transaction,
            new_task(1, url="https://b.test/1", score=8, due_at=now_ms()),
            new_task(2, url="https://a.test/2", score=5, due_at=now_ms()),
            new_task(3, url="https://a.test/3", score=3, due_at=now_ms()),
        )
    assert take(database, 9, aging=False) == set(ids)
