"""Which tasks a selection finds: each filter alone, all of them together, and texts that look like patterns."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from queuectl import QueueManager, Settings
from queuectl.domain.lifecycle import FINAL, WAITING, Move, State
from queuectl.domain.priority import QUEUES
from queuectl.domain.selection import Selection, Sort, cursor_in
from queuectl.domain.task import Task
from queuectl.errors import InvalidInputError
from queuectl.store import selecting, tasks
from queuectl.store.database import Database
from tests.support.factories import (
    NOW,
    ending,
    finish,
    new_task,
    started,
    states,
    submit,
    submit_copies,
    task_in,
)

ALL = Selection(limit=1_000)
COURSE = ["running", "dispatched", "queued", "retrying", "scheduled", "dead", "cancelled", "succeeded"]


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


def found(manager: QueueManager, **filters: Any) -> list[int]:
    """Return the numbers of the tasks that a selection finds."""
    return [task.id for task in manager.list_tasks(replace(ALL, **filters))]


def failed_with(database: Database, error: str, number: int = 1) -> int:
    """Make a task that died of this error."""
    with database.writing() as transaction:
        (task,) = submit(transaction, new_task(number))
        finish(transaction, [ending(started(transaction, task, "medium_priority"), Move.BURY, error=error)])
    return task


class TestEachFilter:
    """One filter at a time."""

    def test_without_filters_the_newest_come_first_up_to_the_limit(
        self, manager: QueueManager, database: Database
    ) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(60)))
        assert [task.id for task in manager.list_tasks()] == list(range(60, 10, -1))
        assert [task.id for task in manager.list_tasks(Selection(limit=2))] == [60, 59]

    @pytest.mark.parametrize("limit", [0, -1, 10**9])
    def test_a_limit_that_means_nothing_is_refused(self, manager: QueueManager, limit: int) -> None:
        with pytest.raises(InvalidInputError, match="limit"):
            manager.list_tasks(Selection(limit=limit))

    def test_a_listing_goes_on_behind_a_number(self, manager: QueueManager, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(number) for number in range(7)))
        pages: list[list[int]] = []
        while not pages or pages[-1]:
            pages.append(found(manager, limit=3, after=pages[-1][-1] if pages else None))
        assert pages == [[7, 6, 5], [4, 3, 2], [1], []]

    def test_states(self, manager: QueueManager, database: Database) -> None:
        ids = {state: task_in(database, state, number) for number, state in enumerate(list(State)[::-1])}
        for state, number in ids.items():
            assert found(manager, states=(state,)) == [number]
        assert found(manager, states=(State.DEAD, State.QUEUED)) == sorted(
            [ids[State.DEAD], ids[State.QUEUED]], reverse=True
        )
        assert len(found(manager, states=tuple(State))) == 8

    def test_queues(self, manager: QueueManager, database: Database) -> None:
        scores = dict(zip(QUEUES, (10, 8, 5, 3, 1), strict=True))
        ids = {queue: task_in(database, State.QUEUED, score=score) for queue, score in scores.items()}
        for queue, number in ids.items():
            assert found(manager, queues=(queue,)) == [number]
        assert found(manager, queues=QUEUES[:2]) == [2, 1]
        assert found(manager, queues=("no_priority",)) == []

    def test_ids(self, manager: QueueManager, database: Database) -> None:
        for number in range(3):
            task_in(database, State.QUEUED, number)
        assert found(manager, ids=(3, 1, 99)) == [3, 1]

    def test_batches(self, manager: QueueManager, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, new_task(1))
            one = submit_copies(transaction, [new_task(2), new_task(3)])
            submit(transaction, new_task(4))
            other = submit_copies(transaction, [new_task(5)])
        assert found(manager, batch=one) == [3, 2]
        assert found(manager, batch=other) == [5]
        assert found(manager, batch=99) == []

    def test_hosts(self, manager: QueueManager) -> None:
        for url in (
            "https://example.com/",
            "https://www.example.com/",
            "http://example.com:8080/example.org",
            "https://例え.jp/",
        ):
            manager.submit_task(url)
        assert found(manager, host="example.com") == [3, 1]
        assert found(manager, host="WWW.Example.COM") == [2]
        assert found(manager, host="xn--r8jz45g.jp") == [4]
        assert found(manager, host="example") == []

    def test_the_time_of_submission_from_and_up_to(self, manager: QueueManager, database: Database) -> None:
        with database.writing() as transaction:
            submit(transaction, *(new_task(n, created_at=NOW + n) for n in range(5)))
        assert found(manager, since=NOW + 3) == [5, 4]
        assert found(manager, until=NOW + 2) == [2, 1]
        assert found(manager, since=NOW + 1, until=NOW + 3) == [3, 2]
        assert found(manager, since=NOW + 3, until=NOW + 3) == []


class TestTexts:
    """Parts of URLs and errors are looked for as they are written."""

    ERRORS = (
        "100% of 3_000 failed",
        "100 percent of 3-000 failed",
        "超时：连接失败",
        "HTTP 503 Service Unavailable",
        "back\\slash and 'quotes' and \"more\"",
        "line one\nline two",
        "[a-z]* ? {x} (y) ^$ |",
    )

    @pytest.fixture
    def dead(self, database: Database) -> dict[str, int]:
        return {error: failed_with(database, error, number) for number, error in enumerate(self.ERRORS)}

    @pytest.mark.parametrize(
        ("text", "matching"),
        [
            ("%", [0]),
            ("3_000", [0]),
            ("_", [0]),
            ("100", [0, 1]),
            ("超时", [2]),
            ("连接失败", [2]),
            ("service", [3]),
            ("SERVICE unavail", [3]),
            ("\\", [4]),
            ("'quotes'", [4]),
            ('"more"', [4]),
            ("one\nline", [5]),
            ("[a-z]*", [6]),
            ("? {x} (y) ^$ |", [6]),
            (".*", []),
            ("%s", []),
            ("", list(range(7))),
            ("\x00", []),
            ("\ud800", []),
        ],
        ids=range(19),
    )
    def test_errors(
        self, manager: QueueManager, dead: dict[str, int], text: str, matching: list[int]
    ) -> None:
        assert found(manager, error=text) == sorted(
            (dead[self.ERRORS[place]] for place in matching), reverse=True
        )

    def test_tasks_without_an_error_match_no_error(self, manager: QueueManager, database: Database) -> None:
        task_in(database, State.QUEUED)
        assert found(manager, error="") == []

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("%E4", [1]),
            ("%e4", [1]),
            ("100%25", [2]),
            ("a_b", [3]),
            ("_", [3]),
            ("%", [2, 1]),
            ("EXAMPLE.com/A", [4, 3]),
            ("例", []),
            ("\x00", []),
            ("\ud800", []),
        ],
        ids=range(10),
    )
    def test_urls(self, manager: QueueManager, text: str, expected: list[int]) -> None:
        for path in ("%E4%BE%8B", "100%25", "a_b?x=1", "axb"):
            manager.submit_task(f"https://example.com/{path}")
        assert found(manager, url=text) == expected


def test_all_filters_hold_together(manager: QueueManager, database: Database) -> None:
    dice = random.Random(3)
    with database.writing() as transaction:
        for number in range(200):
            host = dice.choice(["a.example", "b.example"])
            path = dice.choice(["news", "文", "100%25"])
            row = new_task(
                number,
                url=f"https://{host}/{path}/{number}",
                score=dice.choice([10, 8, 5]),
                created_at=NOW + number,
                run_at=dice.choice([None, NOW + 10**6]),
            )
            if dice.random() < 0.5:
                submit(transaction, row)
            else:
                submit_copies(transaction, [row])
    tasks = manager.list_tasks(ALL)
    filters: dict[str, tuple[Any, Callable[[Task], bool]]] = {
        "states": ((State.QUEUED,), lambda task: task.state is State.QUEUED),
        "queues": (QUEUES[:2], lambda task: task.queue in QUEUES[:2]),
        "host": ("a.example", lambda task: "://a.example/" in task.url),
        "url": ("%E6%96%87", lambda task: "%E6%96%87" in task.url),
        "since": (NOW + 20, lambda task: task.created_at >= NOW + 20),
        "until": (NOW + 180, lambda task: task.created_at < NOW + 180),
        "after": (190, lambda task: task.id < 190),
        "ids": (tuple(range(1, 200, 2)), lambda task: task.id % 2 == 1),
        "batch": (7, lambda task: task.batch_id == 7),
        "error": ("x", lambda task: False),
    }
    for _ in range(60):
        chosen = dice.sample(sorted(filters), dice.randint(1, len(filters)))
        expected = [task.id for task in tasks if all(filters[name][1](task) for name in chosen)]
        assert found(manager, **{name: filters[name][0] for name in chosen}) == expected, chosen


class TestOrders:
    """Every order, whole and page by page."""

    @pytest.fixture
    def mixed(self, database: Database) -> dict[int, State]:
        dice = random.Random(8)
        with database.writing() as transaction:
            numbers = submit(
                transaction,
                *(
                    new_task(
                        number,
                        score=dice.choice([12, 10, 8, 6, 5, 3, 0]),
                        due_at=NOW + dice.randint(0, 20),
                        created_at=NOW + number,
                    )
                    for number in range(60)
                ),
            )
            for queue in QUEUES:
                works, _ = tasks.start(transaction, queue, 7, node="n", now=NOW)
                moves = [dice.choice([Move.SUCCEED, Move.BURY, Move.RETRY]) for _ in works[:5]]
                finish(
                    transaction,
                    [
                        ending(
                            work,
                            move,
                            finished_at=NOW + dice.randint(0, 9),
                            **({"due_at": NOW + dice.randint(0, 99)} if move is Move.RETRY else {}),
                        )
                        for work, move in zip(works, moves, strict=False)
                    ],
                )
            tasks.dispatch(transaction, "low_priority", 2, node="n", now=NOW)
            tasks.cancel(transaction, numbers[::11], NOW + 4)
        return states(database)

    KEYS: ClassVar[dict[str, Callable[[Task], Any]]] = {
        "created": lambda task: -task.id,
        "due": lambda task: (task.due_at, task.id),
        "finished": lambda task: (-(task.finished_at or 0), -task.id),
        "score": lambda task: (-task.priority_score, task.due_at, task.id),
        "state": lambda task: (COURSE.index(task.state), -task.id),
    }

    @pytest.mark.parametrize("sort", sorted(Sort))
    @pytest.mark.parametrize(
        "filters",
        [
            {},
            {"states": (State.DEAD, State.CANCELLED)},
            {"states": (State.RETRYING,)},
            {"states": (State.QUEUED,), "queues": ("medium_priority", "low_priority")},
            {"states": (State.RUNNING, State.DISPATCHED)},
            {"states": (State.SUCCEEDED, State.QUEUED)},
            {"ids": tuple(range(1, 60, 2))},
            {"url": "/1", "since": NOW + 3},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("few", [100_000, 0], ids=["few", "many"])
    def test_pages_make_up_the_whole_list(
        self,
        manager: QueueManager,
        mixed: dict[int, State],
        monkeypatch: pytest.MonkeyPatch,
        sort: Sort,
        filters: dict[str, Any],
        few: int,
    ) -> None:
        monkeypatch.setattr(selecting, "_FEW", few)
        selection = replace(ALL, **filters)
        everything = manager.list_tasks(selection)
        if sort is Sort.DUE:
            everything = [task for task in everything if task.state in WAITING]
        if sort is Sort.FINISHED:
            everything = [task for task in everything if task.state in FINAL]
        expected = [task.id for task in sorted(everything, key=self.KEYS[sort])]
        assert [task.id for task in manager.list_tasks(selection, sort)] == expected
        paged: list[int] = []
        page = manager.page_of_tasks(replace(selection, limit=4), sort)
        while page.tasks:
            paged += [task.id for task in page.tasks]
            if page.following is None:
                break
            place = cursor_in(str(page.following), sort)
            page = manager.page_of_tasks(replace(selection, limit=4), sort, place)
        assert paged == expected
        assert [task.id for task in manager.iterate_tasks(replace(selection, limit=None), sort)] == expected
        assert len(mixed) == 60

    def test_counts_agree_with_lists(self, manager: QueueManager, mixed: dict[int, State]) -> None:
        everything = manager.list_tasks(ALL)
        for filters in ({}, {"states": (State.DEAD,)}, {"queues": QUEUES[:2]}, {"url": "/1"}, {"after": 30}):
            found = manager.list_tasks(replace(ALL, **filters))
            selection = Selection(**filters)
            assert manager.count_tasks(selection) == len(found)
            assert dict(manager.count_tasks_by("state", selection)) == Counter(task.state for task in found)
            assert dict(manager.count_tasks_by("queue", selection)) == Counter(task.queue for task in found)
            assert dict(manager.count_tasks_by("handler", selection)) == (
                {"article": len(found)} if found else {}
            )
        assert manager.count_tasks(Selection(limit=7)) == 7
        assert dict(manager.count_tasks_by("host")) == {"example.com": len(everything)}
        assert len(manager.count_tasks_by("state", Selection(limit=2))) == 2

    def test_what_may_have_to_be_read_is_foretold(
        self, manager: QueueManager, mixed: dict[int, State]
    ) -> None:
        dead = sum(state in (State.DEAD, State.CANCELLED) for state in mixed.values())
        assert manager.rows_to_read(Selection()) == 0
        assert manager.rows_to_read(Selection(states=(State.DEAD,), host="x")) == dead
        assert manager.rows_to_read(Selection(host="x")) == 60
        assert manager.rows_to_read(Selection(), "score") == 60
        assert manager.rows_to_read(Selection(ids=(1, 2), host="x")) == 2
        assert manager.rows_to_read(Selection(batch=1, host="x")) == 0


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"states": (State.DEAD,)}, "tasks_given_up"),
        ({"states": (State.SCHEDULED, State.RETRYING)}, "tasks_due"),
        ({"states": (State.QUEUED,), "host": "x"}, "tasks_ready"),
        ({"states": (State.RUNNING,)}, "tasks_in_hand"),
    ],
    ids=str,
)
def test_few_tasks_of_a_state_are_found_by_their_index(
    database: Database, filters: dict[str, Any], index: str
) -> None:
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(3_000)])
        transaction.execute(
            "UPDATE tasks SET finished_at = created_at, state = 'succeeded' WHERE id > 5"  # not a move
        )
        # Without the entries of the 2,995 that left it, the index is the small one of a database that has
        # lived, and what the planner finds cheaper no longer hangs on a page more or less.
        transaction.execute("REINDEX TABLE tasks" if database.engine == "postgresql" else "REINDEX tasks")
    database.analyze()
    with database.reading() as transaction:
        place = selecting.where(transaction, Selection(**filters), {})
        explain = "EXPLAIN QUERY PLAN " if database.engine == "sqlite" else "EXPLAIN "
        plan = str(transaction.rows(f"{explain} SELECT tasks.id FROM {place.sql}", place.params))
    assert index in plan
