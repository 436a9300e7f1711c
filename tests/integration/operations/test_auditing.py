"""Who did what: every verb that changes something leaves its line with the deed, and a deed that fails leaves none."""

from __future__ import annotations

import contextlib
import inspect
import json
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queuectl import ArticleTask, QueueManager, Settings
from queuectl.domain.batch import Entry
from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.lifecycle import State
from queuectl.domain.selection import Selection
from queuectl.errors import NotFoundError, QueuectlError, StorageError
from queuectl.operations import bulk
from queuectl.operations.audit import AuditTrail, present_anchor
from queuectl.operations.audit_key import audit_key
from queuectl.operations.auditing import acting_as, latest_operation
from queuectl.operations.scheduler import Scheduler
from queuectl.store.audit import AuditSelection, Summary
from queuectl.store.database import Database
from tests.support.factories import all_rows, new_task, submit_copies, succeed_with_article, task_in

SOURCE = "file://urls.txt"


@pytest.fixture
def manager(settings: Settings) -> Iterator[QueueManager]:
    with QueueManager(settings) as manager:
        yield manager


@pytest.fixture
def scheduler(settings: Settings) -> Iterator[Scheduler]:
    (settings.home / "urls.txt").write_text("https://a.test/1\n")
    with Scheduler(settings) as scheduler:
        yield scheduler


@pytest.fixture
def trail(settings: Settings) -> Iterator[AuditTrail]:
    with AuditTrail(settings) as trail:
        yield trail


def entry() -> Entry:
    return Entry(1, "https://a.test/", ArticleTask("https://a.test/"))


def verbs(trail: AuditTrail) -> list[str]:
    """Return what was recorded, the first first, after making sure that the record is whole."""
    found = trail.verify()
    assert found.verdict.sound, found.verdict.faults
    assert found.complete
    return [each.first.verb for each in reversed(trail.operations())]


# Every verb.

READS = {
    *("get_task", "list_tasks", "page_of_tasks", "iterate_tasks", "oldest_tasks", "states_of_tasks"),
    *("rows_to_read", "count_tasks", "count_tasks_by", "wait_for", "get_queue_config", "count_waiting"),
    *("count_dead_letters", "oldest_dead_letters", "undo_plan", "undoable_operations", "export_queue"),
    *("inspect_source", "list_schedules", "get_schedule", "get_ticks", "last_ticks", "preview"),
    *("get_article_delivery", "list_article_deliveries", "count_article_deliveries"),
    "close",
}
"""The verbs that change nothing."""

SUBMISSIONS = {"submit_task", "schedule_article"}
"""What is not recorded: the task's row says all there is to say, and it is the hot path."""


def _schedule(scheduler: Scheduler) -> str:
    return scheduler.schedule_recurring(SOURCE, "0 10 * * *")


def _resume(scheduler: Scheduler) -> None:
    name = _schedule(scheduler)
    scheduler.pause(name)
    scheduler.resume(name)


def _purge(manager: QueueManager, database: Database, **options: Any) -> None:
    task_in(database, State.DEAD)
    with database.writing() as transaction:
        transaction.execute("UPDATE dead_letters SET died_at = 1")
    manager.cleanup_dead_letter_queue(1, **options)


def _cleanup(manager: QueueManager, database: Database, **options: Any) -> None:
    task = task_in(database, State.SUCCEEDED)
    with database.writing() as transaction:
        transaction.execute("UPDATE tasks SET finished_at = 1 WHERE id = %s", (task,))
    manager.cleanup(1, **options)


def _import(manager: QueueManager, database: Database, **options: Any) -> None:
    task_in(database, State.QUEUED)
    file = manager.settings.home / "tasks.json"
    manager.export_queue(None, file)
    manager.import_queue(file, on_conflict="new", **options)


def _optimize(manager: QueueManager, scheduler: Scheduler, **options: Any) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    task = manager.submit_task("https://a.test/")
    window = {"start": start, "end": start + timedelta(hours=2), "max_per_hour": 5}
    scheduler.optimize_schedule([task], window, **options)


def _optimize_selection(manager: QueueManager, scheduler: Scheduler, **options: Any) -> None:
    start = datetime.now(UTC) + timedelta(hours=1)
    manager.submit_task("https://a.test/")
    window = {"start": start, "end": start + timedelta(hours=2), "max_per_hour": 5}
    scheduler.optimize_selection(Selection(), window, **options)


def _deliver(manager: QueueManager, database: Database, *, failed: bool = False) -> None:
    with database.writing() as transaction:
        task = succeed_with_article(transaction)
        transaction.execute("UPDATE article_deliveries SET problem = 'x'")
    posting = QueueManager(replace(manager.settings, publish_webhook="https://a.test/"), database)
    if failed:
        posting.deliver_failed_articles()
    else:
        posting.deliver_articles([task])


Deed = Callable[[QueueManager, Scheduler, Database], object]

CHANGES: dict[str, tuple[Deed, list[str]]] = {
    "cancel_task": (lambda m, s, d: m.cancel_task(task_in(d, State.QUEUED)), ["cancel"]),
    "retry_task": (lambda m, s, d: m.retry_task(task_in(d, State.DEAD)), ["retry"]),
    "reprioritize_task": (
        lambda m, s, d: m.reprioritize_task(task_in(d, State.QUEUED), "high"),
        ["reprioritize"],
    ),
    "cancel_tasks": (lambda m, s, d: task_in(d, State.QUEUED) and m.cancel_tasks(Selection()), ["cancel"]),
    "retry_tasks": (lambda m, s, d: task_in(d, State.DEAD) and m.retry_tasks(Selection()), ["retry"]),
    "reprioritize_tasks": (
        lambda m, s, d: task_in(d, State.QUEUED) and m.reprioritize_tasks(Selection(), score=9),
        ["reprioritize"],
    ),
    "clear_queue": (lambda m, s, d: task_in(d, State.QUEUED) and m.clear_queue("medium"), ["clear-queue"]),
    "submit_batch": (lambda m, s, d: m.submit_batch(["https://a.test/"]), ["batch"]),
    "submit_entries": (lambda m, s, d: m.submit_entries([entry()]), ["batch"]),
    "pause_queue": (lambda m, s, d: m.pause_queue("low"), ["queue pause"]),
    "resume_queue": (
        lambda m, s, d: (m.pause_queue("low"), m.resume_queue("low")),
        ["queue pause", "queue resume"],
    ),
    "update_queue_config": (lambda m, s, d: m.update_queue_config("low", {"max_size": 9}), ["queue set"]),
    "resurrect_from_dead_letter": (
        lambda m, s, d: task_in(d, State.DEAD) and m.resurrect_from_dead_letter(1),
        ["dead resurrect"],
    ),
    "resurrect_dead_letters": (
        lambda m, s, d: task_in(d, State.DEAD) and m.resurrect_dead_letters(DeadLetterSelection()),
        ["dead resurrect"],
    ),
    "cleanup_dead_letter_queue": (lambda m, s, d: _purge(m, d), ["dead purge"]),
    "cleanup": (lambda m, s, d: _cleanup(m, d), ["cleanup"]),
    "deliver_articles": (lambda m, s, d: _deliver(m, d), ["articles deliver"]),
    "deliver_failed_articles": (lambda m, s, d: _deliver(m, d, failed=True), ["articles deliver"]),
    "import_queue": (lambda m, s, d: _import(m, d), ["import"]),
    "undo": (lambda m, s, d: (m.pause_queue("low"), m.undo(1)), ["queue pause", "undo"]),
    "schedule_recurring": (lambda m, s, d: _schedule(s), ["schedule add"]),
    "add": (lambda m, s, d: _schedule(s), ["schedule add"]),
    "pause": (lambda m, s, d: s.pause(_schedule(s)), ["schedule add", "schedule pause"]),
    "resume": (lambda m, s, d: _resume(s), ["schedule add", "schedule pause", "schedule resume"]),
    "remove": (lambda m, s, d: s.remove(_schedule(s)), ["schedule add", "schedule remove"]),
    "run_now": (lambda m, s, d: s.run_now(_schedule(s)), ["schedule add", "schedule run-now"]),
    "optimize_schedule": (lambda m, s, d: _optimize(m, s), ["schedule optimize"]),
    "optimize_selection": (lambda m, s, d: _optimize_selection(m, s), ["schedule optimize"]),
}
"""The verbs that change something, one way to do each, and what is recorded of it."""


def public_verbs() -> set[str]:
    return {
        name
        for kind in (QueueManager, Scheduler)
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_every_verb_is_known_to_read_to_submit_or_to_be_recorded() -> None:
    unknown = public_verbs() - READS - SUBMISSIONS - CHANGES.keys()
    assert not unknown, f"say of {unknown} whether they change something, and record it if so"
    assert public_verbs() >= CHANGES.keys()


@pytest.mark.parametrize("verb", sorted(CHANGES))
def test_a_verb_that_changes_something_leaves_its_line(
    manager: QueueManager, scheduler: Scheduler, database: Database, trail: AuditTrail, verb: str
) -> None:
    deed, recorded = CHANGES[verb]
    deed(manager, scheduler, database)
    assert verbs(trail) == recorded
    assert all(each.things == 1 for each in trail.operations())


def test_single_submissions_leave_no_line(
    manager: QueueManager, scheduler: Scheduler, trail: AuditTrail
) -> None:
    manager.submit_task("https://a.test/")
    scheduler.schedule_article("https://a.test/", datetime.now(UTC) + timedelta(days=1))
    assert verbs(trail) == []


@pytest.mark.parametrize(
    "deed",
    [
        lambda manager, scheduler: manager.cancel_task(99),
        lambda manager, scheduler: manager.cancel_tasks(Selection()),
        lambda manager, scheduler: manager.clear_queue("low"),
        lambda manager, scheduler: manager.resume_queue("low"),
        lambda manager, scheduler: manager.update_queue_config("low", {"max_size": "none"}),
        lambda manager, scheduler: manager.update_queue_config("low", {"max_size": -1}),
        lambda manager, scheduler: manager.submit_batch(["nonsense"]),
        lambda manager, scheduler: manager.submit_entries([entry()], dry_run=True),
        lambda manager, scheduler: manager.resurrect_from_dead_letter(99),
        lambda manager, scheduler: manager.undo(99),
        lambda manager, scheduler: scheduler.remove("nothing"),
        lambda manager, scheduler: scheduler.schedule_recurring(SOURCE, "nonsense"),
    ],
)
def test_what_changes_nothing_leaves_no_line_and_makes_no_key(
    manager: QueueManager,
    scheduler: Scheduler,
    trail: AuditTrail,
    deed: Callable[[QueueManager, Scheduler], object],
) -> None:
    with contextlib.suppress(QueuectlError):
        deed(manager, scheduler)
    assert not (manager.settings.home / "audit.key").exists()
    assert verbs(trail) == []


@pytest.mark.parametrize(
    "deed",
    [
        lambda m, s, d: _purge(m, d, dry_run=True),
        lambda m, s, d: _cleanup(m, d, dry_run=True),
        lambda m, s, d: _import(m, d, dry_run=True),
        lambda m, s, d: _optimize(m, s, dry_run=True),
        lambda m, s, d: _optimize_selection(m, s, dry_run=True),
    ],
    ids=["dead purge", "cleanup", "import", "optimize", "optimize a selection"],
)
def test_a_dry_run_makes_no_key(
    manager: QueueManager, scheduler: Scheduler, database: Database, trail: AuditTrail, deed: Deed
) -> None:
    deed(manager, scheduler, database)
    assert not (manager.settings.home / "audit.key").exists()
    assert verbs(trail) == []


def test_a_deed_that_fails_at_its_end_takes_its_line_along(
    manager: QueueManager, database: Database, trail: AuditTrail
) -> None:
    operation = manager._operation("cancel", "everything")

    def fails() -> None:
        with operation.writing() as transaction:
            operation.note(transaction)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert latest_operation() is None
    assert all_rows(database, "audit") == []
    assert operation.number is None
    with operation.writing() as transaction:
        operation.note(transaction)
    assert operation.number == 1
    assert verbs(trail) == ["cancel"]


# What a line says.


def test_a_line_says_who_when_what_and_how_it_was_before(
    manager: QueueManager, database: Database, trail: AuditTrail
) -> None:
    task_in(database, State.QUEUED, 1, score=8)
    task_in(database, State.SCHEDULED, 2, score=8)
    with acting_as("ann", "10.0.0.7"):
        manager.cancel_tasks(Selection(queues=("high_priority",), host="example.com", limit=5))
    summary, lines = trail.operation(1)
    first = summary.first
    assert (first.who, first.host, first.verb) == ("ann", "10.0.0.7", "cancel")
    assert first.target == "--queue high_priority --host example.com --limit 5"
    assert json.loads(first.before or "") == {"queued": 1, "scheduled": 1}
    assert json.loads(first.after or "") == {"cancelled": 2}
    assert (first.things, len(lines), summary.kept) == (2, 1, True)
    manager.reprioritize_task(task_in(database, State.QUEUED, 3, score=3), "urgent")
    (first,) = trail.operation(2)[1]
    assert (first.before, first.after) == ('{"scores":{"3":1}}', '{"scores":{"10":1}}')
    assert first.who not in ("ann", "")


def test_a_command_on_many_tasks_is_one_operation_of_several_lines(
    manager: QueueManager, database: Database, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "GROUP", 7)
    with database.writing() as transaction:
        submit_copies(transaction, [new_task(number) for number in range(17)])
    result = manager.cancel_tasks(Selection())
    manager.pause_queue("low")
    assert result.operation == 1
    assert [(row["number"], row["operation"]) for row in all_rows(database, "audit")] == [
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 4),
    ]
    summary, lines = trail.operation(2)
    assert (summary.first.number, summary.lines, summary.things) == (1, 3, 17)
    assert [each.things for each in lines] == [7, 7, 3]
    with pytest.raises(NotFoundError):
        trail.operation(5)


def test_operations_are_found_by_time_person_and_verb(manager: QueueManager, trail: AuditTrail) -> None:
    with acting_as("ann", "here"):
        manager.pause_queue("low")
    with acting_as("bob", "here"):
        manager.pause_queue("high")
        manager.resume_queue("high")

    def found(**fields: Any) -> list[int]:
        return [each.first.number for each in trail.operations(AuditSelection(**fields))]

    assert found() == [3, 2, 1]
    assert found(who="ann") == [1]
    assert found(verb="queue pause", who="bob") == [2]
    at = trail.operations()[-1].first.at
    assert found(until=at) == []
    assert found(since=at) == [3, 2, 1]
    assert [each.first.number for each in trail.operations(limit=1)] == [3]
    assert found(who="\x00\udc80") == found(verb="\x00\udc80") == []
    for number in (0, -1, 4, 2**63, 2**70):
        for verb in (trail.operation, manager.undo):
            with pytest.raises(NotFoundError):
                verb(number)


def test_what_is_secret_is_in_no_line(
    manager: QueueManager, scheduler: Scheduler, database: Database
) -> None:
    canary = "CANARY-4711"
    name = scheduler.schedule_recurring(
        f"https://a.test/list?token={canary}",
        "0 10 * * *",
        name="feed",
        metadata={"password": canary},
    )
    scheduler.pause(name)
    scheduler.remove(name)
    manager.submit_batch([f"https://a.test/?token={canary}"])
    manager.cancel_tasks(Selection(url=f"https://u:{canary}@a.test/?token={canary}"))
    manager.cancel_tasks(Selection(url="a.test"))
    manager.undo(3)
    assert canary in str(all_rows(database, "undo_rows")), "what undo needs is kept apart"
    assert len(all_rows(database, "audit")) == 6
    assert canary not in str(all_rows(database, "audit"))


def test_a_hostile_name_is_harmless(manager: QueueManager, database: Database, trail: AuditTrail) -> None:
    name = "\x1b[2Jbatch\n\u202e\udc80\x00" + "x" * 150
    manager.submit_batch(["https://a.test/"], batch_name=name.replace("\x00", ""))
    with acting_as("\x1b]0;root\x07\x00", "\u202ehost"):
        manager.cancel_tasks(Selection(error="\x1b[2J\x00" * 500, host="example.com"))
        task_in(database, State.QUEUED)
        manager.cancel_tasks(Selection(url="example", host="example.com"))
    assert verbs(trail) == ["batch", "cancel"]
    first = trail.operations()[0].first
    assert (first.who, first.host) == (r"\x1b]0;root\x07\x00", r"\u202ehost")
    for row in all_rows(database, "audit"):
        assert all(str(value).isprintable() for value in row.values())
        assert len(row["target"]) <= 1_000


# The key.


def test_the_key_is_made_for_its_owner_alone(manager: QueueManager, settings: Settings) -> None:
    assert not (settings.home / "audit.key").exists()
    manager.pause_queue("low")
    made = settings.home / "audit.key"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    before = made.read_bytes()
    manager.resume_queue("low")
    assert made.read_bytes() == before
    assert [each.name for each in settings.home.iterdir() if "audit" in each.name] == ["audit.key"]


def test_a_key_that_cannot_be_written_leaves_nothing_behind(settings: Settings) -> None:
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, former[1]))
    try:
        with pytest.raises(StorageError, match="the audit's key"):
            audit_key(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert [each.name for each in settings.home.iterdir() if "audit" in each.name] == []
    assert audit_key(settings)
    assert [each.name for each in settings.home.iterdir() if "audit" in each.name] == ["audit.key"]


def test_several_machines_may_share_a_key(settings: Settings) -> None:
    shared = settings.home / "elsewhere" / "key"
    for home in ("one", "two"):
        machine = replace(settings, home=settings.home / home, audit_key_file=shared)
        machine.home.mkdir()
        with QueueManager(machine) as manager, AuditTrail(machine) as trail:
            manager.pause_queue("low" if home == "one" else "high")
            assert trail.verify().complete
    with AuditTrail(settings) as trail:
        found = trail.verify()
        assert (found.verdict.sound, found.complete, found.key) == (True, False, None)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 2_000])
def test_with_a_key_that_is_none_nothing_is_done(
    manager: QueueManager, settings: Settings, database: Database, content: bytes
) -> None:
    (settings.home / "audit.key").write_bytes(content)
    with pytest.raises(StorageError, match="audit"):
        manager.pause_queue("low")
    assert not manager.get_queue_config("low").paused
    assert all_rows(database, "audit") == []


def test_processes_that_make_the_key_at_once_agree_on_one(settings: Settings, trail: AuditTrail) -> None:
    start = threading.Barrier(6)

    def act(number: int) -> None:
        with QueueManager(settings) as manager:
            start.wait()
            manager.submit_batch([f"https://a.test/{number}"])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(act, range(6)))
    assert verbs(trail) == ["batch"] * 6


# Several people at once.


def test_people_who_act_at_once_make_one_chain(
    settings: Settings, database: Database, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "GROUP", 5)
    monkeypatch.setattr(bulk, "_PAUSE_SECONDS", 0.0)
    with database.writing() as transaction:
        for score in (3, 5, 8):
            submit_copies(transaction, [new_task(number, score=score) for number in range(40)])
    start = threading.Barrier(4)

    def act(deed: Callable[[QueueManager], object]) -> None:
        with QueueManager(settings) as manager:
            start.wait()
            deed(manager)

    def switch(manager: QueueManager) -> None:
        for _ in range(6):
            manager.pause_queue("urgent")
            manager.resume_queue("urgent")

    deeds: list[Callable[[QueueManager], object]] = [
        lambda manager: manager.cancel_tasks(Selection(queues=("low_priority", "medium_priority"))),
        lambda manager: manager.reprioritize_tasks(Selection(), score=9),
        lambda manager: manager.clear_queue("high"),
        switch,
    ]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, deeds))
    verbs(trail)
    assert [row["number"] for row in all_rows(database, "audit")] == list(
        range(1, len(all_rows(database, "audit")) + 1)
    )
    switches = [each for each in trail.operations() if each.first.verb.startswith("queue")]
    assert len(switches) == 12


# The record against those who can write to the database.


def tampered(trail: AuditTrail, database: Database, *statements: str) -> list[str]:
    with database.writing() as transaction:
        for statement in statements:
            transaction.execute(statement)
    return trail.verify().verdict.faults


@pytest.fixture
def recorded(manager: QueueManager) -> list[Summary]:
    """Record eight operations."""
    for _ in range(4):
        manager.pause_queue("low")
        manager.resume_queue("low")
    return []


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET who = 'nobody' WHERE number = 3", "line 3 was changed"),
        ("UPDATE audit SET at = at - 1 WHERE number = 8", "line 8 was changed"),
        ("UPDATE audit SET undoes = 1 WHERE number = 8", "line 8 was changed"),
        ("UPDATE audit SET seal = hash WHERE number = 2", "line 2 was not written with the key"),
        ("DELETE FROM audit WHERE number = 4", "line 4 is missing"),
        ("DELETE FROM audit WHERE number IN (1, 2)", "lines 1 to 2 are missing"),
        ("DELETE FROM audit WHERE number > 6", "lines 7 to 8 are missing from the end"),
        ("DELETE FROM audit", "lines 1 to 8 are missing from the end"),
        ("UPDATE audit SET number = 0 - number WHERE number = 5", "is missing"),
        (
            "INSERT INTO audit SELECT 9, 9, at, who, host, verb, target, things, before, after, undoes, key, hash, seal"
            " FROM audit WHERE number = 8",
            "line 9 was changed, or does not follow",
        ),
        ("DELETE FROM facts WHERE name = 'audit_head'", "missing or was changed"),
        ("UPDATE facts SET value = '8:0:0:0' WHERE name = 'audit_head'", "does not fit its last line"),
    ],
)
def test_what_is_done_to_the_table_is_found(
    trail: AuditTrail, database: Database, statement: str, fault: str
) -> None:
    assert trail.verify().verdict.sound
    faults = tampered(trail, database, statement)
    assert fault in str(faults)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM facts WHERE name = 'audit_head'",
        "UPDATE facts SET value = 'rubbish' WHERE name = 'audit_head'",
        "UPDATE facts SET value = (SELECT '6:' || hash || ':' || key || ':0' FROM audit WHERE number = 6)"
        " WHERE name = 'audit_head'",
        "SELECT 1",
    ],
)
def test_what_was_cut_off_stays_known_when_the_record_goes_on(
    manager: QueueManager, trail: AuditTrail, database: Database, statement: str
) -> None:
    faults = tampered(trail, database, "DELETE FROM audit WHERE number > 6", statement)
    assert faults
    manager.pause_queue("high")
    manager.resume_queue("high")
    assert "missing" in str(trail.verify().verdict.faults)


@pytest.mark.usefixtures("recorded")
def test_an_anchor_knows_of_a_record_that_was_put_back(
    manager: QueueManager, trail: AuditTrail, database: Database
) -> None:
    (before,) = [row["value"] for row in all_rows(database, "facts") if row["name"] == "audit_head"]
    manager.pause_queue("high")
    anchor = present_anchor(database)
    assert anchor is not None
    assert trail.verify(anchor).verdict.sound
    put_back = f"UPDATE facts SET value = '{before}' WHERE name = 'audit_head'"
    assert tampered(trail, database, "DELETE FROM audit WHERE number = 9", put_back) == []
    assert trail.verify(anchor).verdict.faults == [
        "lines up to 9 were written down, and the record ends at 8"
    ]
