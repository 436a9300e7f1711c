"""Handlers with isolation "thread": called where they are, quickly, and never able to end the daemon's thread."""

from __future__ import annotations

import json
import logging

import psutil
import pytest

from queuectl.domain.outcome import Outcome, Verdict
from tests.integration.runner.conftest import Stage
from tests.support.sample_handlers import UNFIT


def test_a_handler_in_a_thread_sees_the_same_task(shared_stage: Stage):
    seen = json.loads(shared_stage.run("thread:echo", author="作者", attempt_number=2).result or "")

    assert seen["pid"] == psutil.Process().pid
    assert (seen["attempt"], seen["metadata"]) == (2, {"author": "作者"})


@pytest.mark.parametrize("kind", UNFIT)
def test_a_result_that_cannot_be_stored_fails_the_task_by_rule(shared_stage: Stage, kind):
    outcome = shared_stage.run("thread:return_unfit", kind=kind)

    assert outcome.verdict is Verdict.FAILED
    assert "the handler's result" in (outcome.error or "")


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"])
def test_nothing_that_a_handler_raises_leaves_run(shared_stage: Stage, kind):
    outcome = shared_stage.run("thread:raise_base", kind=kind)

    assert outcome.verdict is Verdict.FAILED
    assert (outcome.error or "").startswith(kind)
    assert "queuectl_daemon" not in (outcome.traceback or "")


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("succeed", Outcome(Verdict.SUCCEEDED, "null")),
        ("refuse", Outcome(Verdict.REFUSED, error="never")),
        ("retry_later", Outcome(Verdict.FAILED, error="not now", retry_after=30.0)),
    ],
)
def test_verdicts_are_those_of_a_process(shared_stage: Stage, handler, expected):
    assert shared_stage.run(f"thread:{handler}") == expected


def test_an_exception_that_cannot_be_put_into_words_is_a_failure(shared_stage: Stage):
    assert shared_stage.run("thread:fail_unspeakably").verdict is Verdict.FAILED


def test_a_time_limit_that_nothing_enforces_leads_to_a_warning(shared_stage: Stage, caplog):
    outcome = shared_stage.run("thread:sleep", seconds=0.1, timeout=0.05)

    assert outcome.verdict is Verdict.SUCCEEDED
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].__dict__["task_id"].startswith("task_")


def test_progress_and_log_lines_arrive(shared_stage: Stage, caplog):
    caplog.set_level(logging.INFO, "queuectl.task")

    work = shared_stage.work("thread:progress", steps=2)
    shared_stage.runner.run(work)
    shared_stage.run("thread:log", lines=1, text="\x1b[31mred")

    assert shared_stage.reports[-2:] == [
        (work.id, work.fence, 0.5, "step 1"),
        (work.id, work.fence, 1.0, "step 2"),
    ]
    assert caplog.messages == ["line 0 \\x1b[31mred"]
    assert caplog.records[0].__dict__["task_id"] == f"task_{work.id + 1}"


def test_a_report_that_cannot_be_taken_does_not_fail_the_run(shared_stage: Stage, monkeypatch, caplog):
    def refuse(*report: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(shared_stage.runner, "_on_progress", refuse)

    assert shared_stage.run("thread:progress").verdict is Verdict.SUCCEEDED
    assert "could not be passed on" in caplog.text
