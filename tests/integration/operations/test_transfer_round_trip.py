"""What is exported and imported into an empty database is exported again the same, on each engine and between them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from queuectl import QueueManager
from queuectl.domain import priority
from queuectl.domain.admission import QueueRules
from queuectl.domain.lifecycle import FINAL, Move, State
from queuectl.domain.outcome import Verdict
from queuectl.domain.rate import RateLimit
from queuectl.domain.schedule import NewSchedule
from queuectl.operations.importing import import_tasks
from queuectl.settings import HandlerSettings, Settings
from queuectl.store import counters, queues, schedules, submission, tasks, ticks, transfer
from queuectl.store.database import Database
from queuectl.store.ordering import apply_aging
from queuectl.store.schema import TABLES
from queuectl.store.submission import StoredTask
from queuectl.store.transfer import BatchReach, StoredAttempt, StoredBatch, StoredLetter
from queuectl.times import LATEST
from tests.support.engines import MigratedPostgres, sqlite_url
from tests.support.exports import exported, records_of, without_ids
from tests.support.factories import NOW, all_rows, counts_are_right, new_task, stored, task_in

COUNT = st.integers(0, 2**31 - 1)
MOMENT = st.integers(0, LATEST)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
WITHOUT_SHRINKING = [
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
]  # with three databases it would take minutes
RESTING = [state for state in State if state not in (State.DISPATCHED, State.RUNNING)]


@st.composite
def stored_tasks(draw: st.DrawFn) -> tuple[StoredTask, list[StoredAttempt], list[StoredLetter], int | None]:
    """Return a task in any state that rests, what happened to it, and the place of its batch."""
    import json

    state = draw(st.sampled_from(RESTING))
    attempt = draw(st.integers(0, 5))
    fence = attempt + draw(st.integers(0, 3))
    run_at = draw(st.none() | MOMENT)
    result = draw(st.none() | JSON)
    path = draw(st.from_regex(r"[a-z0-9/]{0,20}", fullmatch=True))
    row = new_task(
        url=f"https://{draw(st.sampled_from(['a.example', 'b.example']))}/{path}",
        score=draw(st.integers(-20, 20)),
        due_at=draw(MOMENT),
    )
    fields = row._asdict() | {
        "state": state.value,
        "handler": draw(st.sampled_from(["article", "report"])),
        "run_at": run_at,
        "created_at": draw(MOMENT),
        "timeout": draw(st.none() | st.floats(0.001, 604_800)),
        "memory_limit": draw(st.none() | st.integers(16, 1_048_576)),
        "max_retries": draw(st.none() | st.integers(0, 1_000)),
        "metadata": json.dumps(draw(st.dictionaries(TEXT, JSON, max_size=3)), ensure_ascii=False),
    }
    started = draw(st.none() | MOMENT)
    task = StoredTask(
        **fields,
        fence=fence,
        attempt=attempt,
        released=draw(st.integers(0, attempt)),
        crashes=draw(COUNT),
        started_at=started,
        finished_at=draw(MOMENT) if state in FINAL else None,
        result=None if result is None else json.dumps(result, ensure_ascii=False, separators=(",", ":")),
        error=draw(st.none() | TEXT),
    )
    runs = [
        StoredAttempt(
            number,
            draw(COUNT),
            draw(st.none() | st.just("0af3")),
            draw(MOMENT),
            draw(MOMENT),
            draw(st.sampled_from(Verdict)).value,
            draw(st.none() | TEXT),
            draw(st.none() | TEXT),
            draw(st.sampled_from(["succeed", "retry", "bury", "cancel", "release"])),
            draw(MOMENT),
        )
        for number in (draw(st.sets(st.integers(1, fence), max_size=3)) if fence else ())
    ]
    letters = [StoredLetter("exhausted", draw(st.none() | TEXT), draw(COUNT), draw(MOMENT))] * (
        state is State.DEAD
    )
    return task, sorted(runs), letters, draw(st.none() | st.integers(0, 2))


BATCHES = st.lists(
    st.builds(
        StoredBatch,
        st.just(0),
        st.none() | st.text(st.characters(categories=["L", "N", "Zs"]), max_size=20),
        MOMENT,
        st.floats(0, 525_600),
    ),
    min_size=3,
    max_size=3,
)


def fill(database: Database, batches: list[StoredBatch], found: list[Any]) -> None:
    """Store batches and tasks with their past."""
    with database.writing() as transaction:
        numbers = transfer.insert_batches(transaction, batches)
        ids = submission.reserve(transaction, "tasks", len(found))
        members: dict[int, list[int]] = {number: [] for number in numbers}
        rows = []
        for number, (task, _, _, place) in zip(ids, found, strict=True):
            batch = None if place is None else numbers[place]
            if batch is not None:
                members[batch].append(number)
            rows.append(task._replace(batch_id=batch))
        submission.insert_stored(transaction, ids, rows)
        transfer.insert_attempts(
            transaction, [(number, run) for number, each in zip(ids, found, strict=True) for run in each[1]]
        )
        transfer.insert_dead_letters(
            transaction,
            [
                (number, each[0], letter)
                for number, each in zip(ids, found, strict=True)
                for letter in each[2]
            ],
        )
        reaches = [
            BatchReach(batch, len(of), min(of, default=0), max(of, default=0))
            for batch, of in members.items()
        ]
        transfer.close_batches(transaction, reaches)


def bring(database: Database, content: bytes) -> None:
    """Import a file into a database."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            home=Path(folder),
            database_url=database.url,
            handlers={"report": HandlerSettings(command=("true",))},
        )
        import_tasks(database, settings, io.BytesIO(content), "the file", on_conflict="error", dry_run=False)


@pytest.fixture
def fresh(home: Path, migrated_file: bytes) -> Iterator[Callable[[], Database]]:
    """Give a function that makes a migrated, empty SQLite database."""
    opened: list[Database] = []

    def make() -> Database:
        folder = home / str(len(opened))
        folder.mkdir()
        (folder / "queuectl.db").write_bytes(migrated_file)
        opened.append(Database(sqlite_url(folder)))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@examples(
    max_examples=30,
    phases=WITHOUT_SHRINKING,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches=BATCHES, found=st.lists(stored_tasks(), max_size=12))
def test_records_are_the_same_after_any_number_of_journeys(
    fresh: Callable[[], Database],
    migrated_postgres: MigratedPostgres,
    batches: list[StoredBatch],
    found: list[Any],
) -> None:
    first, last = fresh(), Database(migrated_postgres.url)
    migrated_postgres.empty()
    fill(first, batches, found)
    content, receipt = exported(first)
    assert receipt.tasks == len(found)
    bring(last, content)
    again, _ = exported(last)
    assert without_ids(again) == without_ids(content)
    assert counts_are_right(last)
    last.close()
    home_again = fresh()
    bring(home_again, again)
    assert without_ids(exported(home_again)[0]) == without_ids(content)
    assert counts_are_right(home_again)


@pytest.mark.parametrize("state", RESTING)
def test_a_task_that_rests_comes_back_as_it_was(
    database: Database, fresh: Callable[[], Database], state: State
) -> None:
    task = task_in(database, state, metadata='{"author": "作者名"}')
    target = fresh()
    bring(target, exported(database)[0])
    (there,) = all_rows(target, "tasks")
    here = stored(database, task)
    assert {**there, "id": 0, "dispatched_at": 0} == {**here, "id": 0, "dispatched_at": 0}
    for table in ("attempts", "dead_letters"):
        assert all_rows(target, table) == [
            row | {"task_id": there["id"]} for row in all_rows(database, table)
        ]


@pytest.mark.parametrize("state", [State.DISPATCHED, State.RUNNING])
def test_a_task_at_work_is_exported_as_queued_with_all_its_attempts_before_it(
    database: Database, fresh: Callable[[], Database], state: State
) -> None:
    task = task_in(database, state)
    target = fresh()
    bring(target, exported(database)[0])
    (there,) = all_rows(target, "tasks")
    assert there["state"] == "queued"
    assert there["node"] is None
    assert there["attempt"] == there["released"] == stored(database, task)["attempt"]
    assert stored(database, task)["state"] == state
    assert counts_are_right(target)


def test_a_task_that_is_asked_to_end_does_not_run_again_elsewhere(database: Database) -> None:
    task = task_in(database, State.RUNNING)
    with database.writing() as transaction:
        tasks.cancel(transaction, [task], NOW)
    (record,) = [each["task"] for each in records_of(exported(database)[0]) if "task" in each]
    assert record["state"] == "cancelled"
    assert record["finished_at"]


def test_a_retried_task_keeps_the_moves_of_its_attempts(
    database: Database, fresh: Callable[[], Database]
) -> None:
    task_in(database, State.RETRYING)
    target = fresh()
    bring(target, exported(database)[0])
    assert [row["move"] for row in all_rows(target, "attempts")] == [Move.RETRY.value]


def test_settings_of_queues_travel_when_asked_for(database: Database, fresh: Callable[[], Database]) -> None:
    rules = QueueRules(
        "high_priority",
        paused=True,
        max_size=10,
        rate_limit=RateLimit(150, 3_600_000),
        concurrency=3,
        host_gap=0.5,
        host_concurrency=2,
        task_timeout=60.0,
        memory_limit=512,
        max_retries=0,
        retry_backoff=1.5,
    )
    with database.writing() as transaction:
        queues.set_limits(transaction, rules)
        queues.set_paused(transaction, rules.name, paused=True)
    target = fresh()
    bring(target, exported(database)[0])
    key = {"name": "high_priority"}
    assert [row for row in all_rows(target, "queues") if row | key == row] == [
        row for row in all_rows(database, "queues") if row | key == row
    ]
    assert not [each for each in records_of(exported(database, "batches")[0]) if "queue" in each]


def test_schedules_travel_when_asked_for_with_what_their_sources_have_had(
    database: Database, fresh: Callable[[], Database]
) -> None:
    number = 0
    for score in (5, 8):
        schedule = NewSchedule(
            f"for {score}",
            "https://e.org/feed",
            "0 10 * * 1-5",
            "Asia/Shanghai",
            score,
            metadata={"author": "作者名"},
            only_new=True,
            catch_up="all",
            overlap="allow",
        )
        with database.writing() as transaction:
            number = schedules.insert(transaction, schedule, now=NOW, next_tick_at=NOW + score)
            schedules.note_good(transaction, number, entries=7, etag='"x"', last_modified="Mon")
            schedules.set_paused(transaction, number, paused=score == 8)
            ticks.keep_unseen(transaction, number, [new_task(each) for each in range(12_000)])
    content = exported(database)[0]
    target = fresh()
    bring(target, content)
    assert all_rows(target, "schedules") == all_rows(database, "schedules")
    assert all_rows(target, "source_urls") == all_rows(database, "source_urls")
    assert exported(target)[1].counts == exported(database)[1].counts
    with target.writing() as transaction:
        assert ticks.keep_unseen(transaction, number, [new_task(5), new_task(12_000)]) == [new_task(12_000)]

    def named(content: bytes) -> list[str]:
        return [each["schedule"]["name"] for each in records_of(content) if "schedule" in each]

    assert named(content) == ["for 5", "for 8"]
    assert named(exported(database, "schedules", queues=("high_priority",))[0]) == ["for 8"]
    assert named(exported(database, "batches", "queues")[0]) == []


def test_what_came_of_a_dead_letter_is_found_under_its_new_number(
    database: Database, fresh: Callable[[], Database], settings: Settings
) -> None:
    task_in(database, State.CANCELLED, 1)
    with database.writing() as transaction:
        transaction.tally.enter("medium_priority", State.CANCELLED, -1)
        transaction.execute("DELETE FROM task_urls")
        transaction.execute("DELETE FROM tasks")
    for number in (2, 3):
        task_in(database, State.DEAD, number)
    with QueueManager(settings) as manager:
        assert manager.resurrect_from_dead_letter(2) == "task_4"
    target = fresh()
    content = exported(database)[0]
    bring(target, content)
    assert [(row["task_id"], row["resurrected_as"]) for row in all_rows(database, "dead_letters")] == [
        (2, None),
        (3, 4),
    ]
    assert [(row["task_id"], row["resurrected_as"]) for row in all_rows(target, "dead_letters")] == [
        (1, None),
        (2, 3),
    ]
    assert without_ids(exported(target)[0]) == without_ids(content)


def test_tasks_get_their_place_in_the_order_by_the_aging_of_their_new_home(
    database: Database, fresh: Callable[[], Database]
) -> None:
    for number, score in enumerate((10, 1)):
        task_in(database, State.QUEUED, number, score=score)
    target = fresh()
    apply_aging(target, 30)
    bring(target, exported(database)[0])
    assert {row["priority_score"]: row["rank"] for row in all_rows(target, "tasks")} == {
        score: priority.rank(score, NOW, 30) for score in (10, 1)
    }


def test_how_a_batch_has_ended_is_known_there_too(
    database: Database, fresh: Callable[[], Database], settings: Settings
) -> None:
    ends = [(State.SUCCEEDED, NOW), (State.DEAD, NOW + 5), (State.SUCCEEDED, NOW + 9), (State.QUEUED, None)]
    found: list[Any] = [
        (_plain(f"https://a.example/{at}", state=state.value, finished_at=at), [], [], 0)
        for state, at in ends
    ]
    fill(database, [StoredBatch(0, "b", NOW, 0)], found)
    target = fresh()
    bring(target, exported(database)[0])
    for each in (database, target):
        with each.reading() as transaction:
            assert counters.of_batches(transaction, [1]) == {
                (1, State.SUCCEEDED): (2, NOW, NOW + 9),
                (1, State.DEAD): (1, NOW + 5, NOW + 5),
            }
        assert counts_are_right(each)


def test_every_table_has_its_place_in_an_export_or_is_left_out_knowingly() -> None:
    listed = [*transfer.TRAVELS, *transfer.STAYS_BEHIND]
    assert sorted(listed) == sorted(table._meta.table_name for table in TABLES)


def test_what_a_filter_leaves_out_stays_out_with_its_batch(database: Database) -> None:
    fill(
        database,
        [StoredBatch(0, name, NOW, 0) for name in "abc"],
        [
            (_plain("https://a.example/1"), [], [], 0),
            (_plain("https://b.example/2"), [], [], 1),
        ],
    )
    content, receipt = exported(database, host="b.example")
    assert receipt.tasks == 1
    assert [each["batch"]["name"] for each in records_of(content) if "batch" in each] == ["b"]


def _plain(url: str, **fields: Any) -> StoredTask:
    row = StoredTask(
        **new_task(url=url)._asdict(),
        fence=0, attempt=0, released=0, crashes=0, started_at=None, finished_at=None, result=None, error=None,
    )  # fmt: skip
    return row._replace(**fields)
