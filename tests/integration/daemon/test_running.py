"""What a daemon does with tasks, on every database and transport: order, retries, limits, results."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queuectl.clock import now_ms
from tests.support.daemon import KINDS, POSTGRES, POSTGRES_REDIS, SQLITE, MakeInstallation

every_kind = pytest.mark.parametrize("kind", KINDS)

LONG = 0.06  # seconds; such tasks are claimed only for a free worker, so that their order is exact


@every_kind
def test_one_worker_takes_tasks_by_score_then_by_age(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=1)
    scores = [5, 1, 10, 3, 8, 7, 0, 5, 15, 10]
    tasks = [site.submit(seconds=LONG, options={"priority_score": score}) for score in scores]
    site.daemon.start()
    site.wait_for(*tasks)
    assert site.witness.order() == sorted(tasks, key=lambda task: (-scores[task - tasks[0]], task))
    site.check()


@every_kind
def test_failed_attempts_are_repeated_after_a_growing_pause(install: MakeInstallation, kind: str) -> None:
    site = install(kind, retry_backoff=0.2, retry_backoff_max=10, max_retries=3)
    site.daemon.start()
    passing = site.submit(failing=[1, 2])
    in_process = site.submit("p_work", failing=[1])
    hopeless = site.submit(failing=list(range(1, 9)), options={"max_retries": 2})
    site.wait_for(passing, in_process, hopeless)

    assert site.outcomes(passing) == ["failed", "failed", "succeeded"]
    assert site.outcomes(in_process) == ["failed", "succeeded"]
    assert site.outcomes(hopeless) == ["failed"] * 3
    first, second, third = (each.at / 1e9 for each in site.witness.starts(passing))
    # The pause is shortened by chance by up to a quarter.
    assert second - first >= 0.15
    assert third - second >= 0.3
    task = site.task(hopeless)
    assert task.state == "dead"
    assert task.error == "ValueError: attempt 3 fails"
    (letter,) = site.monitor.get_dead_letter_queue()
    assert (letter.task_id, letter.cause, letter.attempts) == (hopeless, "exhausted", 3)
    site.check()


@every_kind
def test_a_handler_decides_on_its_retry(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    refused = site.submit("refuse")
    later = site.submit("ask_for_later", retry_after=1)
    site.wait_for(refused, later)

    assert site.outcomes(refused) == ["refused"]
    (letter,) = site.monitor.get_dead_letter_queue()
    assert (letter.task_id, letter.cause, letter.error) == (refused, "refused", "there is no such page")
    first, second = (each.at / 1e9 for each in site.witness.starts(later))
    assert second - first >= 1
    site.check()


@every_kind
def test_a_dead_task_that_is_retried_has_a_fresh_budget(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=1)
    site.daemon.start()
    task = site.submit(failing=[1, 2, 3])
    site.wait_for(task)
    assert site.task(task).state == "dead"
    site.manager.retry_task(task)
    site.wait_for(task)
    assert site.task(task).state == "succeeded"
    assert site.outcomes(task) == ["failed", "failed", "failed", "succeeded"]
    site.check()


@every_kind
def test_a_run_ends_at_its_time_limit(install: MakeInstallation, kind: str) -> None:
    site = install(kind, max_retries=0, queues={"low": {"task_timeout": 0.3}})
    site.daemon.start()
    own = site.submit("p_stubborn", options={"timeout": 0.3})
    of_queue = site.submit("p_stubborn", options={"priority": "low"})
    site.wait_for(own, of_queue)
    for task in (own, of_queue):
        assert site.outcomes(task) == ["timed_out"]
        assert site.task(task).error == "ran longer than its time limit of 0.3 s"
    assert {letter.cause for letter in site.monitor.get_dead_letter_queue()} == {"timed_out"}
    site.check()


def test_handlers_run_where_their_isolation_says(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    thread, process = site.submit("work"), site.submit("p_work")
    with_limit = site.submit("work", options={"memory_limit": 256})
    site.wait_for(thread, process, with_limit)
    (in_thread,), (in_process,), (limited,) = (
        site.witness.starts(task) for task in (thread, process, with_limit)
    )
    assert in_thread.pid == site.daemon.pid
    assert in_process.pid != site.daemon.pid
    assert limited.pid != site.daemon.pid


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_command_is_a_handler(install: MakeInstallation, kind: str) -> None:
    program = "import json, os, sys; print(json.dumps([sys.argv[1], os.environ['QUEUECTL_TASK_ID']]))"
    failing = "import sys; sys.stderr.write('no luck'); sys.exit(3)"
    site = install(
        kind,
        max_retries=1,
        handlers={
            "say": {"command": [sys.executable, "-c", program, "{url}"]},
            "fail": {"command": [sys.executable, "-c", failing]},
        },
    )
    site.daemon.start()
    good, bad = site.submit("say"), site.submit("fail")
    site.wait_for(good, bad)
    assert site.task(good).result == [site.task(good).url, f"task_{good}"]
    assert site.outcomes(bad) == ["failed", "failed"]
    assert site.task(bad).error == "the command exited with status 3: no luck"
    site.check()


METADATA: dict[str, Any] = {
    "text": "茶 \u202e \\ \" ' %s {} \n\t \U0001f375",
    "empty": {},
    "list": [1, 2.5, None, True, [[]]],
    "number": 2**60,
    "key with 空格": "\x01\x7f",
}


@every_kind
def test_metadata_and_results_come_through_unchanged(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    in_thread = site.submit("echo", **METADATA)
    given = site.submit("p_work", result=METADATA, **METADATA)
    site.wait_for(in_thread, given)
    echoed = site.task(in_thread).result["metadata"]
    assert {name: echoed[name] for name in METADATA} == METADATA
    assert site.task(given).result == METADATA
    assert {name: site.task(given).metadata[name] for name in METADATA} == METADATA
    site.check()


@every_kind
def test_a_scheduled_task_starts_at_its_time_and_never_before(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    due = datetime.now(UTC) + timedelta(seconds=2)
    task = site.submit(options={"publish_at": due})
    assert site.task(task).state == "scheduled"
    done = site.wait_for(task)[0]
    assert done.started_at is not None
    assert done.started_at >= round(due.timestamp() * 1000)
    assert done.started_at <= now_ms()
    site.check()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_an_attempt_is_recorded_with_its_node_and_its_times(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    before = now_ms()
    site.daemon.start()
    node = site.daemon.node
    task = site.submit(failing=[1])
    site.wait_for(task)
    first, second = site.task(task).attempts
    assert (first.attempt, first.outcome, first.node) == (1, "failed", node)
    assert first.traceback is not None
    assert first.traceback.endswith("ValueError: attempt 1 fails\n")
    assert (second.attempt, second.outcome, second.error) == (2, "succeeded", None)
    assert second.finished_at is not None
    assert before <= first.started_at <= second.started_at <= second.finished_at <= now_ms()


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_tasks_that_no_longer_fit_the_settings_end_with_a_word_about_it(
    install: MakeInstallation, kind: str
) -> None:
    site = install(
        kind,
        max_retries=0,
        handlers={
            "missing": {"callable": "tests.support.no_such_module:function", "isolation": "thread"},
            "p_missing": {"callable": "tests.support.fault_handlers:no_such_function"},
        },
    )
    unknown, garbled, garbled_too = site.submit(), site.submit(), site.submit("p_work")
    missing, p_missing = site.submit("missing"), site.submit("p_missing")
    site.write("UPDATE tasks SET handler = 'removed' WHERE id = %s", unknown)
    site.write("UPDATE tasks SET metadata = '{no json' WHERE id IN (%s, %s)", garbled, garbled_too)
    site.daemon.start()
    good = site.submit_many(5)
    site.wait_until_done()

    assert site.rows("SELECT outcome FROM attempts WHERE task_id = %s", unknown) == [("refused",)]
    for task in (garbled, garbled_too, missing, p_missing):
        rows = site.rows("SELECT state, error FROM tasks WHERE id = %s", task)
        assert rows[0][0] == "dead", task
        assert rows[0][1], task
    assert {site.task(task).state for task in good} == {"succeeded"}
    assert site.daemon.stop() == 0
