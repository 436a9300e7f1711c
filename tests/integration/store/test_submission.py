"""New rows come in whole, one by one or by the thousand: every field, every odd character, every limit."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl.domain.lifecycle import FINAL, State
from queuectl.errors import DuplicateTaskError
from queuectl.store import counters, listing, submission, tasks
from queuectl.store.database import Database
from queuectl.store.submission import NewTask
from tests.support.factories import (
    NOW,
    all_rows,
    counts_are_right,
    new_task,
    stored,
    submit,
    submit_copies,
    task_in,
    undone,
)

LARGE = 2**62
NEVER_THE_SAME = {"id", "batch_id"}

ODD_TEXTS = [
    "tab\there",
    "back\\slash",
    "\\N",
    "\\.",
    "ends in a backslash\\",
    "\\t is no tab",
    "line\nfeed",
    "carriage\rreturn",
    "both\r\n",
    "“quotes” ' \" `",
    "文章：排队 「引号」",
    "👩‍🚀🙂",
    "%s %% %(name)s ? :1 $1 {0}",
    "NULL",
    "",
    " ",
    "\x01\x07\x08\x0b\x0c\x1b\x7f",
    "a\u2028b\u2029c\x85d",
    "\ufeffmark",
    "x" * 60_000,
]


def full_row(**fields: Any) -> NewTask:
    """Return a row in which no column has its default."""
    return new_task(
        1,
        score=-77,
        handler="report",
        run_at=NOW + 5,
        created_at=NOW - 5,
        timeout=0.125,
        memory_limit=512,
        max_retries=7,
        metadata='{"author": "作者名"}',
        **fields,
    )


def both_ways(database: Database, row: NewTask) -> tuple[dict[str, Any], dict[str, Any]]:
    """Insert a row alone and as a batch, and return what is stored of each."""
    with database.writing() as transaction:
        submit(transaction, row)
        submit_copies(transaction, [row])
    alone, copied = all_rows(database, "tasks")
    return alone, copied


class TestRoundTrip:
    """What is stored is what was given."""

    @pytest.mark.parametrize("row", [new_task(1), full_row(), full_row(url_key=-LARGE, due_at=LARGE)])
    def test_every_field_is_kept_both_ways(self, database: Database, row: NewTask) -> None:
        for found in both_ways(database, row):
            assert {name: found[name] for name in NewTask._fields if name != "batch_id"} == {
                name: value for name, value in row._asdict().items() if name != "batch_id"
            }
            assert {name: type(found[name]) for name in NewTask._fields if name != "batch_id"} == {
                name: type(value) for name, value in row._asdict().items() if name != "batch_id"
            }

    def test_both_ways_make_the_same_row(self, database: Database) -> None:
        alone, copied = both_ways(database, full_row())
        assert {name for name in alone if alone[name] != copied[name]} == NEVER_THE_SAME
        assert alone["batch_id"] is None

    def test_a_new_task_has_not_begun(self, database: Database) -> None:
        for found in both_ways(database, new_task()):
            zero = {"fence", "attempt", "released", "crashes", "cancel_requested"}
            none = {"node", "dispatched_at", "started_at", "finished_at", "result", "error"}
            assert {found[name] for name in zero} == {0}
            assert {found[name] for name in none} == {None}

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    def test_odd_texts_come_back(self, database: Database, text: str) -> None:
        row = new_task(1, metadata=json.dumps({"note": text}, ensure_ascii=False), handler=text, host=text)
        for found in both_ways(database, row):
            assert json.loads(found["metadata"]) == {"note": text}
            assert (found["handler"], found["host"]) == (text, text)

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
    def test_any_text_comes_back(self, database: Database, texts: list[str]) -> None:
        with undone(database) as transaction:
            batch = submit_copies(transaction, [new_task(1, metadata=text) for text in texts])
            rows = transaction.rows("SELECT metadata FROM tasks WHERE batch_id = %s ORDER BY id", (batch,))
        assert [row[0] for row in rows] == texts

    def test_a_task_is_read_as_it_was_submitted(self, database: Database) -> None:
        with database.writing() as transaction:
            (number,) = submit(transaction, full_row())
        with database.reading() as transaction:
            task = listing.task(transaction, number)
            assert listing.task(transaction, number + 1) is None
        assert task is not None
        assert (task.id, task.url, task.handler, task.queue) == (
            number,
            "https://example.com/1",
            "report",
            "background_priority",
        )
        assert (task.priority_score, task.state, task.metadata) == (
            -77,
            State.SCHEDULED,
            {"author": "作者名"},
        )
        assert (task.run_at, task.due_at, task.created_at) == (NOW + 5, NOW + 5, NOW - 5)
        assert (task.timeout, task.memory_limit, task.max_retries) == (0.125, 512, 7)
        assert (task.attempt, task.attempts, task.batch_id, task.result) == (0, (), None, None)


class TestNumbers:
    """Tasks and batches are numbered from 1 in the order of their coming, and no number comes twice."""

    def test_numbers_follow_the_order_of_submission(self, database: Database) -> None:
        with database.writing() as transaction:
            assert submit(transaction, new_task(1), new_task(2)) == [1, 2]
            submit_copies(transaction, (new_task(number) for number in range(3, 300)))
            assert submit(transaction, new_task(300)) == [300]
        rows = all_rows(database, "tasks")
        assert [row["url"] for row in rows] == [f"https://example.com/{row['id']}" for row in rows]

    def test_the_number_of_a_deleted_task_is_not_given_again(self, database: Database) -> None:
        newest = task_in(database, State.SUCCEEDED)
        with database.writing() as transaction:
            transaction.execute("DELETE FROM tasks WHERE id = %s", (newest,))
            assert submit(transaction, new_task(2))[0] > newest
            transaction.execute("DELETE FROM tasks")
            submit_copies(transaction, [new_task(3)])
        assert [row["id"] > newest + 1 for row in all_rows(database, "tasks")] == [True]

    def test_a_batch_spans_its_tasks(self, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))
            batch = submission.open_batch(transaction, "每日文章", 30, NOW)
            for group in range(3):
                rows = [new_task(number, batch_id=batch) for number in range(group * 10, group * 10 + 10)]
                submission.insert_many(transaction, batch, rows)
            submission.close_batch(transaction, batch, 30)
            submit(transaction, new_task(2))
        (row,) = all_rows(database, "batches")
        assert (row["name"], row["interval_minutes"], row["created_at"]) == ("每日文章", 30, NOW)
        assert (row["submitted"], row["first_task"], row["last_task"]) == (30, 2, 31)
        with database.reading() as transaction:
            found = listing.batch(transaction, batch)
            assert listing.batch(transaction, batch + 1) is None
        assert found is not None
        assert (found.id, found.name, found.submitted) == (batch, "每日文章", 30)

    def test_an_empty_batch_does_not_stay(self, database: Database) -> None:
        with database.writing() as transaction:
            batch = submission.open_batch(transaction, None, 0, NOW)
            submission.close_batch(transaction, batch, 0)
        assert all_rows(database, "batches") == []


class TestUniqueness:
    """Of unique tasks for one URL one is open at a time; other tasks do not mind each other."""

    @pytest.fixture
    def unique(self) -> NewTask:
        row = new_task(1)
        return row._replace(unique_key=row.url_key)

    @pytest.mark.parametrize("state", list(State))
    def test_an_ended_one_makes_room(self, database: Database, unique: NewTask, state: State) -> None:
        run_at = NOW + 10 if state is State.SCHEDULED else None
        first = task_in(database, state, 1, unique_key=unique.url_key, run_at=run_at)
        refusal = pytest.raises(DuplicateTaskError, match=r"https://example\.com/1 exists already")
        with nullcontext() if state in FINAL else refusal, database.writing() as transaction:
            submit(transaction, unique)
        assert stored(database, first)["state"] == state
        assert counts_are_right(database)

    def test_tasks_that_need_not_be_unique_may_be_many(self, database: Database, unique: NewTask) -> None:
        with database.writing() as transaction:
            submit(transaction, unique, new_task(1), new_task(1))
            submit_copies(transaction, [new_task(1)] * 2)
        assert len(all_rows(database, "tasks")) == 5

    @pytest.mark.parametrize("earlier", [True, False])
    def test_a_batch_with_a_duplicate_is_refused_whole(
        self, database: Database, unique: NewTask, earlier: bool
    ) -> None:
        with database.writing() as transaction:
            kept = submit(transaction, unique) if earlier else []
        batch = [new_task(5), unique] if earlier else [new_task(5), unique, unique]
        with pytest.raises(DuplicateTaskError), database.writing() as transaction:
            submit_copies(transaction, batch)
        assert [row["id"] for row in all_rows(database, "tasks")] == kept
        assert all_rows(database, "batches") == []
        assert counts_are_right(database)


class TestOpenUrls:
    """Which URLs have an open task."""

    def test_only_open_tasks_count(self, database: Database) -> None:
        for number, state in enumerate(list(State)[::-1]):
            task_in(database, state, number)
        wanted = [new_task(number) for number in range(-3, len(State) + 3)]
        with database.reading() as transaction:
            found = submission.open_urls(transaction, [(row.url_key, row.url) for row in wanted])
        expected = {row["url"] for row in all_rows(database, "tasks") if row["finished_at"] is None}
        assert found == expected
        assert len(found) == 5

    def test_two_urls_with_one_key_are_told_apart(self, database: Database) -> None:
        row = new_task(1)
        other = new_task(2)._replace(url_key=row.url_key)
        with database.writing() as transaction:
            submit(transaction, row)
            assert submission.open_urls(transaction, [(other.url_key, other.url)]) == set()
            submit_copies(transaction, [other])
            assert submission.open_urls(transaction, [(other.url_key, other.url)]) == {other.url}
            assert submission.open_urls(transaction, []) == set()

    def test_a_url_with_an_ended_and_an_open_task_is_open(self, database: Database) -> None:
        task_in(database, State.DEAD, 1)
        task_in(database, State.QUEUED, 1)
        row = new_task(1)
        with database.reading() as transaction:
            assert submission.open_urls(transaction, [(row.url_key, row.url)]) == {row.url}


def test_bulk_rows_are_counted_by_queue_and_state(database: Database) -> None:
    with database.writing() as transaction:
        rows = [new_task(n, score=(10, 5, 1)[n % 3], run_at=NOW + 1 if n % 2 else None) for n in range(60)]
        submit_copies(transaction, rows)
        submit_copies(transaction, rows)
    with database.reading() as transaction:
        assert set(counters.read(transaction).values()) == {20}
    assert counts_are_right(database)


def test_bulk_rows_that_are_undone_leave_nothing(database: Database) -> None:
    with undone(database) as transaction:
        submit_copies(transaction, [new_task(1)])
        tasks.start(transaction, "medium_priority", 1, node="n", now=NOW)
    for table in ("tasks", "task_urls", "batches", "counters"):
        assert all_rows(database, table) == []
