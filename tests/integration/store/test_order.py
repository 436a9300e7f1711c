"""The order in which tasks are taken: score, then due time, then number; exact from one take to the next."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from queuectl import QueueManager, Settings
from queuectl.domain.admission import Grant, QueueRules, admit, admit_in_order
from queuectl.domain.lifecycle import State
from queuectl.domain.priority import QUEUES, rank
from queuectl.store import queues, ready, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.ordering import apply_aging, stored_point
from queuectl.store.tasks import START, Place
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    counts_are_right,
    new_task,
    states,
    stored,
    submit,
    submit_copies,
    task_in,
)

QUEUE = "urgent_priority"
POINT = 60_000  # milliseconds of waiting that weigh a point when aging is one minute

Take = Callable[[Database, int, Place], tuple[list[int], Place]]


def dispatched(database: Database, limit: int, after: Place = START) -> tuple[list[int], Place]:
    with database.writing() as transaction:
        messages, place = tasks.dispatch(transaction, QUEUE, limit, node=NODE, now=NOW, after=after)
    return [message.id for message in messages], place


def started(database: Database, limit: int, after: Place = START) -> tuple[list[int], Place]:
    with database.writing() as transaction:
        works, place = tasks.start(transaction, QUEUE, limit, node=NODE, now=NOW, after=after)
    return [work.id for work in works], place


@pytest.fixture(params=[dispatched, started])
def take(request: pytest.FixtureRequest) -> Take:
    """Give both ways of taking tasks."""
    way: Take = request.param
    return way


@pytest.fixture
def mixed(database: Database) -> list[int]:
    """Give 300 tasks of many scores and times and return them in the order in which they start."""
    dice = random.Random(7)
    with database.writing() as transaction:
        rows = [
            new_task(number, score=dice.randint(10, 14), due_at=NOW - dice.randint(0, 5))
            for number in range(300)
        ]
        ids = submit(transaction, *rows)
    by_number = dict(zip(ids, rows, strict=True))
    return sorted(ids, key=lambda each: (-by_number[each].priority_score, by_number[each].due_at, each))


def test_tasks_are_taken_by_score_then_time_then_number(
    database: Database, mixed: list[int], take: Take
) -> None:
    taken, place = take(database, 1000, START)
    assert taken == mixed
    assert place[2] == mixed[-1]


@pytest.mark.parametrize("onwards", [True, False])
def test_small_takes_add_up_to_the_same_order(
    database: Database, mixed: list[int], take: Take, onwards: bool
) -> None:
    taken: list[int] = []
    place = START
    while True:
        more, reached = take(database, 37, place)
        taken += more
        place = reached if onwards else START
        if not more:
            break
    assert taken == mixed
    assert counts_are_right(database)


def test_an_empty_take_stays_where_it_is(database: Database, take: Take) -> None:
    place = (-8, NOW, 17)
    assert take(database, 10, place) == ([], place)
    assert take(database, 0, START) == ([], START)


def test_behind_a_place_nothing_before_it_is_taken(database: Database, take: Take) -> None:
    with database.writing() as transaction:
        early = submit(transaction, new_task(1, score=12))[0]
        late = submit(transaction, new_task(2, score=10))[0]
    _, place = take(database, 1, START)
    with database.writing() as transaction:
        (urgent,) = submit(transaction, new_task(3, score=15))
    assert take(database, 10, place)[0] == [late]
    assert take(database, 10, START)[0] == [urgent]
    assert states(database)[early] in (State.DISPATCHED, State.RUNNING)


def test_scores_around_zero_and_below_are_ordered_too(database: Database) -> None:
    with database.writing() as transaction:
        ids = submit(
            transaction, *(new_task(n, score=score) for n, score in enumerate([-5, 1, 0, -1_000_000]))
        )
        messages, _ = tasks.dispatch(transaction, "background_priority", 10, node=NODE, now=NOW)
    assert [message.id for message in messages] == [ids[1], ids[2], ids[0], ids[3]]


def test_a_take_keeps_to_its_queue(database: Database, take: Take) -> None:
    task_in(database, State.QUEUED, score=8)
    mine = task_in(database, State.QUEUED, score=10)
    assert take(database, 10, START)[0] == [mine]


def test_a_message_carries_number_fence_and_queue(database: Database) -> None:
    task = task_in(database, State.QUEUED, score=10)
    with database.writing() as transaction:
        messages, _ = tasks.dispatch(transaction, QUEUE, 1, node="sender", now=NOW + 3)
    assert messages == [tasks.Message(task, 1, QUEUE)]
    row = stored(database, task)
    assert (row["node"], row["dispatched_at"], row["fence"], row["started_at"]) == (
        "sender",
        NOW + 3,
        1,
        None,
    )


def test_starting_is_dispatching_and_claiming_at_once(database: Database) -> None:
    with database.writing() as transaction:
        submit(
            transaction, *(new_task(number, score=10, metadata='{"n": 1}', timeout=2.5) for number in (1, 2))
        )
        (at_once,), _ = tasks.start(transaction, QUEUE, 1, node=NODE, now=NOW)
        (message,), _ = tasks.dispatch(transaction, QUEUE, 1, node="sender", now=NOW)
        (by_message,) = tasks.claim(transaction, [(message.id, message.fence)], node=NODE, now=NOW)
    rows = all_rows(database, "tasks")
    differing = {name for name in rows[0] if rows[0][name] != rows[1][name]}
    assert differing == {"id", "url", "url_key", "dispatched_at"}
    assert (at_once.fence, at_once.attempt, at_once.metadata, at_once.timeout) == (1, 1, '{"n": 1}', 2.5)
    assert (by_message.fence, by_message.attempt) == (1, 1)


def test_a_start_forgets_the_last_error(database: Database) -> None:
    task = task_in(database, State.RETRYING)
    assert stored(database, task)["error"] == "it failed"
    with database.writing() as transaction:
        tasks.due(transaction, NOW + 10**6, 1)
        tasks.start(transaction, "medium_priority", 1, node=NODE, now=NOW)
    assert stored(database, task)["error"] is None


def test_handlers_that_are_left_out_are_passed_over(database: Database) -> None:
    odd = "odd\"\\'name"
    names = ["page", odd, "note", "page", "note"]
    with database.writing() as transaction:
        assert ready.last(transaction, QUEUE) == START
        ids = submit(
            transaction, *(new_task(number, score=10, handler=name) for number, name in enumerate(names))
        )

        def found(*handlers: str) -> list[tuple[int, str]]:
            candidates = ready.candidates(
                transaction, QUEUE, 10, after=START, without=(), without_handlers=handlers
            )
            return [(each.id, each.handler) for each in candidates]

        assert found("page", odd) == [(ids[2], "note"), (ids[4], "note")]
        assert found() == list(zip(ids, names, strict=True))
        assert ready.last(transaction, QUEUE)[2] == ids[4]
        assert queues.heads(transaction, {QUEUE: START}, 10, without=["page", odd]) == ([QUEUE] * 2, set())
        assert queues.heads(transaction, {QUEUE: START}, 10, without=["page", odd, "note"]) == ([], {QUEUE})


class TestHeads:
    """The queues of the first tasks of all, by which queues take turns."""

    def test_they_come_in_the_order_of_ranks_across_queues(self, database: Database) -> None:
        dice = random.Random(5)
        apply_aging(database, 1)
        with database.writing() as transaction:
            rows = [
                new_task(n, score=dice.choice([10, 8, 5, 3, 1]), due_at=NOW - dice.randint(0, 10) * POINT)
                for n in range(120)
            ]
            submit(transaction, *rows)
        ordered = [
            row.queue
            for row in sorted(rows, key=lambda row: (rank(row.priority_score, row.due_at, 1), row.due_at))
        ]
        everywhere = dict.fromkeys(QUEUES, START)
        with database.reading() as transaction:
            assert queues.heads(transaction, everywhere, 40)[0] == ordered[:40]
            assert queues.heads(transaction, everywhere, 500)[0] == ordered
            some = QUEUES[1:3]
            assert (
                queues.heads(transaction, dict.fromkeys(some, START), 10)[0]
                == [name for name in ordered if name in some][:10]
            )
            assert queues.heads(transaction, {}, 10) == ([], set())

    def test_only_queued_tasks_have_a_say(self, database: Database) -> None:
        for number, state in enumerate(list(State)[::-1]):
            task_in(database, state, number)
        with database.reading() as transaction:
            assert queues.heads(transaction, dict.fromkeys(QUEUES, START), 10)[0] == ["medium_priority"]


class TestFallingDue:
    """Scheduled and retrying tasks come to their queues at their time."""

    def test_the_time_decides_to_the_millisecond(self, database: Database) -> None:
        scheduled = task_in(database, State.SCHEDULED, 1, run_at=NOW + 100)
        retrying = task_in(database, State.RETRYING, 2)  # due at NOW + 10_000
        for moment, moved in (
            (NOW + 99, 0),
            (NOW + 100, 1),
            (NOW + 9_999, 0),
            (NOW + 10_000, 1),
            (NOW + 10**9, 0),
        ):
            with database.writing() as transaction:
                assert tasks.due(transaction, moment, 10) == moved
        assert states(database) == {scheduled: State.QUEUED, retrying: State.QUEUED}
        assert counts_are_right(database)

    def test_the_next_time_is_known(self, database: Database) -> None:
        with database.reading() as transaction:
            assert ready.next_due(transaction) is None
        task_in(database, State.SCHEDULED, 1, run_at=NOW + 500)
        task_in(database, State.SCHEDULED, 2, run_at=NOW + 300)
        task_in(database, State.QUEUED, 3, due_at=NOW + 100)
        with database.reading() as transaction:
            assert ready.next_due(transaction) == NOW + 300

    def test_thousands_come_in_groups_the_earliest_first(self, database: Database) -> None:
        with database.writing() as transaction:
            submit_copies(transaction, (new_task(n, run_at=NOW + 5_000 - n) for n in range(5_000)))
        moved: list[int] = []
        while not moved or moved[-1]:
            with database.writing() as transaction:
                moved.append(tasks.due(transaction, NOW + 4_000, 1_500))
            waiting = [row["due_at"] for row in all_rows(database, "tasks") if row["state"] == "scheduled"]
            assert len(waiting) == 5_000 - sum(moved)
            assert min(waiting) == NOW + 1 + sum(moved)
        assert moved == [1_500, 1_500, 1_000, 0]
        assert counts_are_right(database)

    def test_the_limit_is_for_each_kind(self, database: Database) -> None:
        for number in range(3):
            task_in(database, State.RETRYING, number)
        for number in range(3, 6):
            task_in(database, State.SCHEDULED, number)
        with database.writing() as transaction:
            assert tasks.due(transaction, NOW + 10**9, 2) == 4
        assert counts_are_right(database)

    def test_it_starts_in_its_place_by_the_time_it_was_due(self, database: Database) -> None:
        early = task_in(database, State.SCHEDULED, 1, score=10, run_at=NOW + 10)
        with database.writing() as transaction:
            (late,) = submit(transaction, new_task(2, score=10, due_at=NOW + 20))
            tasks.due(transaction, NOW + 30, 10)
        assert started(database, 10)[0] == [early, late]


class TestAging:
    """A changed setting ranks anew whatever is open, and new tasks find their place among the old ones."""

    SCORES = (-1_000_000, -3, 0, 1, 10, 5_000, 1_000_000)

    def ranks(self, database: Database) -> dict[int, int]:
        return {row["id"]: row["rank"] for row in all_rows(database, "tasks")}

    @pytest.mark.parametrize("minutes", [0.001, 0.0010004, 1, 90, 1_000_000])
    def test_old_and_new_tasks_rank_by_the_same_rule(self, database: Database, minutes: float) -> None:
        with database.writing() as transaction:
            old = submit(transaction, *(new_task(n, score=score) for n, score in enumerate(self.SCORES)))
        assert apply_aging(database, minutes)
        with database.writing() as transaction:
            new = submit(transaction, *(new_task(n, score=score) for n, score in enumerate(self.SCORES)))
        found = self.ranks(database)
        assert [found[task] for task in old] == [found[task] for task in new]

    def test_without_aging_the_old_order_is_back(self, database: Database) -> None:
        ids = [task_in(database, State.QUEUED, n, score=score) for n, score in enumerate(self.SCORES)]
        before = self.ranks(database)
        assert apply_aging(database, 15)
        assert self.ranks(database) != before
        assert apply_aging(database, None)
        assert self.ranks(database) == before
        assert len(ids) == len(before)

    def test_an_unchanged_setting_changes_nothing(self, database: Database) -> None:
        assert not apply_aging(database, None)
        assert apply_aging(database, 5)
        assert not apply_aging(database, 5.0)
        assert apply_aging(database, 6)

    def test_what_has_ended_is_left_alone(self, database: Database) -> None:
        task = task_in(database, State.SUCCEEDED)
        before = stored(database, task)
        apply_aging(database, 5)
        assert stored(database, task) == before

    @pytest.mark.parametrize("minutes", [5, None])
    @pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.RETRYING])
    def test_what_is_sent_back_ranks_by_the_aging_that_holds_then(
        self, database: Database, state: State, minutes: float | None
    ) -> None:
        apply_aging(database, 7)
        task = task_in(database, state)
        apply_aging(database, minutes)
        with database.writing() as transaction:
            assert tasks.requeue(transaction, [task], NOW + 90_000) == [task]
        assert self.ranks(database) == {task: rank(5, NOW + 90_000, minutes)}

    def test_who_has_waited_long_overtakes_who_is_a_little_more_urgent(self, database: Database) -> None:
        apply_aging(database, 1)
        with database.writing() as transaction:
            rows = [(10, NOW), (12, NOW + 2 * POINT + 1), (12, NOW + 2 * POINT - 1), (11, NOW + POINT)]
            ids = submit(transaction, *(new_task(n, score=s, due_at=due) for n, (s, due) in enumerate(rows)))
        taken, place = started(database, 2)
        taken += started(database, 10, place)[0]
        assert taken == [ids[2], ids[0], ids[3], ids[1]]


class TestLongestWait:
    """Since when the oldest task of a queue is due, whatever its score."""

    def test_it_is_that_of_the_oldest_and_not_of_the_next_task(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(
                transaction,
                new_task(1, score=12, due_at=NOW),
                new_task(2, score=10, due_at=NOW - 500),
                new_task(3, score=11, due_at=NOW - 900),
                new_task(4, score=10, due_at=NOW - 100),
                new_task(5, score=3, due_at=NOW - 5_000),
                new_task(6, score=20, run_at=NOW - 9_000),
            )
        with database.reading() as transaction:
            assert queues.oldest_due(transaction, QUEUE) == NOW - 900
            assert queues.oldest_due(transaction, "low_priority") == NOW - 5_000
            assert queues.oldest_due(transaction, "high_priority") is None

    def test_the_least_urgent_of_many_scores_are_looked_at_and_the_first_task(
        self, database: Database
    ) -> None:
        with database.writing() as transaction:
            tasks_of_all_scores = [new_task(n, score=10 + n, due_at=NOW - n) for n in range(100)]
            submit(transaction, *tasks_of_all_scores, new_task(500, score=15, due_at=NOW - 70))
            assert queues.oldest_due(transaction, QUEUE) == NOW - 99
            submit(transaction, new_task(501, score=41, due_at=NOW - 3_000))
            assert queues.oldest_due(transaction, QUEUE) == NOW - 3_000

    def test_with_aging_it_is_short_of_the_longest_by_no_more_than_the_scores_differ(
        self, database: Database
    ) -> None:
        apply_aging(database, 1)
        dice = random.Random(3)
        with database.writing() as transaction:
            rows = [
                new_task(n, score=dice.choice([8, 9]), due_at=NOW - dice.randint(0, 5 * POINT))
                for n in range(200)
            ]
            submit(transaction, *rows)
            found = queues.oldest_due(transaction, "high_priority")
        oldest = min(row.due_at for row in rows)
        assert found is not None
        assert oldest <= found <= oldest + POINT


class TestFairness:
    """With aging a stream of urgent tasks holds up a task for a known time; without, for ever."""

    STEP = 10

    def started_at(self, database: Database, steps: int) -> int | None:
        """Let a high task come and one task start every 10 ms; return when the first background task does."""
        rules = {name: QueueRules(name) for name in QUEUES}
        with database.writing() as transaction:
            submit(transaction, *(new_task(n, score=8, due_at=NOW) for n in range(20)))
            submit(transaction, new_task(99, score=1, due_at=NOW))
        for step in range(1, steps):
            now = NOW + step * self.STEP
            with database.writing() as transaction:
                submit(transaction, new_task(100 + step, score=8, due_at=now))
                grants = self.grants(transaction, rules)
                (work,), _ = tasks.start(transaction, grants[0].queue, 1, node=NODE, now=now)
            if work.queue == "background_priority":
                return now
        return None

    def grants(self, transaction: Transaction, rules: dict[str, QueueRules]) -> list[Grant]:
        room = dict.fromkeys(QUEUES, 1)
        if stored_point(transaction) is None:
            return admit(rules, {}, room, ["high_priority", "background_priority"])
        return admit_in_order(rules, {}, room, queues.heads(transaction, dict.fromkeys(QUEUES, START), 1)[0])

    def test_a_background_task_starts_when_its_wait_outweighs_the_difference(
        self, database: Database
    ) -> None:
        apply_aging(database, 0.001)  # a point for every 60 ms
        bound = (8 - 1) * 60  # nothing that comes later than this goes before it
        started = self.started_at(database, 120)
        assert started is not None
        backlog = 20 * self.STEP
        assert NOW + bound < started <= NOW + bound + backlog + 2 * self.STEP

    def test_without_aging_it_does_not(self, database: Database) -> None:
        assert self.started_at(database, 120) is None


class TestOneAgingForAll:
    """What the daemon has stored ranks every submission, whatever the submitter's own settings say."""

    def test_tasks_and_batches_are_ranked_by_the_stored_aging(
        self, database: Database, settings: Settings
    ) -> None:
        apply_aging(database, 2)
        with QueueManager(settings) as manager:
            assert settings.priority_aging is None
            manager.submit_task("https://example.com/1", priority="high")
            manager.submit_batch(["https://example.com/2"], priority="low")
            manager.submit_batch(["https://example.com/3"], priority="low", interval_minutes=5)
        for row in all_rows(database, "tasks"):
            assert row["rank"] == rank(row["priority_score"], row["due_at"], 2)

    def test_and_without_aging_by_the_score_alone(self, database: Database, settings: Settings) -> None:
        apply_aging(database, 2)
        apply_aging(database, None)
        with QueueManager(replace(settings, priority_aging=7)) as manager:
            manager.submit_task("https://example.com/1", priority_score=-3)
            manager.submit_batch(["https://example.com/2"], priority="low")
        assert [row["rank"] for row in all_rows(database, "tasks")] == [3, -3]
