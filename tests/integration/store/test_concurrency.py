"""Several writers at once: every task is taken once, nobody deadlocks, nobody hears of a locked database."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from queuectl.domain.lifecycle import OPEN, Move, State
from queuectl.domain.task import Claimed
from queuectl.errors import DuplicateTaskError
from queuectl.store import tasks
from queuectl.store.database import Database
from tests.support.factories import (
    NOW,
    all_rows,
    counts_are_right,
    ending,
    finish,
    new_task,
    states,
    submit,
    submit_copies,
)
from tests.support.processes import guarded

QUEUE = "medium_priority"
TAKERS = 4
TASKS = 2_000


def at_once(url: str, *works: Callable[[Database], list[int]]) -> list[list[int]]:
    """Let each function work on a database object of its own in a thread of its own, begun together."""
    together = threading.Barrier(len(works))

    def begin(work: Callable[[Database], list[int]]) -> list[int]:
        database = Database(url)
        try:
            together.wait(10)
            return work(database)
        finally:
            database.close()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(begin, works))


class TestTakingOnPostgres:
    """Takers pass over each other's rows."""

    @pytest.fixture
    def database(self, emptied_postgres: str) -> Iterator[Database]:
        database = Database(emptied_postgres)
        with database.writing() as transaction:
            submit_copies(transaction, (new_task(number) for number in range(TASKS)))
        yield database
        database.close()

    def test_each_task_is_taken_exactly_once(self, database: Database) -> None:
        def takes(number: int) -> Callable[[Database], list[int]]:
            def work(mine: Database) -> list[int]:
                taken: list[int] = []
                while True:
                    with mine.writing() as transaction:
                        if number % 2:
                            begun, _ = tasks.start(transaction, QUEUE, 23, node=f"n{number}", now=NOW)
                        else:
                            sent, _ = tasks.dispatch(transaction, QUEUE, 23, node=f"n{number}", now=NOW)
                            runs = [(message.id, message.fence) for message in sent]
                            begun = tasks.claim(transaction, runs, node=f"n{number}", now=NOW)
                    with mine.writing() as transaction:
                        finish(transaction, [ending(each, Move.SUCCEED) for each in begun])
                    taken += [each.id for each in begun]
                    if not begun:
                        return taken

            return work

        taken = at_once(database.url, *(takes(number) for number in range(TAKERS)))
        assert Counter(task for each in taken for task in each) == dict.fromkeys(range(1, TASKS + 1), 1)
        assert set(states(database).values()) == {State.SUCCEEDED}
        assert {row["fence"] for row in all_rows(database, "attempts")} == {1}
        assert counts_are_right(database)

    def test_daemons_and_people_neither_deadlock_nor_miscount(self, database: Database) -> None:
        working = [threading.Event(), threading.Event()]

        def ticks(number: int) -> Callable[[Database], list[int]]:
            def work(mine: Database) -> list[int]:
                dice = random.Random(number)
                messages: list[tuple[int, int]] = []
                begun: list[Claimed] = []
                moves = [Move.SUCCEED, Move.RETRY, Move.RELEASE, Move.BURY]
                try:
                    for _ in range(60):
                        dice.shuffle(messages)
                        dice.shuffle(begun)
                        with mine.writing() as transaction:
                            finish(
                                transaction,
                                [ending(each, dice.choice(moves)) for each in begun],
                                f"n{number}",
                            )
                            begun = tasks.claim(transaction, messages, node=f"n{number}", now=NOW)
                            tasks.due(transaction, NOW + 10**6, 10)
                            sent, _ = tasks.dispatch(transaction, QUEUE, 16, node=f"n{number}", now=NOW)
                        messages = [(message.id, message.fence) for message in sent]
                finally:
                    working[number].set()
                return []

            return work

        def disturbs(mine: Database) -> list[int]:
            dice = random.Random(9)
            while not all(each.is_set() for each in working):
                task = dice.randint(1, TASKS)
                with mine.writing() as transaction:
                    tasks.cancel(transaction, [task], NOW)
                with mine.writing() as transaction:
                    tasks.requeue(transaction, [task - 1], NOW)
            return []

        def clears(mine: Database) -> list[int]:
            while not all(each.is_set() for each in working):
                with mine.writing() as transaction:
                    cleared = tasks.cancel_queue(transaction, QUEUE, NOW, 100)
                with mine.writing() as transaction:
                    submit_copies(transaction, (new_task(number) for number in range(cleared)))
            return []

        at_once(database.url, ticks(0), ticks(1), disturbs, clears)
        assert counts_are_right(database)
        rows = all_rows(database, "tasks")
        assert all((row["finished_at"] is None) == (row["state"] in OPEN) for row in rows)
        ends = Counter(row["outcome"] for row in all_rows(database, "attempts"))
        assert ends["succeeded"] == sum(row["state"] == "succeeded" for row in rows)


class TestSubmittingAtOnce:
    """Submissions that race for one URL, or for the write lock."""

    def test_of_two_unique_submissions_one_wins(self, database_url: str) -> None:
        def submits(mine: Database) -> list[int]:
            won: list[int] = []
            for number in range(20):
                row = new_task(number)
                try:
                    with mine.writing() as transaction:
                        won += submit(transaction, row._replace(unique_key=row.url_key))
                except DuplicateTaskError:
                    pass
            return won

        won = at_once(database_url, submits, submits)
        database = Database(database_url)
        assert len(won[0]) + len(won[1]) == 20
        assert len({row["url"] for row in all_rows(database, "tasks")}) == 20
        assert counts_are_right(database)
        database.close()

    def test_batches_that_are_written_together_keep_their_tasks_apart(self, database_url: str) -> None:
        def submits(mine: Database) -> list[int]:
            batches = []
            for _ in range(5):
                with mine.writing() as transaction:
                    batches.append(submit_copies(transaction, (new_task(number) for number in range(50))))
            return batches

        batches = at_once(database_url, submits, submits)
        database = Database(database_url)
        rows = all_rows(database, "tasks")
        assert Counter(row["batch_id"] for row in rows) == dict.fromkeys(batches[0] + batches[1], 50)
        spans = {row["id"]: (row["first_task"], row["last_task"]) for row in all_rows(database, "batches")}
        for row in rows:
            first, last = spans[row["batch_id"]]
            assert first <= row["id"] <= last
        urls = [(row["task_id"], row["url_key"]) for row in all_rows(database, "task_urls")]
        assert sorted(urls) == [(row["id"], row["url_key"]) for row in rows]
        database.close()


WRITER = """
import sys
from queuectl.domain.lifecycle import Move
from queuectl.store import submission, tasks
from queuectl.store.database import Database
from tests.support.factories import NOW, ending, finish, new_task, submit

url, name = sys.argv[1:]
database = Database(url)
sys.stdin.readline()
for number in range(60):
    with database.writing() as transaction:
        submit(transaction, new_task(number))
        works, _ = tasks.start(transaction, "medium_priority", 2, node=name, now=NOW)
    with database.writing() as transaction:
        finish(transaction, [ending(work, Move.SUCCEED) for work in works])
    with database.reading() as transaction:
        transaction.rows("SELECT COUNT(*) FROM tasks")
database.close()
"""


def test_processes_that_write_at_once_wait_for_each_other(database_url: str) -> None:
    with contextlib.ExitStack() as running:
        writers = [
            running.enter_context(
                guarded(
                    [sys.executable, "-c", WRITER, database_url, f"writer-{number}"],
                    stdin=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(2)
        ]
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            _, errors = writer.communicate(timeout=60)
            assert (writer.returncode, errors) == (0, "")
    database = Database(database_url)
    assert len(states(database)) == 120
    assert set(states(database).values()) <= {State.SUCCEEDED, State.QUEUED}
    assert counts_are_right(database)
    database.close()


def test_readers_see_one_moment_while_others_write(database: Database, database_url: str) -> None:
    with database.writing() as transaction:
        submit(transaction, new_task(1))

    def writes(mine: Database) -> list[int]:
        with mine.writing() as transaction:
            return submit(transaction, new_task(2))

    with database.reading() as transaction:
        before = transaction.rows("SELECT id FROM tasks")
        at_once(database_url, writes)
        assert transaction.rows("SELECT id FROM tasks") == before
    assert len(states(database)) == 2


def test_threads_share_one_object_and_have_a_connection_each(database: Database) -> None:
    def submits(number: int) -> int:
        with database.writing() as transaction:
            (task,) = submit(transaction, new_task(number))
        database.close()
        return task

    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(submits, range(40)))
    assert sorted(numbers) == sorted(states(database))
    assert len(set(numbers)) == 40
    assert counts_are_right(database)
