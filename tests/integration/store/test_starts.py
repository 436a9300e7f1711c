"""The counts behind rate limits: against a plain list of all starts, in every window, on both engines."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl.domain.admission import QueueRules, queue_room
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.rate import RateLimit, parse_rate
from queuectl.store import queues, starts, tasks
from queuectl.store.database import Database, Transaction
from tests.support.factories import NODE, NOW, all_rows, ending, finish, new_task, submit, task_in, undone

QUEUE = "medium_priority"
STEPS = st.lists(
    st.tuples(st.sampled_from([0, 1, 7, 60, 500, 999, 1000, 4000]), st.integers(0, 6), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)


@dataclass
class Model:
    """Every start by its moment; the slow and obvious way to count them."""

    limit: RateLimit
    moments: list[int]

    def started(self, now: int) -> int:
        return sum(at > now - self.limit.period_ms for at in self.moments)

    def next_start(self, now: int) -> int | None:
        if self.started(now) < self.limit.starts:
            return None
        moments = itertools.chain([now], sorted(at + self.limit.period_ms for at in self.moments))
        return next(at for at in moments if at >= now and self.started(at) < self.limit.starts)


@pytest.mark.parametrize("text", ["1/s", "4/s", "10/m"])
def test_every_window_is_counted_as_by_a_list_of_all_starts(database: Database, text: str) -> None:
    limit = parse_rate(text)
    assert limit is not None
    rule = QueueRules(QUEUE, rate_limit=limit)
    count = 80 if database.engine == "sqlite" else 15

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def check(steps: list[tuple[int, int, int]]) -> None:
        model, now = Model(limit, []), NOW
        with undone(database) as transaction:
            for step, (passed, wanted, refunded) in enumerate(steps):
                now += passed
                use = starts.uses(transaction, [rule], now)[QUEUE]
                assert (use.started, use.next_start_at) == (model.started(now), model.next_start(now))
                room, _ = queue_room(rule, use)
                granted = min(wanted, room or 0)
                if granted:
                    at = max([limit.stamp(now + 20), *model.moments])
                    starts.note(transaction, QUEUE, granted, limit.stamp(now + 20))
                    back = min(refunded, granted)
                    starts.refund(transaction, QUEUE, {at: back} if back else {})
                    model.moments += [at] * (granted - back)
                if step % 5 == 4:
                    starts.prune(transaction, [rule], now, 100)
        ordered = sorted(model.moments)
        for first, later in zip(ordered, ordered[limit.starts :], strict=False):
            assert later - first >= limit.period_ms

    check()


def test_old_rows_go_and_the_count_stays(database: Database) -> None:
    rule = QueueRules(QUEUE, rate_limit=RateLimit(100, 1000))
    with database.writing() as transaction:
        for number in range(50):
            starts.note(transaction, QUEUE, 1, NOW + number * 100)
        before = starts.uses(transaction, [rule], NOW + 5000)
        assert starts.prune(transaction, [rule], NOW + 5000, 10) == 10
        assert starts.prune(transaction, [rule], NOW + 5000, 1000) == 30
        assert starts.uses(transaction, [rule], NOW + 5000) == before
        assert before[QUEUE].started == 9


def test_a_clock_that_goes_back_opens_no_window(database: Database) -> None:
    rule = QueueRules(QUEUE, rate_limit=RateLimit(2, 1000))
    with database.writing() as transaction:
        starts.note(transaction, QUEUE, 1, NOW)
        starts.note(transaction, QUEUE, 1, NOW - 5000)
        use = starts.uses(transaction, [rule], NOW)[QUEUE]
    assert (use.started, use.next_start_at) == (2, NOW + 1000)


def seeded(database: Database, limit: RateLimit, now: int) -> int:
    rule = QueueRules(QUEUE, rate_limit=limit)
    with database.writing() as transaction:
        starts.begin(transaction, rule, now)
        return starts.uses(transaction, [rule], now)[QUEUE].started


def test_a_new_limit_counts_what_has_started_in_its_period(database: Database) -> None:
    for number, state in enumerate([State.RUNNING, State.SUCCEEDED, State.DEAD, State.RETRYING], 1):
        task_in(database, state, number)
    task_in(database, State.QUEUED, 5)
    task_in(database, State.RUNNING, 6, score=8)
    assert seeded(database, RateLimit(10, 60_000), NOW + 1000) == 4
    assert seeded(database, RateLimit(10, 60_000), NOW + 70_000) == 0
    assert len(all_rows(database, "queue_starts")) == 0


def test_without_a_limit_nothing_is_counted(database: Database) -> None:
    task_in(database, State.RUNNING, 1)
    assert seeded(database, RateLimit(10, 60_000), NOW) == 1
    with database.writing() as transaction:
        starts.begin(transaction, QueueRules(QUEUE), NOW)
    assert all_rows(database, "queue_starts") == []


def test_what_is_at_work_counts_with_this_transactions_own_moves(database: Database) -> None:
    rule = QueueRules(QUEUE, concurrency=5)

    def at_work(transaction: Transaction) -> int:
        return starts.uses(transaction, [rule], NOW)[QUEUE].at_work

    task_in(database, State.DISPATCHED, 1)
    running = task_in(database, State.RUNNING, 2)
    with database.writing() as transaction:
        assert at_work(transaction) == 2
        work = next(
            each for each in (each.work for each in tasks.in_hand(transaction, NODE)) if each.id == running
        )
        finish(transaction, [ending(work, Move.SUCCEED)])
        assert at_work(transaction) == 1
        submit(transaction, new_task(3))
        assert at_work(transaction) == 1


def test_a_queue_that_somebody_has_locked_is_passed_over(emptied_postgres: str) -> None:
    one, two = Database(emptied_postgres), Database(emptied_postgres)
    with one.writing() as first:
        assert set(queues.lock_free(first, [QUEUE, "low_priority"])) == {QUEUE, "low_priority"}
        with two.writing() as second:
            assert set(queues.lock_free(second, [QUEUE, "high_priority"])) == {"high_priority"}
    with two.writing() as second:
        assert set(queues.lock_free(second, [QUEUE])) == {QUEUE}
    one.close()
    two.close()
