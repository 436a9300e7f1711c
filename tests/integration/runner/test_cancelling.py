"""Cancelling a run, by its own will and by force, and ending all runs at once."""

from __future__ import annotations

import time

from queuectl.domain.outcome import Verdict
from queuectl_daemon.runner import process_runs, watch
from tests.integration.runner.conftest import Stage, Started, sample, wait_until_gone
from tests.support.waiting import wait_until


def cancel(stage: Stage, run: Started) -> None:
    stage.runner.cancel(run.work.id, run.work.fence)


def wait_for_witness(path, event: str = "start") -> int:
    """Wait until a run has noted ``event``, and return its process."""
    line = wait_until(
        lambda: path.exists() and next((line for line in path.read_text().splitlines() if event in line), ""),
        describing=f"a run that notes {event!r}",
    )
    return int(line.split()[3])


def test_a_handler_that_looks_ends_by_itself_and_its_process_lives_on(stage: Stage, tmp_path):
    run = stage.start("patient", witness=str(tmp_path / "w"))
    pid = wait_for_witness(tmp_path / "w")

    cancel(stage, run)

    assert run.outcome().verdict is Verdict.CANCELLED
    assert stage.pid_of_child() == pid


def test_a_handler_that_does_not_look_is_ended_by_force(stage: Stage, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "CANCEL_PATIENCE", 0.3)
    run = stage.start("witness", witness=str(tmp_path / "w"), seconds=3600)
    pid = wait_for_witness(tmp_path / "w")
    began = time.monotonic()

    cancel(stage, run)

    assert run.outcome().verdict is Verdict.CANCELLED
    assert time.monotonic() - began >= 0.3
    wait_until_gone([pid])


def test_force_comes_after_five_seconds():
    assert watch.CANCEL_PATIENCE == 5.0


def test_a_cancelled_run_that_ends_in_time_counts_as_cancelled(stage: Stage, tmp_path):
    run = stage.start("witness", witness=str(tmp_path / "w"), until=str(tmp_path / "door"))
    wait_for_witness(tmp_path / "w")

    cancel(stage, run)
    (tmp_path / "door").touch()

    assert run.outcome().verdict is Verdict.CANCELLED


def test_a_cancel_that_comes_before_its_run_begins_is_kept(stage: Stage, tmp_path):
    work = stage.work("witness", witness=str(tmp_path / "w"))
    stage.runner.cancel(work.id, work.fence)

    assert stage.runner.run(work).verdict is Verdict.CANCELLED
    assert not (tmp_path / "w").exists()


def test_a_run_that_is_cancelled_while_it_waits_for_a_process_never_begins(make_stage, tmp_path):
    stage = make_stage(workers=1)
    first = stage.start("witness", witness=str(tmp_path / "first"), until=str(tmp_path / "door"))
    wait_for_witness(tmp_path / "first")
    second = stage.start("witness", witness=str(tmp_path / "second"))

    cancel(stage, second)
    (tmp_path / "door").touch()

    assert second.outcome().verdict is Verdict.CANCELLED
    assert first.outcome().verdict is Verdict.SUCCEEDED
    assert not (tmp_path / "second").exists()


def test_a_cancel_that_overtakes_its_task_on_the_way_to_the_process_keeps_it_from_running(
    stage: Stage, tmp_path, monkeypatch
):
    hand_over = process_runs.ProcessRuns._send

    def cancel_first(runs: process_runs.ProcessRuns, run: watch.Run) -> bool:
        stage.runner.cancel(run.work.id, run.work.fence)
        return hand_over(runs, run)

    pid = stage.pid_of_child()
    monkeypatch.setattr(process_runs.ProcessRuns, "_send", cancel_first)

    assert stage.run("witness", witness=str(tmp_path / "w")).verdict is Verdict.CANCELLED
    assert not (tmp_path / "w").exists()
    monkeypatch.undo()
    assert stage.pid_of_child() == pid, "it was not ended by force"


def test_cancelling_another_fence_or_a_finished_run_does_nothing(stage: Stage):
    run = stage.start("sleep", seconds=0.2)
    stage.runner.cancel(run.work.id, run.work.fence + 1)

    assert run.outcome().verdict is Verdict.SUCCEEDED
    cancel(stage, run)
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_handler_in_a_thread_sees_that_it_is_cancelled(make_stage, tmp_path):
    stage = make_stage(handlers={"patient": sample("patient", isolation="thread")})
    run = stage.start("patient", witness=str(tmp_path / "w"))
    wait_for_witness(tmp_path / "w")

    cancel(stage, run)

    assert run.outcome().verdict is Verdict.CANCELLED


def test_an_interrupt_ends_every_run_at_once_and_lets_none_begin(stage: Stage, tmp_path):
    paths = [tmp_path / str(number) for number in range(4)]
    runs = [stage.start("witness", witness=str(path), seconds=3600) for path in paths]
    pids = [wait_for_witness(path) for path in paths]
    waiting = stage.start("witness", seconds=3600)

    stage.runner.interrupt()

    assert {run.outcome().verdict for run in [*runs, waiting]} == {Verdict.INTERRUPTED}
    wait_until_gone(pids)
    assert stage.run("succeed").verdict is Verdict.INTERRUPTED


def test_a_handler_in_a_thread_is_told_of_an_interrupt_and_ends_when_it_looks(make_stage, tmp_path):
    stage = make_stage(
        handlers={
            "patient": sample("patient", isolation="thread"),
            "witness": sample("witness", isolation="thread"),
        }
    )
    looking = stage.start("patient", witness=str(tmp_path / "looking"))
    blind = stage.start("witness", witness=str(tmp_path / "blind"), seconds=0.3)
    for name in ("looking", "blind"):
        wait_for_witness(tmp_path / name)

    stage.runner.interrupt()

    assert looking.outcome().verdict is Verdict.INTERRUPTED
    assert blind.outcome().verdict is Verdict.SUCCEEDED
    assert stage.run("patient").verdict is Verdict.INTERRUPTED


def test_stopping_while_tasks_run_interrupts_them(stage: Stage, tmp_path):
    run = stage.start("witness", witness=str(tmp_path / "w"), seconds=3600)
    wait_for_witness(tmp_path / "w")

    stage.runner.stop()

    assert run.outcome().verdict is Verdict.INTERRUPTED
    assert stage.processes() == []


def test_stopping_twice_and_stopping_what_was_never_started_is_harmless(stage: Stage, home):
    stage.runner.stop()
    stage.runner.stop()
    Stage(home).runner.stop()


def test_an_interrupt_leaves_no_process_in_another_session(stage: Stage, tmp_path):
    pids = tmp_path / "pids"
    run = stage.start("fork_and_stay", pids=str(pids), children=4)

    def found() -> list[int]:
        return [int(pid) for pid in pids.read_text().split()] if pids.exists() else []

    wait_until(lambda: len(found()) == 4, describing="four processes in sessions of their own")

    stage.runner.interrupt()

    assert run.outcome().verdict is Verdict.INTERRUPTED
    wait_until_gone(found())
