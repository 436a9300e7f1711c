"""How runs end by themselves: results, refusals, failures and crashes of every kind."""

from __future__ import annotations

import json

import psutil
import pytest

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.settings import HandlerSettings
from tests.integration.runner.conftest import Stage
from tests.support.sample_handlers import UNFIT


def test_a_handler_sees_its_task_and_its_result_comes_back(shared_stage: Stage):
    work = shared_stage.work("echo", author="作者", attempt_number=3, url="https://example.test/a?b=c")

    outcome = shared_stage.runner.run(work)

    assert outcome.verdict is Verdict.SUCCEEDED
    seen = json.loads(outcome.result or "")
    assert (seen.pop("id"), seen.pop("fence")) == (f"task_{work.id}", work.fence)
    assert psutil.pid_exists(seen.pop("pid"))
    assert seen == {
        "url": "https://example.test/a?b=c",
        "metadata": {"author": "作者"},
        "attempt": 3,
        "queue": "medium_priority",
        "priority_score": 5,
    }


def test_a_handler_that_returns_nothing_succeeds_with_null(shared_stage: Stage):
    assert shared_stage.run("succeed") == Outcome(Verdict.SUCCEEDED, "null")


@pytest.mark.parametrize("value", [0, 1.5, "文字", [1, [2]], {"a": {"b": None}}, True, "x" * 1_000_000])
def test_every_json_value_comes_back_unchanged(shared_stage: Stage, value):
    assert json.loads(shared_stage.run("give", result=value).result or "") == value


@pytest.mark.parametrize("kind", UNFIT)
def test_a_result_that_cannot_be_stored_fails_the_task_by_rule(shared_stage: Stage, kind):
    outcome = shared_stage.run("return_unfit", kind=kind)

    assert outcome.verdict is Verdict.FAILED
    assert "the handler's result" in (outcome.error or "")
    assert shared_stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_an_exception_is_a_failure_with_a_traceback_of_the_handler_alone(shared_stage: Stage):
    outcome = shared_stage.run("fail", message="no such page")

    assert (outcome.verdict, outcome.error) == (Verdict.FAILED, "ValueError: no such page")
    assert "sample_handlers.py" in (outcome.traceback or "")
    assert "queuectl_daemon" not in (outcome.traceback or "")


def test_a_permanent_error_refuses_the_task(shared_stage: Stage):
    assert shared_stage.run("refuse", message="gone for good") == Outcome(
        Verdict.REFUSED, error="gone for good"
    )


def test_a_retryable_error_carries_the_wish_for_a_pause(shared_stage: Stage):
    outcome = shared_stage.run("retry_later", retry_after=42)

    assert outcome == Outcome(Verdict.FAILED, error="not now", retry_after=42.0)


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"])
def test_exceptions_that_nobody_catches_are_failures_too(shared_stage: Stage, kind):
    outcome = shared_stage.run("raise_base", kind=kind)

    assert outcome.verdict is Verdict.FAILED
    assert (outcome.error or "").startswith(kind)


def test_an_exception_that_cannot_be_put_into_words_is_a_failure(shared_stage: Stage):
    outcome = shared_stage.run("fail_unspeakably")

    assert outcome.verdict is Verdict.FAILED
    assert "_UnspeakableError" in (outcome.error or "")


def test_the_text_of_an_exception_is_made_fit_to_be_stored(shared_stage: Stage):
    outcome = shared_stage.run("fail_with_nasty_text")

    assert outcome.verdict is Verdict.FAILED
    assert outcome.error is not None
    assert len(outcome.error) < 5000
    assert "\0" not in outcome.error
    outcome.error.encode()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        ("exit_well", "exited with status 0"),
        ("exit_badly", "exited with status 1"),
        ("kill_itself", "killed by signal 9 (SIGKILL)"),
        ("segfault", "killed by signal 11 (SIGSEGV)"),
    ],
)
def test_a_process_that_ends_without_a_result_is_a_crash_whatever_its_status(
    shared_stage: Stage, handler, words
):
    outcome = shared_stage.run(handler)

    assert outcome.verdict is Verdict.CRASHED
    assert words in (outcome.error or "")
    assert shared_stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_crash_in_c_code_says_where(shared_stage: Stage):
    assert "string_at" in (shared_stage.run("segfault").traceback or "")


def test_an_unknown_handler_refuses_the_task(shared_stage: Stage):
    outcome = shared_stage.run("nonexistent")

    assert outcome.verdict is Verdict.REFUSED
    assert "'nonexistent'" in (outcome.error or "")


@pytest.mark.parametrize("isolation", ["process", "thread"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tests.support.no_such_module:run", "cannot be imported"),
        ("tests.support.sample_handlers:no_such_function", "cannot be imported"),
        ("tests.support.sample_handlers:UNFIT", "is not a function"),
    ],
)
def test_a_handler_that_cannot_be_loaded_fails_the_attempt_so_that_a_mended_one_can_run_it(
    make_stage, isolation, path, words
):
    stage = make_stage(handlers={"broken": HandlerSettings(callable=path, isolation=isolation)})

    outcome = stage.run("broken")

    assert outcome.verdict is Verdict.FAILED
    assert words in (outcome.error or "")


def test_a_handler_that_comes_back_in_two_processes_is_run_once(shared_stage: Stage):
    outcome = shared_stage.run("fork_and_return_twice")

    assert outcome.verdict is Verdict.SUCCEEDED
    assert int(outcome.result or "") > 0
    assert shared_stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_metadata_that_cannot_be_read_fails_the_task_only(shared_stage: Stage):
    work = shared_stage.work("echo")._replace(metadata="{not json")

    assert shared_stage.runner.run(work).verdict is Verdict.FAILED
    assert shared_stage.run("succeed").verdict is Verdict.SUCCEEDED
