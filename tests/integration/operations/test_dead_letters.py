"""Dead letters: found by what they have in common, made into new tasks once, and removed when they are old."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from queuectl import Monitor, QueueManager, Settings
from queuectl.clock import now_ms
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import Move, State
from queuectl.errors import (
    AlreadyResurrectedError,
    DeadLetterNotFoundError,
    DuplicateTaskError,
    InvalidInputError,
    QueueFullError,
    RefusedError,
)
from queuectl.operations import dead_letters as operations
from queuectl.operations.dead_letters import Resurrection
from queuectl.settings import HandlerSettings
from queuectl.store import dead_letters
from queuectl.store.database import Database
from tests.support.factories import (
    NODE,
    NOW,
    all_rows,
    counts_are_right,
    ending,
    finish,
    new_task,
    started,
    stored,
    submit,
    submit_copies,
    task_in,
)

DAY = 86_400_000


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def monitor(settings: Settings) -> Iterator[Monitor]:
    monitor = Monitor(settings)
    yield monitor
    monitor.close()


def dead(database: Database, number: int = 1, *, score: int = 5, **fields: Any) -> int:
    """Let a task die and return the number of its dead letter; ``error``, ``cause`` and ``died_at`` say how."""
    end = {name: fields.pop(name) for name in ("error", "cause") if name in fields}
    died_at = fields.pop("died_at", NOW)
    with database.writing() as transaction:
        row = new_task(number, score=score, **fields)
        (task,) = submit(transaction, row)
        work = started(transaction, task, row.queue, NODE)
        finish(transaction, [ending(work, Move.BURY, finished_at=died_at, **end)])
    return int(all_rows(database, "dead_letters")[-1]["id"])


def letters(database: Database, **wanted: Any) -> list[int]:
    with database.reading() as transaction:
        return [each.id for each in dead_letters.find(transaction, DeadLetterSelection(**wanted), 100)]


class TestResurrecting:
    """A new task of a dead letter."""

    def test_the_new_task_is_as_the_old_one_was_submitted(
        self, manager: QueueManager, database: Database
    ) -> None:
        letter = dead(
            database,
            score=15,
            url="https://a.test/文",
            timeout=7.5,
            memory_limit=64,
            max_retries=1,
            metadata='{"author": "作者"}',
        )
        new = manager.get_task(manager.resurrect_from_dead_letter(letter))
        old = manager.get_task(1)
        assert (new.state, old.state) == (State.QUEUED, State.DEAD)
        for name in (
            "url",
            "handler",
            "queue",
            "priority_score",
            "timeout",
            "memory_limit",
            "max_retries",
            "metadata",
        ):
            assert getattr(new, name) == getattr(old, name), name
        assert (new.attempt, new.error, new.batch_id) == (0, None, None)
        assert counts_are_right(database)

    def test_the_letter_says_what_came_of_it(
        self, manager: QueueManager, monitor: Monitor, database: Database
    ) -> None:
        letter = dead(database)
        assert manager.resurrect_from_dead_letter(dead_letter_id=letter) == "task_2"
        found = monitor.get_dead_letter(letter)
        assert found.resurrected_as == 2
        assert abs((found.resurrected_at or 0) - now_ms()) < 60_000
        assert monitor.get_dead_letter_queue() == []
        assert monitor.get_dead_letter_queue(selection=DeadLetterSelection(resurrected=True)) == [found]

    def test_a_second_time_needs_to_be_asked_for(self, manager: QueueManager, database: Database) -> None:
        letter = dead(database)
        manager.resurrect_from_dead_letter(letter)
        with pytest.raises(AlreadyResurrectedError, match="as task_2") as refusal:
            manager.resurrect_from_dead_letter(letter)
        assert "--again" in (refusal.value.hint or "")
        assert manager.resurrect_from_dead_letter(str(letter), again=True) == "task_3"
        assert len(all_rows(database, "tasks")) == 3

    @pytest.mark.parametrize("number", [0, 99, "99", "task_1", ""])
    def test_one_that_is_not_there(self, manager: QueueManager, number: int | str) -> None:
        with pytest.raises(DeadLetterNotFoundError):
            manager.resurrect_from_dead_letter(number)

    def test_the_task_may_be_gone_already(self, manager: QueueManager, database: Database) -> None:
        letter = dead(database, metadata='{"kept": true}')
        with database.writing() as transaction:
            transaction.execute("DELETE FROM tasks")
            transaction.execute("DELETE FROM counters")
        new = manager.get_task(manager.resurrect_from_dead_letter(letter))
        assert new.metadata == {"kept": True}

    def test_a_unique_task_is_refused_while_another_one_is_open(
        self, manager: QueueManager, database: Database
    ) -> None:
        key = new_task(1).url_key
        letter = dead(database, unique_key=key)
        other = task_in(database, State.QUEUED, 1)
        with pytest.raises(DuplicateTaskError):
            manager.resurrect_from_dead_letter(letter)
        manager.cancel_task(other)
        assert stored(database, int(manager.resurrect_from_dead_letter(letter)[5:]))["unique_key"] == key

    def test_a_handler_that_is_gone_is_refused(
        self, settings: Settings, manager: QueueManager, database: Database
    ) -> None:
        letter = dead(database, handler="old")
        with pytest.raises(RefusedError, match="no handler 'old'"):
            manager.resurrect_from_dead_letter(letter)
        with QueueManager(replace(settings, handlers={"old": HandlerSettings(callable="a:b")})) as other:
            assert other.get_task(other.resurrect_from_dead_letter(letter)).handler == "old"

    def test_two_people_at_once_make_one_task(self, settings: Settings, database: Database) -> None:
        letter = dead(database)

        def resurrect(_: int) -> str:
            with QueueManager(settings) as manager:
                try:
                    return manager.resurrect_from_dead_letter(letter)
                except AlreadyResurrectedError:
                    return "refused"

        with ThreadPoolExecutor(4) as pool:
            outcomes = sorted(pool.map(resurrect, range(4)))
        assert outcomes == ["refused", "refused", "refused", "task_2"]
        assert len(all_rows(database, "tasks")) == 2


class TestInBulk:
    """Many at once, in groups."""

    def test_each_group_is_told_and_all_are_done(
        self, manager: QueueManager, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(operations, "RESURRECTED_AT_ONCE", 2)
        ids = [dead(database, number) for number in range(5)]
        groups: list[list[Resurrection]] = []
        total = manager.resurrect_dead_letters(
            DeadLetterSelection(), on_group=lambda group: groups.append(list(group))
        )
        assert (total.done, total.refused, total.stopped) == (5, 0, None)
        assert [len(group) for group in groups] == [2, 2, 1]
        assert [each.dead_letter_id for group in groups for each in group] == ids
        assert letters(database) == []
        assert counts_are_right(database)

    def test_only_what_matches_and_no_more_than_the_limit(
        self, manager: QueueManager, database: Database
    ) -> None:
        for number in range(4):
            dead(database, number, cause="refused" if number else "crashed")
        total = manager.resurrect_dead_letters(DeadLetterSelection(cause="refused", limit=2))
        assert total.done == 2
        assert letters(database) == [4, 1]
        assert manager.resurrect_dead_letters(DeadLetterSelection(cause="unheard of")).done == 0

    def test_what_cannot_be_resurrected_stops_no_other(
        self, manager: QueueManager, database: Database
    ) -> None:
        dead(database, 1)
        gone = dead(database, 2, handler="old")
        dead(database, 3)
        total = manager.resurrect_dead_letters(DeadLetterSelection())
        assert (total.done, total.refused) == (2, 1)
        assert total.refusals[0].dead_letter_id == gone
        assert letters(database) == [gone]

    def test_a_full_queue_takes_as_many_as_it_has_room_for(
        self, manager: QueueManager, database: Database
    ) -> None:
        for number in range(5):
            dead(database, number)
        manager.update_queue_config("medium", {"max_size": 3})
        total = manager.resurrect_dead_letters(DeadLetterSelection())
        assert (total.done, total.refused) == (3, 0)
        assert isinstance(total.stopped, QueueFullError)
        assert letters(database) == [5, 4]
        with pytest.raises(QueueFullError):
            manager.resurrect_from_dead_letter(5)
        assert len(all_rows(database, "tasks")) == 8
        assert counts_are_right(database)

    def test_two_letters_of_one_unique_url_give_one_task(
        self, manager: QueueManager, database: Database
    ) -> None:
        key = new_task(1).url_key
        for _ in range(2):
            dead(database, 1, unique_key=key)
        total = manager.resurrect_dead_letters(DeadLetterSelection())
        assert (total.done, total.refused) == (1, 1)


class TestFinding:
    """Filters, all of which must hold."""

    @pytest.fixture
    def mixed(self, database: Database) -> None:
        dead(
            database, 1, url="https://a.test/one", score=10, cause="refused", error="no 1", died_at=NOW - DAY
        )
        dead(database, 2, url="https://b.test/two", cause="exhausted", error="No 2", died_at=NOW)
        dead(database, 3, url="https://b.test/three", cause="exhausted", error="slow", died_at=NOW + DAY)

    @pytest.mark.usefixtures("mixed")
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, [3, 2, 1]),
            ({"ids": (1, 3, 77)}, [3, 1]),
            ({"queues": ("urgent_priority",)}, [1]),
            ({"host": "B.TEST"}, [3, 2]),
            ({"url": "T/T"}, [3, 2]),
            ({"error": "no "}, [2, 1]),
            ({"cause": "exhausted"}, [3, 2]),
            ({"since": NOW}, [3, 2]),
            ({"until": NOW}, [1]),
            ({"host": "b.test", "error": "no"}, [2]),
            ({"after": 1}, [3, 2]),
            ({"batch": 1}, []),
        ],
    )
    def test_filters(self, database: Database, wanted: dict[str, Any], found: list[int]) -> None:
        assert letters(database, **wanted) == found
        with database.reading() as transaction:
            assert dead_letters.count(transaction, DeadLetterSelection(**wanted)) == len(found)
            assert dead_letters.count(transaction, DeadLetterSelection(**wanted, limit=1)) == min(
                1, len(found)
            )

    @pytest.mark.usefixtures("mixed")
    def test_groups_are_kinds_of_failure(self, monitor: Monitor, database: Database) -> None:
        dead(database, 4, cause="exhausted", error="No 17", died_at=NOW + 5)
        first, *others = monitor.group_dead_letters()
        assert (first.cause, first.shape, first.letters) == ("exhausted", "No <n>", 2)
        assert (first.first_at, first.last_at, first.example.id) == (NOW, NOW + 5, 4)
        assert [group.letters for group in others] == [1, 1]
        assert letters(database, failure=first.failure) == [4, 2]
        assert [group.letters for group in monitor.group_dead_letters(limit=1)] == [2]

    def test_a_batch_has_its_letters(self, database: Database) -> None:
        with database.writing() as transaction:
            batch = submit_copies(transaction, [new_task(1)])
            work = started(transaction, 1, "medium_priority")
            finish(transaction, [ending(work, Move.BURY)])
        dead(database, 2)
        assert letters(database, batch=batch) == [1]


class TestPurging:
    """Old letters go, their tasks stay."""

    def test_only_old_ones_are_removed(self, manager: QueueManager, database: Database) -> None:
        now = now_ms()
        old = dead(database, 1, died_at=now - 31 * DAY)
        new = dead(database, 2, died_at=now - 29 * DAY)
        manager.resurrect_from_dead_letter(old)
        assert manager.cleanup_dead_letter_queue(dry_run=True) == 1
        assert manager.cleanup_dead_letter_queue(days=30) == 1
        assert [row["id"] for row in all_rows(database, "dead_letters")] == [new]
        assert stored(database, 1)["state"] == "dead"

    def test_many_go_in_groups(
        self, manager: QueueManager, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(5):
            dead(database, number, died_at=now_ms() - DAY)
        monkeypatch.setattr(operations, "PURGED_AT_ONCE", 2)
        told: list[int] = []
        assert manager.cleanup_dead_letter_queue(0.5, on_progress=told.append) == 5
        assert told == [2, 4, 5]

    @pytest.mark.parametrize("days", [-1, float("nan"), 10**9, "30", True, None])
    def test_a_number_of_days_that_is_none(self, manager: QueueManager, days: Any) -> None:
        with pytest.raises(InvalidInputError, match="days"):
            manager.cleanup_dead_letter_queue(days)


def test_a_retry_takes_the_letter_away(manager: QueueManager, database: Database) -> None:
    dead(database)
    manager.retry_task(1)
    assert all_rows(database, "dead_letters") == []
