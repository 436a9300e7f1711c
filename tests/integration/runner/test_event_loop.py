"""Handlers that are ``async def``: many on one thread, ended for real, and unable to end the loop for others."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.domain.task import Claimed
from queuectl.handlers.contract import HandlerTask
from queuectl.handlers.function import completed
from queuectl.settings import HandlerSettings, Settings
from queuectl_daemon.runner import Runner, loop_runs, stall, watch
from queuectl_daemon.runner.child import ChildContext
from queuectl_daemon.runner.frames import FROM_CHILD, TO_CHILD, Cancel, Channel, Job
from queuectl_daemon.runner.loop_runs import NoLoopError
from tests.integration.runner.conftest import Stage
from tests.support import async_handlers
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
    handlers |= {
        f"p_{name}": async_handler(name, isolation="process") for name in ("nap", "linger", "swallow")
    }
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
def door(tmp_path: Path) -> Path:
    """Give the path of a file that handlers wait for, and which is not there yet."""
    return tmp_path / "door"


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what the runner has warned of."""
    return [each for each in caplog.records if each.levelno == logging.WARNING and "queuectl" in each.name]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a handler have a fifth of a second where it usually has one or more."""
    monkeypatch.setattr(loop_runs, "LIMIT_PATIENCE", 0.2)
    monkeypatch.setattr(loop_runs, "CANCEL_PATIENCE", 0.2)


def test_hundreds_run_at_once_on_one_thread(stage: LoopStage, witness: Witness, door: Path) -> None:
    stage.outcome("nap")
    threads = threading.active_count()

    works = [stage.begin("nap", until=str(door), witness=str(witness.path)) for _ in range(300)]
    witness.wait_for_starts(300)
    assert not witness.ends()
    door.touch()
    results = [json.loads(stage.end_of(work).result or "") for work in works]

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
        work = work._replace(crashes=1)
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

    stage.runner.cancel(work.id, work.fence)

    assert stage.end_of(work) == Outcome(Verdict.CANCELLED, error="cancelled while it ran")
    assert [each.event for each in witness.sightings()] == ["start", "cancelled=True", "end"]


def test_a_cancel_that_comes_before_its_run_begins_is_kept(stage: LoopStage, witness: Witness) -> None:
    work = stage.work("linger", witness=str(witness.path))
    stage.runner.cancel(work.id, work.fence)
    assert stage.runner.take_up(work, lambda outcome: stage.ends.__setitem__(work.id, outcome))
    assert stage.end_of(work).verdict is Verdict.CANCELLED


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        ("asyncio.new_event_loop", OSError(errno.EMFILE, "Too many open files")),
        ("threading.Thread.start", RuntimeError("can't start new thread")),
    ],
)
def test_a_run_for_which_no_event_loop_can_be_started_has_not_begun(
    stage: LoopStage, monkeypatch: pytest.MonkeyPatch, what: str, refusal: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise refusal

    stage.runner.learn()
    work = stage.work("nap")
    with monkeypatch.context() as patched:
        patched.setattr(what, refuse)
        with pytest.raises(NoLoopError, match=str(refusal.args[-1])):
            stage.runner.take_up(work, lambda outcome: None)

    assert stage.outcome("nap").verdict is Verdict.SUCCEEDED


def test_a_run_that_is_too_late_for_its_handler_is_not_called(
    stage: LoopStage, witness: Witness, door: Path
) -> None:
    blocking = stage.begin("occupy_loop", until=str(door))  # what holds a run up in the loop counts as well
    begin_by = time.monotonic() + 0.1
    late = stage.work("nap", witness=str(witness.path))._replace(begin_by=begin_by)
    assert stage.runner.take_up(late, lambda outcome: stage.ends.__setitem__(late.id, outcome))
    wait_until(lambda: time.monotonic() > begin_by, describing="the moment to pass")
    door.touch()

    assert stage.end_of(late) == Outcome(Verdict.INTERRUPTED, began=False)
    assert not witness.starts()
    assert stage.end_of(blocking).verdict is Verdict.SUCCEEDED


def test_a_run_ends_at_its_time_limit_and_may_tidy_up(stage: LoopStage, witness: Witness) -> None:
    began = time.monotonic()

    outcome = stage.outcome("linger", timeout=0.8, tidy=0.1, witness=str(witness.path))

    assert outcome == Outcome(Verdict.TIMED_OUT, error="ran longer than its time limit of 0.8 s")
    assert time.monotonic() - began >= 0.9
    assert len(witness.ends()) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("why", ["limit", "cancel"])
def test_a_run_that_swallows_its_cancellation_is_left_to_itself_and_counted(
    stage: LoopStage, witness: Witness, door: Path, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    caplog.set_level(logging.INFO, "queuectl_daemon")
    work = stage.begin(
        "swallow", timeout=0.8 if why == "limit" else None, witness=str(witness.path), until=str(door)
    )
    witness.wait_for_starts(1)
    if why == "cancel":
        stage.runner.cancel(work.id, work.fence)

    outcome = stage.end_of(work)

    assert outcome.verdict is (Verdict.TIMED_OUT if why == "limit" else Verdict.CANCELLED)
    assert stage.runner.abandoned == 1
    (warning,) = warnings(caplog)
    assert "the handler swallow goes on although it was told to end" in warning.message
    assert warning.__dict__["task_id"] == f"task_{work.id}"
    assert stage.outcome("nap").verdict is Verdict.SUCCEEDED
    door.touch()
    wait_until(lambda: stage.runner.abandoned == 0, within=5)
    assert stage.ends[work.id] is outcome, "its late success changes nothing"


def test_a_handler_that_blocks_the_loop_is_named(
    stage: LoopStage, door: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall, "PATIENCE", 0.2)
    caplog.set_level(logging.INFO, "queuectl_daemon")

    work = stage.begin("occupy_loop", until=str(door))
    other = stage.begin("nap")
    (warning,) = wait_until(lambda: warnings(caplog), describing="the handler to be named")
    door.touch()

    assert stage.end_of(work).result == '"blocked"'
    assert stage.end_of(other).verdict is Verdict.SUCCEEDED
    assert f"the handler occupy_loop of task_{work.id} has kept the event loop for" in warning.message
    assert "in occupy_loop (async_handlers.py, line" in warning.message
    wait_until(lambda: "the event loop goes on" in caplog.messages, within=5)


@pytest.mark.usefixtures("impatient")
def test_what_blocks_the_loop_is_ended_at_its_limit_as_far_as_anybody_can_tell(
    stage: LoopStage, witness: Witness, door: Path
) -> None:
    work = stage.begin("occupy_loop", until=str(door), timeout=0.8, witness=str(witness.path))
    assert stage.end_of(work).verdict is Verdict.TIMED_OUT
    assert (len(witness.starts()), witness.ends()) == (1, [])
    door.touch()
    witness.wait_for(lambda: len(witness.ends()) == 1, "its end")


def test_an_interrupt_ends_every_run_and_lets_none_begin(stage: LoopStage, witness: Witness) -> None:
    works = [stage.begin("linger", witness=str(witness.path)) for _ in range(5)]
    witness.wait_for_starts(5)

    stage.runner.interrupt()

    assert {stage.end_of(work).verdict for work in works} == {Verdict.INTERRUPTED}
    assert len(witness.ends()) == 5
    assert stage.outcome("nap").verdict is Verdict.INTERRUPTED


@pytest.mark.parametrize("asks", ["never", "in a thread"])
def test_an_async_function_in_a_child_is_cancelled_where_it_awaits(
    stage: LoopStage, witness: Witness, asks: str
) -> None:
    run = stage.start("p_linger", witness=str(witness.path), ask_in_thread=asks != "never")
    witness.wait_for_starts(1)

    stage.runner.cancel(run.work.id, run.work.fence)

    assert run.outcome() == Outcome(Verdict.CANCELLED, error="cancelled while it ran")
    assert [each.event for each in witness.sightings()] == ["start", "cancelled=True", "end"]


def test_one_that_ignores_that_is_ended_by_force(
    stage: LoopStage, witness: Witness, door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CANCEL_PATIENCE", 2.0)
    run = stage.start("p_swallow", witness=str(witness.path), until=str(door))
    witness.wait_for_starts(1)

    stage.runner.cancel(run.work.id, run.work.fence)

    assert run.outcome().verdict is Verdict.CANCELLED
    assert [each.event for each in witness.sightings()] == ["start", "swallowed"]


def test_an_async_function_in_a_child_ends_at_its_time_limit(stage: LoopStage, witness: Witness) -> None:
    run = stage.start("p_linger", witness=str(witness.path), timeout=0.8)
    assert run.outcome() == Outcome(Verdict.TIMED_OUT, error="ran longer than its time limit of 0.8 s")
    assert not witness.ends()


def test_a_cancellation_that_came_with_the_job_is_heard(witness: Witness) -> None:
    """The one thread of a child has read it from the socket by then, behind what was meant for an earlier run."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        daemon, child = Channel(ours, FROM_CHILD), Channel(theirs, TO_CHILD)
        job = Job(2, 7, 1, "linger", "http://a.test/", "low_priority", 3, "{}", None, None)
        for frame in (job, Cancel(1, 6), Cancel(2, 7)):
            daemon.send(frame)
        assert child.receive() == job
        context = ChildContext(child, job, threading.Lock(), is_cancelled=False)
        task = HandlerTask("task_2", job.url, {"witness": str(witness.path)}, 1, 7, job.queue, 3)
        with pytest.raises(asyncio.CancelledError):
            completed(async_handlers.linger(task, context), context.cancel_with_run)
    assert [each.event for each in witness.sightings()] == ["start", "cancelled=True", "end"]


def in_threads(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_runs_may_begin_on_many_threads_at_once(stage: LoopStage) -> None:
    works: list[Claimed] = []

    def begin() -> None:
        works.extend(stage.begin("nap") for _ in range(50))

    in_threads(*[begin] * 8)

    assert {stage.end_of(work).verdict for work in works} == {Verdict.SUCCEEDED}
    assert len(works) == 400


class _Meeting(deque[Any]):
    """Runs that have arrived; none goes on before the other is here."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def append(self, run: Any) -> None:
        self._both.wait(10)
        super().append(run)


def test_two_that_begin_at_once_beside_a_watch_that_sleeps_end_at_their_limits(stage: LoopStage) -> None:
    stage.outcome("nap")
    runs = stage.runner._loop_runs
    wait_until(lambda: not runs._runs and runs._next_look == math.inf, describing="the watch to sleep")
    runs._arrived = _Meeting()

    in_threads(*[lambda: stage.begin("linger", timeout=0.3)] * 2)

    wait_until(lambda: len(stage.ends) == 3, describing="both to end")
    assert [end.verdict for end in stage.ends.values()][1:] == [Verdict.TIMED_OUT] * 2
