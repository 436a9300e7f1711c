"""Handlers that are ``async def``: many on one thread, ended for real, and unable to end the loop for others."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import Claimed
from queuectl.settings import HandlerSettings, Settings
from queuectl_daemon.runner import Runner, loop_runs, stall
from tests.integration.runner.conftest import Stage
from tests.support.sightings import Witness
from tests.support.waiting import wait_until

HANDLERS = (
    "nap",
    "talk",
    "linger",
    "swallow",
    "occupy_loop",
    "fail",
    "fail_beside",
    "decorated",
    "with_call",
)


def async_handler(name: str, **options: Any) -> HandlerSettings:
    return HandlerSettings(
        callable=f"tests.support.async_handlers:{name}", **({"isolation": "thread"} | options)
    )


@dataclass
class LoopStage(Stage):
    """A runner whose handlers are async, and the runs that were handed to its loop."""

    ends: dict[int, Outcome] = field(default_factory=dict)

    def begin(self, handler: str, **options: Any) -> Claimed:
        work = self.work(handler, **options)
        assert self.runner.take_up(work, lambda outcome: self.ends.__setitem__(work.id, outcome))
        return work

    def end_of(self, work: Claimed, within: float = 10.0) -> Outcome:
        wait_until(lambda: work.id in self.ends, within=within, describing=f"the end of {work.handler}")
        return self.ends[work.id]

    def outcome(self, handler: str, **options: Any) -> Outcome:
        return self.end_of(self.begin(handler, **options))


@pytest.fixture
def stage(home: Path) -> Iterator[LoopStage]:
    handlers = {name: async_handler(name) for name in HANDLERS}
    handlers |= {f"p_{name}": async_handler(name, isolation="process") for name in ("nap", "linger")}
    made = LoopStage(home, handlers=handlers)
    made.runner.start()
    yield made
    made.runner.stop()
    assert made.processes() == []
    wait_until(lambda: "event-loop" not in {each.name for each in threading.enumerate()}, within=5)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a handler have a fifth of a second where it usually has one or more."""
    monkeypatch.setattr(loop_runs, "LIMIT_PATIENCE", 0.2)
    monkeypatch.setattr(loop_runs, "CANCEL_PATIENCE", 0.2)


def test_hundreds_run_at_once_on_one_thread(stage: LoopStage) -> None:
    stage.outcome("nap")
    threads, began = threading.active_count(), time.monotonic()

    works = [stage.begin("nap", seconds=0.5) for _ in range(300)]
    results = [json.loads(stage.end_of(work).result or "") for work in works]

    assert time.monotonic() - began < 0.5 * 4
    assert {(each["thread"], each["pid"]) for each in results} == {("event-loop", os.getpid())}
    assert threading.active_count() == threads
    assert stage.processes() == [stage.processes()[0]], "only the fork server"


@pytest.mark.parametrize("name", ["nap", "decorated", "with_call"])
def test_an_async_function_is_recognised_below_its_wrapping(stage: LoopStage, name: str) -> None:
    assert json.loads(stage.outcome(name).result or "")["thread"] == "event-loop"
    assert stage.runner.kind(name) == "async"


def test_a_plain_function_stays_in_its_thread_and_one_that_says_async_is_refused(home: Path) -> None:
    plain = HandlerSettings(callable="tests.support.sample_handlers:echo")
    settings = Settings(
        home=home,
        database_url="",
        handlers={
            "thread": HandlerSettings(plain.callable, isolation="thread"),
            "async": HandlerSettings(plain.callable, isolation="async"),
        },
    )
    runner, works = Runner(settings, on_progress=lambda *_: None), Stage(home)
    for name in ("thread", "async"):
        assert not runner.take_up(works.work(name), lambda outcome: None)
    assert runner.run(works.work("thread")).verdict is Verdict.SUCCEEDED
    refused = runner.run(works.work("async"))
    assert (refused.verdict, refused.error) == (
        Verdict.FAILED,
        "the handler 'async' has isolation 'async' and is no async def",
    )


@pytest.mark.parametrize("reason", ["isolation", "memory", "crashes"])
def test_an_async_function_runs_in_a_child_where_it_has_to(stage: LoopStage, reason: str) -> None:
    work = stage.work("p_nap" if reason == "isolation" else "nap", memory=300 if reason == "memory" else None)
    if reason == "crashes":
        work = replace(work, crashes=1)
    assert not stage.runner.take_up(work, lambda outcome: None)
    found = json.loads(stage.runner.run(work).result or "")
    assert (found["thread"], found["pid"] != os.getpid()) == ("MainThread", True)


def test_progress_and_log_lines_arrive(stage: LoopStage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "queuectl.task")
    work = stage.begin("talk")
    assert stage.end_of(work) == Outcome(Verdict.SUCCEEDED, "null")
    assert stage.reports == [(work.id, work.fence, 0.5, "half way")]
    said = [each for each in caplog.records if each.name == "queuectl.task"]
    assert [each.getMessage() for each in said] == ["said in the loop"]
    assert said[0].__dict__["task_id"] == f"task_{work.id}"


@pytest.mark.parametrize(
    ("kind", "verdict", "error"),
    [
        ("ValueError", Verdict.FAILED, "ValueError: it failed"),
        ("PermanentError", Verdict.REFUSED, "never"),
        ("SystemExit", Verdict.FAILED, "SystemExit: 3"),
        ("KeyboardInterrupt", Verdict.FAILED, "KeyboardInterrupt"),
        ("CancelledError", Verdict.FAILED, "CancelledError"),
    ],
)
def test_whatever_a_handler_raises_is_its_own_failure(
    stage: LoopStage, kind: str, verdict: Verdict, error: str
) -> None:
    outcome = stage.outcome("fail", kind=kind)
    assert (outcome.verdict, outcome.error) == (verdict, error)
    assert "queuectl_daemon" not in (outcome.traceback or "")
    assert stage.outcome("nap").verdict is Verdict.SUCCEEDED


def test_a_task_that_a_handler_started_cannot_end_the_loop(stage: LoopStage) -> None:
    assert stage.outcome("fail_beside").verdict is Verdict.SUCCEEDED
    assert stage.outcome("nap").verdict is Verdict.SUCCEEDED


def test_a_run_is_cancelled_where_it_awaits(stage: LoopStage, witness: Witness) -> None:
    work = stage.begin("linger", witness=str(witness.path))
    witness.wait_for_starts(1)
    began = time.monotonic()

    stage.runner.cancel(work.id, work.fence)

    assert stage.end_of(work) == Outcome(Verdict.CANCELLED, error="cancelled while it ran")
    assert time.monotonic() - began < 1
    assert [each.event for each in witness.sightings()] == ["start", "cancelled=True", "end"]


def test_a_cancel_that_comes_before_its_run_begins_is_kept(stage: LoopStage, witness: Witness) -> None:
    work = stage.work("linger", witness=str(witness.path))
    stage.runner.cancel(work.id, work.fence)
    assert stage.runner.take_up(work, lambda outcome: stage.ends.__setitem__(work.id, outcome))
    assert stage.end_of(work).verdict is Verdict.CANCELLED


def test_a_run_that_is_too_late_for_its_handler_is_not_called(stage: LoopStage, witness: Witness) -> None:
    blocking = stage.begin("occupy_loop", seconds=0.3)  # what holds a run up in the loop counts as well
    late = replace(stage.work("nap", witness=str(witness.path)), begin_by=time.monotonic() + 0.1)
    assert stage.runner.take_up(late, lambda outcome: stage.ends.__setitem__(late.id, outcome))

    assert stage.end_of(late) == Outcome(Verdict.INTERRUPTED, began=False)
    assert not witness.starts()
    assert stage.end_of(blocking).verdict is Verdict.SUCCEEDED


def test_a_run_ends_at_its_time_limit_and_may_tidy_up(stage: LoopStage, witness: Witness) -> None:
    began = time.monotonic()

    outcome = stage.outcome("linger", timeout=0.3, tidy=0.1, witness=str(witness.path))

    assert outcome == Outcome(Verdict.TIMED_OUT, error="ran longer than its time limit of 0.3 s")
    assert 0.4 <= time.monotonic() - began < 2.3
    assert len(witness.ends()) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("why", ["limit", "cancel"])
def test_a_run_that_swallows_its_cancellation_is_left_to_itself_and_counted(
    stage: LoopStage, witness: Witness, tmp_path: Path, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    caplog.set_level(logging.INFO, "queuectl_daemon")
    door = tmp_path / "door"
    work = stage.begin(
        "swallow", timeout=0.2 if why == "limit" else None, witness=str(witness.path), until=str(door)
    )
    witness.wait_for_starts(1)
    if why == "cancel":
        stage.runner.cancel(work.id, work.fence)

    outcome = stage.end_of(work)

    assert outcome.verdict is (Verdict.TIMED_OUT if why == "limit" else Verdict.CANCELLED)
    assert stage.runner.abandoned == 1
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "the handler swallow goes on although it was told to end" in warning.message
    assert warning.__dict__["task_id"] == f"task_{work.id}"
    assert stage.outcome("nap").verdict is Verdict.SUCCEEDED
    door.touch()
    wait_until(lambda: stage.runner.abandoned == 0, within=5)
    assert stage.ends[work.id] is outcome, "its late success changes nothing"


def test_a_handler_that_blocks_the_loop_is_named(
    stage: LoopStage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "PATIENCE", 0.2)
    caplog.set_level(logging.INFO, "queuectl_daemon")

    work = stage.begin("occupy_loop", seconds=1.5)
    other = stage.begin("nap")

    assert stage.end_of(work).result == '"blocked"'
    assert stage.end_of(other).verdict is Verdict.SUCCEEDED
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert f"the handler occupy_loop of task_{work.id} has kept the event loop for" in warning.message
    assert "in occupy_loop (async_handlers.py, line" in warning.message
    wait_until(lambda: "the event loop goes on" in caplog.messages, within=5)


@pytest.mark.usefixtures("impatient")
def test_what_blocks_the_loop_is_ended_at_its_limit_as_far_as_anybody_can_tell(stage: LoopStage) -> None:
    began = time.monotonic()
    outcome = stage.outcome("occupy_loop", seconds=2, timeout=0.3)
    assert outcome.verdict is Verdict.TIMED_OUT
    assert time.monotonic() - began < 1.5


def test_an_interrupt_ends_every_run_and_lets_none_begin(stage: LoopStage, witness: Witness) -> None:
    works = [stage.begin("linger", witness=str(witness.path)) for _ in range(5)]
    witness.wait_for_starts(5)

    stage.runner.interrupt()

    assert {stage.end_of(work).verdict for work in works} == {Verdict.INTERRUPTED}
    assert len(witness.ends()) == 5
    assert stage.outcome("nap").verdict is Verdict.INTERRUPTED


def test_a_child_sees_the_cancellation_of_an_async_function(stage: LoopStage, witness: Witness) -> None:
    run = stage.start("p_linger", witness=str(witness.path), timeout=0.5)
    assert run.outcome().verdict is Verdict.TIMED_OUT


def run_from_many_threads(stage: LoopStage, begin: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=begin) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_runs_may_begin_on_many_threads_at_once(stage: LoopStage) -> None:
    works: list[Claimed] = []

    def begin() -> None:
        works.extend(stage.begin("nap") for _ in range(50))

    run_from_many_threads(stage, begin, 8)

    assert {stage.end_of(work).verdict for work in works} == {Verdict.SUCCEEDED}
    assert len(works) == 400
