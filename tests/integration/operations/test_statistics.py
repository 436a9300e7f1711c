"""The statistics: exact against the tasks' own rows, whoever adds them up and whatever is removed meanwhile."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from queuectl.domain.histogram import Gathering
from queuectl.domain.lifecycle import Move
from queuectl.domain.outcome import Verdict
from queuectl.domain.statistics import OTHER, Step, Subject
from queuectl.errors import InvalidInputError
from queuectl.operations.adding_up import MOST_FAILURES, add_up, forget_old
from queuectl.operations.auditing import latest_operation
from queuectl.operations.manager import QueueManager
from queuectl.operations.monitor import Monitor
from queuectl.operations.statistics import read_statistics
from queuectl.settings import Settings
from queuectl.store import observations, tasks, upkeep
from queuectl.store.database import Database
from tests.support.factories import NODE, NOW, ending, finish, new_task, submit, submit_copies, undone

_HOUR = 3_600_000
_FROM, _TO = NOW - 40 * 24 * _HOUR, NOW + 40 * 24 * _HOUR
_HOSTS = ("example.com", "example.org", "例え.test")
_MOVES = (Move.SUCCEED, Move.SUCCEED, Move.RETRY, Move.BURY, Move.RELEASE, Move.CANCEL)


def _work(database: Database, chance: random.Random, rounds: int = 30) -> None:
    """Let tasks of several queues and hosts come, run, fail, be cancelled and go back, over some days."""
    numbers = count(chance.randrange(10**6))
    for _ in range(rounds):
        at = NOW + chance.randrange(3 * 24 * _HOUR)
        with database.writing() as transaction:
            rows = [
                new_task(
                    url=f"https://{chance.choice(_HOSTS)}/{next(numbers)}",
                    score=chance.choice((1, 3, 5, 8, 10)),
                    created_at=at,
                    due_at=at,
                )
                for _ in range(chance.randrange(1, 8))
            ]
            submit(transaction, *rows) if chance.random() < 0.5 else submit_copies(transaction, rows)
        begun = at + chance.randrange(5_000)
        with database.writing() as transaction:
            works = [
                work
                for queue in {row.queue for row in rows}
                for work in tasks.start(transaction, queue, 5, node=NODE, now=begun)[0]
            ]
        with database.writing() as transaction:
            finish(
                transaction,
                [
                    ending(
                        work,
                        chance.choice(_MOVES),
                        finished_at=begun + chance.randrange(200_000),
                        error=f"HTTP 404 for task_{work.id}",
                    )
                    for work in works
                ],
            )
        with database.writing() as transaction:
            some = [row[0] for row in transaction.rows("SELECT id FROM tasks ORDER BY id DESC LIMIT 40")]
            tasks.cancel(transaction, chance.sample(some, min(2, len(some))), at + 10_000)
            tasks.requeue(transaction, chance.sample(some, min(2, len(some))), at + 20_000)


def _add_up_all(database: Database, settings: Settings, limit: int = 500) -> int:
    added = 0
    while one := add_up(database, settings, limit):
        added += one
    return added


def _by_rows(database: Database, column: str, start: int, end: int) -> dict[str, Counter[str]]:
    """Count the tasks' and attempts' own rows."""
    found: dict[str, Counter[str]] = {}
    with database.reading() as transaction:
        for name, number in transaction.rows(
            f"SELECT {column}, COUNT(*) FROM tasks WHERE created_at >= %s AND created_at < %s GROUP BY 1",
            (start, end),
        ):
            found.setdefault(name, Counter())["submitted"] = number
        words = {"succeed": "succeeded", "retry": "retried", "bury": "dead", "release": "released"}
        for name, move, number in transaction.rows(
            f"SELECT {column}, move, COUNT(*) FROM attempts JOIN tasks ON tasks.id = task_id"
            " WHERE attempts.finished_at >= %s AND attempts.finished_at < %s GROUP BY 1, 2",
            (start, end),
        ):
            if move in words:
                found.setdefault(name, Counter())[words[move]] = number
            if move != "release":
                found.setdefault(name, Counter())["attempts"] += number
    return found


@pytest.fixture
def chance() -> random.Random:
    """Give the same choices in each run."""
    return random.Random(20)


@pytest.mark.parametrize("added", ["nothing", "some", "everything"])
@pytest.mark.parametrize("subject", Subject)
def test_counts_are_those_of_the_rows(
    database: Database, settings: Settings, chance: random.Random, subject: Subject, added: str
) -> None:
    _work(database, chance)
    if added == "some":
        assert add_up(database, settings, 20) == 20
    elif added == "everything":
        assert _add_up_all(database, settings, 7) > 50
    for start, end in ((_FROM, _TO), (NOW + 7 * _HOUR + 60_000, NOW + 50 * _HOUR), (NOW, NOW + 600_000)):
        begin, end = start // 60_000 * 60_000, end // 60_000 * 60_000
        real = _by_rows(database, subject.value, begin, end)
        for step in (None, *Step):
            if step is Step.MINUTE and end - begin > 20 * 24 * _HOUR:
                continue
            found = read_statistics(database, settings, begin, end, step=step, by=subject)
            assert (found.start, found.end, found.step) == (begin, end, step)
            names = found.by_name()
            for name in real.keys() | names.keys():
                counts = names[name]
                told = {
                    key: getattr(counts, key)
                    for key in ("submitted", "attempts", "succeeded", "retried", "dead", "released")
                }
                assert (
                    told == {key: real[str(name)][key] for key in told}
                    if str(name) in real
                    else not any(told.values())
                )
                assert counts.runs.count == counts.waits.count == counts.attempts


def test_steps_hold_what_happened_in_them(
    database: Database, settings: Settings, chance: random.Random
) -> None:
    _work(database, chance, 10)
    _add_up_all(database, settings)
    found = read_statistics(database, settings, NOW, NOW + 4 * 24 * _HOUR, step="hour")
    assert len(found.moments) == (found.end - found.start) // _HOUR
    for row in found.rows:
        real = _by_rows(database, "'all'", row.start, row.end).get("all", Counter())
        assert (row.counts.submitted, row.counts.attempts) == (real["submitted"], real["attempts"])


def test_waits_and_run_times_are_those_of_the_runs(database: Database, settings: Settings) -> None:
    expected = Gathering(), Gathering()
    with database.writing() as transaction:
        submit(transaction, *(new_task(number) for number in range(20)))
        works, _ = tasks.start(transaction, "medium_priority", 20, node=NODE, now=NOW + 1_500)
        ends = [
            ending(work, Move.SUCCEED, finished_at=NOW + 1_500 + place**3) for place, work in enumerate(works)
        ]
        finish(transaction, ends)
    for place in range(20):
        expected[0].add(1_500)
        expected[1].add(place**3)
    for _ in range(2):
        total = read_statistics(database, settings, NOW, _TO).total
        assert (total.waits, total.runs) == (expected[0].histogram(), expected[1].histogram())
        _add_up_all(database, settings)


def test_failures_are_grouped_as_their_dead_letters_are(database: Database, settings: Settings) -> None:
    with database.writing() as transaction:
        submit(transaction, *(new_task(number) for number in range(6)))
        works, _ = tasks.start(transaction, "medium_priority", 6, node=NODE, now=NOW)
        moves = [Move.RETRY, Move.RETRY, Move.BURY, Move.BURY, Move.BURY, Move.BURY]
        finish(
            transaction,
            [
                ending(work, move, error=f"HTTP 404 after {work.id} s\nmore")
                for work, move in zip(works[:4], moves, strict=False)
            ]
            + [
                ending(work, Move.BURY, verdict=Verdict.CRASHED, cause="crashed", error="died")
                for work in works[4:]
            ],
        )
    letters = {group.failure: group for group in Monitor(settings).group_dead_letters()}
    for _ in range(2):
        first, second = read_statistics(database, settings, NOW, _TO).failures
        assert (first.cause, first.retried, first.dead, first.queue) == ("exhausted", 2, 2, "medium_priority")
        assert (second.cause, second.retried, second.dead) == ("crashed", 0, 2)
        for each in (first, second):
            assert (letters[each.failure].letters, letters[each.failure].shape) == (each.dead, each.shape)
        _add_up_all(database, settings)


def test_what_was_removed_before_it_was_added_up_counts_all_the_same(
    database: Database, settings: Settings, chance: random.Random
) -> None:
    _work(database, chance)
    before = read_statistics(database, settings, _FROM, _TO, step="day", by="host")
    with database.writing() as transaction:
        ended = upkeep.finished(transaction, _TO, 10_000)
        removed = upkeep.remove(transaction, [number for _, number in ended], _TO, keep_lettered=False)
    assert removed.rows["tasks"] > 20
    _add_up_all(database, settings)
    assert read_statistics(database, settings, _FROM, _TO, step="day", by="host") == before


def test_what_comes_late_is_added_to_its_own_minute(database: Database, settings: Settings) -> None:
    def submitted() -> list[tuple[int, int]]:
        found = read_statistics(database, settings, NOW - _HOUR, NOW + _HOUR, step="minute")
        return [(row.start, row.counts.submitted) for row in found.rows]

    minute = NOW // 60_000 * 60_000
    for number, at in enumerate((NOW, NOW + 60_000, NOW)):
        with database.writing() as transaction:
            submit(transaction, new_task(number, created_at=at))
        _add_up_all(database, settings)
    assert submitted() == [(minute, 2), (minute + 60_000, 1)]


def test_two_that_add_up_at_once_count_everything_once(
    database: Database, settings: Settings, chance: random.Random
) -> None:
    _work(database, chance)
    before = read_statistics(database, settings, _FROM, _TO, step="hour", by="queue")
    barrier = threading.Barrier(4)
    ended: list[int] = []

    def run() -> None:
        barrier.wait()
        for _ in range(60):
            add_up(database, settings, 5)
        database.close()
        ended.append(threading.get_ident())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 4
    _add_up_all(database, settings)
    with database.reading() as transaction:
        assert observations.count(transaction, 1) == 0
    assert read_statistics(database, settings, _FROM, _TO, step="hour", by="queue") == before


def test_hosts_beyond_the_most_are_counted_together(database: Database, settings: Settings) -> None:
    few = replace(settings, statistics_hosts=3)
    for round_ in range(3):
        with database.writing() as transaction:
            rows = [
                new_task(url=f"https://host{number}.test/{round_}")
                for number in range(10)
                for _ in range(number + 1)
            ]
            submit(transaction, *rows)
        _add_up_all(database, few)
    names = {
        name: counts.submitted
        for name, counts in read_statistics(database, few, NOW, _TO, by="host").by_name().items()
    }
    assert names == {"host9.test": 30, "host8.test": 27, "host7.test": 24, OTHER: 3 * sum(range(1, 8))}
    assert read_statistics(database, few, NOW, _TO).total.submitted == 3 * sum(range(1, 11))


def test_ways_to_fail_beyond_the_most_are_counted_together(database: Database, settings: Settings) -> None:
    kinds = MOST_FAILURES + 20
    with database.writing() as transaction:
        submit(transaction, *(new_task(number) for number in range(kinds)))
        works, _ = tasks.start(transaction, "medium_priority", kinds, node=NODE, now=NOW)
        letters = "abcdefghijklmnopqrstuvwxyz"
        finish(
            transaction,
            [
                ending(work, Move.RETRY, error=f"kind {letters[place % 26]}{letters[place // 26]}x")
                for place, work in enumerate(works)
            ],
        )
    _add_up_all(database, settings)
    found = read_statistics(database, settings, NOW, _TO).failures
    assert len(found) == MOST_FAILURES + 1
    assert (found[0].failure, found[0].runs) == (OTHER, 20)
    assert sum(each.runs for each in found) == kinds


def test_what_a_person_does_is_counted(database: Database, settings: Settings) -> None:
    manager = QueueManager(settings)
    first, second = (manager.submit_task(f"https://example.com/{number}") for number in range(2))
    manager.cancel_task(first)
    manager.retry_task(first)
    manager.cancel_task(second)
    number = latest_operation()
    assert number is not None
    manager.undo(number)
    now, day = datetime.now(UTC), timedelta(days=1)
    total = read_statistics(database, settings, now - day, now + day).total
    counted = (total.submitted, total.cancelled, total.requeued, total.restored, total.attempts)
    assert counted == (2, 2, 1, 1, 0)


def test_old_rows_go_and_coarser_ones_still_tell(database: Database, settings: Settings) -> None:
    kept = replace(settings, statistics_minute_days=2, statistics_hour_days=20)
    now = int(datetime.now(UTC).timestamp() * 1000)
    ages = (0, 1, 5, 10, 30, 40)
    with database.writing() as transaction:
        submit(transaction, *(new_task(days, created_at=now - days * 24 * _HOUR) for days in ages))
    _add_up_all(database, kept)
    assert forget_old(database, kept, 100) > 0
    assert forget_old(database, kept, 100) == 0
    year = now - 365 * 24 * _HOUR
    assert read_statistics(database, kept, year, now + _HOUR).total.submitted == len(ages)
    hours = read_statistics(database, kept, now - 11 * 24 * _HOUR, now + _HOUR, step="minute")
    assert (hours.step, hours.total.submitted) == (Step.HOUR, 4)
    days = read_statistics(database, kept, now - 41 * 24 * _HOUR, now - 29 * 24 * _HOUR, step="hour")
    assert (days.step, days.total.submitted) == (Step.DAY, 2)
    assert days.start <= now - 41 * 24 * _HOUR
    with database.reading() as transaction:
        steps: Counter[str] = Counter(
            dict(transaction.rows("SELECT step, COUNT(*) FROM statistics GROUP BY step"))
        )
    assert steps == {"minute": 4, "hour": 8, "day": 12}


def test_cleanup_takes_what_is_older_than_it_is_kept(database: Database, settings: Settings) -> None:
    old = int(datetime.now(UTC).timestamp() * 1000) - 10 * 24 * _HOUR
    with database.writing() as transaction:
        submit(transaction, new_task(created_at=old))
    _add_up_all(database, settings)
    with QueueManager(settings) as manager:
        assert manager.cleanup(30, dry_run=True).rows["statistics"] == 0
        assert manager.cleanup(30).rows["statistics"] == 2, "its minute, by queue and by host"
        assert manager.cleanup(30).rows["statistics"] == 0
    assert read_statistics(database, settings, old - _HOUR, old + _HOUR).total.submitted == 1


def test_cleanup_that_is_told_to_stop_leaves_other_statistics(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = int(datetime.now(UTC).timestamp() * 1000) - 10 * 24 * _HOUR
    with database.writing() as transaction:
        submit(transaction, *(new_task(number, created_at=old + number * 60_000) for number in range(3)))
    _add_up_all(database, settings)
    monkeypatch.setattr("queuectl.operations.upkeep._GROUP", 1)
    with QueueManager(settings) as manager:
        report = manager.cleanup(30, should_stop=lambda: True)
        assert report.stopped
        gone = report.rows["statistics"]
        assert 0 < gone <= 2, "one of each step at most"
        assert manager.cleanup(30).rows["statistics"] > gone


def test_a_batch_of_many_hosts_leaves_parts_that_are_added_up_in_no_time(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observations, "_PART", 4)
    with database.writing() as transaction:
        submit(transaction, *(new_task(number, url=f"https://{number}.test/") for number in range(10)))
    with database.reading() as transaction:
        assert observations.count(transaction, 10) == 3
    assert read_statistics(database, settings, NOW, _TO).total.submitted == 10


def test_nothing_of_an_undone_transaction_is_counted(database: Database, settings: Settings) -> None:
    with undone(database) as transaction:
        submit(transaction, new_task())
    assert read_statistics(database, settings, _FROM, _TO).total.submitted == 0


def test_much_that_is_left_is_added_up_by_whoever_reads(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queuectl.operations.statistics._MOST_LEFT", 5)
    for number in range(9):
        with database.writing() as transaction:
            submit(transaction, new_task(number))
    assert read_statistics(database, settings, NOW, _TO).total.submitted == 9
    with database.reading() as transaction:
        assert observations.count(transaction, 10) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step": "week"}, "'week' is no step"),
        ({"by": "handler"}, "not kept by 'handler'"),
        ({"end": NOW}, "ends before it begins"),
        ({"start": datetime(2026, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ({"start": 0, "step": "minute"}, "more than 20000 minutes"),
        ({"start": -1}, "reaches beyond the years"),
        ({"end": 253_402_300_799_999, "step": "day"}, "reaches beyond the years"),
    ],
)
def test_a_period_that_cannot_be_read_is_refused(
    database: Database, settings: Settings, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_statistics(database, settings, **{"start": NOW, "end": NOW + 1} | options)  # type: ignore[arg-type]


def test_a_caller_reads_them_from_the_monitor(settings: Settings) -> None:
    manager = QueueManager(settings)
    manager.submit_batch([f"https://example.com/{number}" for number in range(30)])
    monitor = Monitor(settings)
    now, day = datetime.now(UTC), timedelta(days=1)
    found = monitor.get_statistics(now - day, now + day, by="queue")
    assert found.by_name()["medium_priority"].submitted == 30


def test_the_selection_of_queues_is_that_of_the_names(database: Database, settings: Settings) -> None:
    with database.writing() as transaction:
        submit(transaction, new_task(1, score=10), new_task(2, score=1))
    found = read_statistics(database, settings, NOW, _TO, by=Subject.QUEUE)
    assert {row.name for row in found.rows} == {"urgent_priority", "background_priority"}
