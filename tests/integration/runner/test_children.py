"""The child processes themselves: how they are made, kept, replaced, and what becomes of them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from queuectl.clock import monotonic
from queuectl.domain.outcome import Outcome, Verdict
from queuectl_daemon.runner import children, process_runs, watch
from queuectl_daemon.runner.forkserver import Report
from tests.integration.runner.conftest import Stage, sample, wait_until_gone
from tests.integration.runner.test_cancelling import wait_for_witness
from tests.support.descriptors import no_free_descriptor
from tests.support.sample_handlers import DISTURBANCES
from tests.support.waiting import wait_until


def fork_server(stage: Stage) -> psutil.Process:
    """Return the fork server, which is the only process of the runner whose parent is this one."""

    def found() -> list[psutil.Process]:
        ours = stage.processes()
        return [process for process in psutil.Process().children() if process in ours]

    # Just after its start it may not show its environment yet.
    (server,) = wait_until(found, describing="the fork server")
    return server


def test_a_process_is_used_again(stage: Stage):
    assert len({stage.pid_of_child() for _ in range(5)}) == 1


def test_there_are_never_more_processes_than_workers(make_stage: Callable[..., Stage], tmp_path):
    stage = make_stage(workers=2)
    path = tmp_path / "w"
    runs = [stage.start("witness", witness=str(path), seconds=0.05) for _ in range(8)]

    assert {run.outcome().verdict for run in runs} == {Verdict.SUCCEEDED}
    assert len({line.split()[3] for line in path.read_text().splitlines()}) == 2


def test_a_process_leads_a_group_of_its_own_and_reads_nothing(stage: Stage):
    pid = stage.pid_of_child()

    assert os.getpgid(pid) == os.getsid(pid) == pid
    assert str(Path(f"/proc/{pid}/fd/0").readlink()) == os.devnull


def test_a_process_is_replaced_after_many_runs(stage: Stage, monkeypatch):
    monkeypatch.setattr(process_runs, "MOST_RUNS", 3)

    pids = [stage.pid_of_child() for _ in range(6)]

    assert pids[0] == pids[1] == pids[2] != pids[3] == pids[4] == pids[5]


@pytest.mark.parametrize("how", DISTURBANCES)
def test_a_process_that_is_not_as_it_was_is_replaced(stage: Stage, how):
    before = stage.pid_of_child()

    outcome = stage.run("disturb", how=how)

    assert outcome == Outcome(Verdict.SUCCEEDED, f'"{before}"')
    assert stage.pid_of_child() != before
    wait_until_gone([before])


def test_a_run_that_has_used_up_all_descriptors_sends_its_result_and_its_process_is_replaced(stage: Stage):
    before = stage.pid_of_child()

    outcome = stage.run("keep_all_files")

    assert outcome == Outcome(Verdict.SUCCEEDED, f'"{before}"')
    assert stage.pid_of_child() != before
    wait_until_gone([before])


def test_a_process_that_grows_is_replaced_and_a_fresh_one_is_not(stage: Stage):
    pids = []
    for _ in range(2):
        pids.append(stage.pid_of_child())
        stage.run("leak", megabytes=70)

    # The first run of a handler loads what it needs, so only the growth after it counts.
    assert pids[0] == pids[1]
    assert stage.pid_of_child() == pids[0]
    stage.run("leak", megabytes=70)
    assert stage.pid_of_child() != pids[0]


def test_an_idle_process_is_given_up_after_a_while(stage: Stage, monkeypatch):
    pid = stage.pid_of_child()
    monkeypatch.setattr(children, "_IDLE_LIMIT", 0.0)

    wait_until_gone([pid])
    assert stage.pid_of_child() != pid


def test_a_run_whose_process_is_killed_is_a_crash_and_the_next_run_gets_another_process(
    stage: Stage, tmp_path
):
    run = stage.start("witness", witness=str(tmp_path / "w"), seconds=3600)
    os.kill(wait_for_witness(tmp_path / "w"), signal.SIGKILL)

    assert run.outcome().verdict is Verdict.CRASHED
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_an_idle_process_that_was_killed_costs_no_task_its_attempt(stage: Stage):
    for _ in range(10):
        os.kill(stage.pid_of_child(), signal.SIGKILL)

        assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_halted_process_is_taken_for_dead(stage: Stage, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "HALT_PATIENCE", 0.2)
    monkeypatch.setattr(watch, "_LOOK_EVERY", 0.1)
    run = stage.start("witness", witness=str(tmp_path / "w"), seconds=3600)
    pid = wait_for_witness(tmp_path / "w")
    os.kill(pid, signal.SIGSTOP)

    outcome = run.outcome()

    assert outcome.verdict is Verdict.CRASHED
    assert "halted" in (outcome.error or "")
    wait_until_gone([pid])


def test_a_halted_process_does_not_outlive_its_time_limit(stage: Stage):
    os.kill(stage.pid_of_child(), signal.SIGSTOP)

    assert stage.run("succeed", timeout=0.3).verdict is Verdict.TIMED_OUT


def test_when_the_fork_server_is_killed_its_runs_crash_and_another_takes_its_place(stage: Stage, tmp_path):
    run = stage.start("witness", witness=str(tmp_path / "w"), seconds=3600)
    pid = wait_for_witness(tmp_path / "w")
    first = fork_server(stage)
    first.kill()

    assert run.outcome().verdict is Verdict.CRASHED
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED
    assert fork_server(stage).pid != first.pid
    assert stage.runner.healthy
    wait_until_gone([pid])


def test_when_the_fork_server_is_killed_processes_in_sessions_of_their_own_end_too(stage: Stage, tmp_path):
    pids = tmp_path / "pids"
    run = stage.start("fork_and_stay", pids=str(pids), children=4)
    wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 4, describing="four processes")

    fork_server(stage).kill()

    assert run.outcome().verdict is Verdict.CRASHED
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_where_no_process_can_be_looked_at_the_end_of_one_leaves_the_others_alone(stage: Stage, tmp_path):
    pids = tmp_path / "pids"
    other = stage.start("patient", witness=str(tmp_path / "w"))
    innocent = wait_for_witness(tmp_path / "w")
    dying = stage.start("fork_and_stay", pids=str(pids), children=2)
    wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 2, describing="two processes")
    (victim,) = set(stage.runner._watch.children.pids) - {innocent}
    server = fork_server(stage)
    limits = server.rlimit(psutil.RLIMIT_NOFILE)

    server.rlimit(psutil.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(victim, signal.SIGKILL)
    assert dying.outcome().error == "its process was killed by signal 9 (SIGKILL) before it sent a result"
    server.rlimit(psutil.RLIMIT_NOFILE, limits)

    assert stage.run("kill_itself").verdict is Verdict.CRASHED
    wait_until_gone([int(pid) for pid in pids.read_text().split()])
    stage.runner.cancel(other.work.id, other.work.fence)
    assert other.outcome().verdict is Verdict.CANCELLED
    assert fork_server(stage) == server


def test_a_fork_server_that_does_not_answer_is_replaced(stage: Stage, monkeypatch):
    monkeypatch.setattr(children, "START_LIMIT", 0.5)
    stopped = fork_server(stage)
    stopped.suspend()

    first = stage.run("succeed")

    assert first.verdict is Verdict.CRASHED
    assert "could not be started" in (first.error or "")
    monkeypatch.undo()  # so that the next one has the time it needs
    wait_until(lambda: stage.run("succeed").verdict is Verdict.SUCCEEDED, describing="a run that succeeds")
    wait_until_gone([stopped.pid])


def test_while_the_fork_server_loads_the_article_handler_nobody_loses_patience_with_it(
    stage: Stage, monkeypatch
):
    stage.run("succeed")
    monkeypatch.setattr(children, "START_LIMIT", 0.3)
    server = fork_server(stage)
    server.suspend()  # as if it took long
    article = stage.start("article", url="http://127.0.0.1:9/")
    wait_until(lambda: stage.runner._watch.children._has_warmed, describing="a process to be asked for")
    others = [stage.start("patient", seconds=1) for _ in range(2)]
    asked_at = monotonic()
    wait_until(lambda: monotonic() > asked_at + 0.6, describing="more than what is usual to pass")
    server.resume()

    assert [each.outcome(within=60).verdict for each in others] == [Verdict.SUCCEEDED] * 2
    assert article.outcome(within=60).verdict is not Verdict.CRASHED
    assert fork_server(stage) == server


def test_a_fork_server_that_never_comes_up_is_reported(stage: Stage, monkeypatch):
    monkeypatch.setattr(children, "START_LIMIT", 0.3)
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    fork_server(stage).kill()

    wait_until(lambda: not stage.runner.healthy, describing="the runner to say that it is not well")
    outcome = stage.run("succeed")

    assert outcome.verdict is Verdict.CRASHED
    assert "could not be started" in (outcome.error or "")


def test_a_fork_server_that_ends_while_no_descriptor_is_free_is_replaced_when_one_is(
    stage: Stage, tmp_path, monkeypatch
):
    monkeypatch.setattr(watch, "_LONGEST_RESTART_PAUSE", 0.1)
    pids = tmp_path / "pids"
    run = stage.start("fork_and_stay", pids=str(pids), children=2)
    wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 2, describing="two processes")
    server = fork_server(stage).pid

    with no_free_descriptor():
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not stage.runner.healthy, describing="the runner to say that it is not well")
        assert run.outcome().verdict is Verdict.CRASHED
        assert not stage.runner.healthy

    wait_until(lambda: stage.runner.healthy, describing="another fork server")
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_a_fork_server_that_nobody_could_hear_is_started_again(stage: Stage, monkeypatch):
    monkeypatch.setattr(watch, "_LONGEST_RESTART_PAUSE", 0.1)
    refused = refuse_to_listen(stage, monkeypatch, lambda descriptor: True)
    fork_server(stage).kill()

    wait_until(lambda: len(refused) > 1, describing="the system to refuse it twice")
    assert not stage.runner.healthy
    monkeypatch.undo()

    wait_until(lambda: stage.runner.healthy, describing="another fork server")
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED
    fork_server(stage).kill()
    wait_until(lambda: stage.run("succeed").verdict is Verdict.SUCCEEDED, describing="the end to be heard")


def test_a_child_whose_output_cannot_be_listened_to_keeps_nobody_from_printing(
    make_stage: Callable[..., Stage], monkeypatch
):
    stage = make_stage(workers=2)
    refused: list[int] = refuse_to_listen(
        stage, monkeypatch, lambda descriptor: not refused or descriptor == refused[0]
    )

    runs = [stage.start("print_much", megabytes=1) for _ in range(2)]

    assert [run.outcome().verdict for run in runs] == [Verdict.SUCCEEDED] * 2
    assert len(refused) > 1
    assert set(refused) == {refused[0]}


def refuse_to_listen(stage: Stage, monkeypatch, is_refused: Callable[[int], bool]) -> list[int]:
    """Let the system watch no descriptor for the runner of which that is so; return those refused."""
    refused: list[int] = []
    selector = stage.runner._watch._selector
    register = selector.register

    def refuse(descriptor: int, events: int, data: object) -> object:
        if is_refused(descriptor):
            refused.append(descriptor)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return register(descriptor, events, data)

    monkeypatch.setattr(selector, "register", refuse)
    return refused


def test_a_task_for_which_no_descriptor_is_free_has_not_begun(stage: Stage, monkeypatch):
    monkeypatch.setattr(children, "START_LIMIT", 0.3)

    with no_free_descriptor():
        outcome = stage.run("succeed")

    assert (outcome.verdict, outcome.began) == (Verdict.INTERRUPTED, False)
    assert "Too many open files" in (outcome.error or "")
    monkeypatch.undo()
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_task_that_meets_a_shortage_waits_for_a_while_before_it_is_given_back(stage: Stage, monkeypatch):
    tries: list[int] = []
    make = stage.runner._watch.children._new

    def refused_twice(*, warm: bool) -> children.Child:
        tries.append(1)
        with no_free_descriptor() if len(tries) < 3 else contextlib.nullcontext():
            return make(warm=warm)

    monkeypatch.setattr(stage.runner._watch.children, "_new", refused_twice)

    assert stage.run("succeed").verdict is Verdict.SUCCEEDED
    assert len(tries) == 3


def test_a_task_whose_process_the_system_refuses_has_not_begun(stage: Stage, monkeypatch):
    monkeypatch.setattr(children, "START_LIMIT", 0.3)
    watched = stage.runner._watch

    def refuse(number: int, *_: object, **__: object) -> None:
        watched.children.note(Report(number, is_birth=True, value=-errno.EAGAIN))

    monkeypatch.setattr(watched._fork_server, "fork", refuse)

    outcome = stage.run("succeed")

    assert (outcome.verdict, outcome.began) == (Verdict.INTERRUPTED, False)
    assert os.strerror(errno.EAGAIN) in (outcome.error or "")


@pytest.mark.parametrize("what", ["a process", "to listen"])
def test_a_task_for_which_the_fork_server_cannot_be_started_for_want_of_memory_has_not_begun(
    stage: Stage, monkeypatch, what
):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(watch, "_LONGEST_RESTART_PAUSE", 60.0)
    monkeypatch.setattr(children, "START_LIMIT", 0.3)
    server = stage.runner._watch._fork_server
    if what == "a process":
        monkeypatch.setattr("queuectl_daemon.runner.forkserver.subprocess.Popen", refuse)
    else:
        monkeypatch.setattr(stage.runner._watch._selector, "register", refuse)
    fork_server(stage).kill()
    wait_until(lambda: server._refusal, describing="a fork server that cannot be started")

    outcome = stage.run("succeed")

    assert (outcome.verdict, outcome.began) == (Verdict.INTERRUPTED, False)
    assert "does not run" in (outcome.error or "")


@pytest.mark.parametrize(
    "garbage", [b"hello, daemon!!!", b"\xff" * 64, b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x00"]
)
def test_garbage_from_a_child_is_that_childs_crash(make_stage: Callable[..., Stage], garbage):
    stage = make_stage(handlers={"forge": sample("forge")})

    outcome = stage.run("forge", hex=garbage.hex())

    assert outcome.verdict is Verdict.CRASHED
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_task_that_cannot_be_handed_over_fails_and_its_process_is_not_lost(
    make_stage: Callable[..., Stage], monkeypatch
):
    stage = make_stage(workers=1)
    monkeypatch.setattr("queuectl_daemon.runner.frames.LONGEST_FRAME", 10_000)

    assert stage.run("succeed", text="x" * 20_000).verdict is Verdict.FAILED
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_runs_in_eight_threads_survive_a_storm_of_faults(make_stage: Callable[..., Stage], tmp_path):
    stage = make_stage(workers=8)
    stop = threading.Event()
    wanted = {
        ("succeed",): {Verdict.SUCCEEDED},
        ("fail",): {Verdict.FAILED},
        ("kill_itself",): {Verdict.CRASHED},
        ("exit_well",): {Verdict.CRASHED},
        ("spin", 0.1): {Verdict.TIMED_OUT},
        ("disturb",): {Verdict.SUCCEEDED},
        ("talk",): {Verdict.SUCCEEDED},
    }
    wrong: list[object] = []
    count = 0

    def work(offset: int) -> None:
        nonlocal count
        kinds = list(wanted)
        position = offset
        while not stop.is_set():
            position = (position * 7 + 3) % 1009
            kind = kinds[position % len(kinds)]
            timeout = kind[1] if len(kind) > 1 else 20
            outcome = stage.run(str(kind[0]), timeout=float(timeout), how="threads")
            # A killer is at work, so every run may also crash.
            if outcome.verdict not in wanted[kind] | {Verdict.CRASHED}:
                wrong.append((kind, outcome))
            count += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    server = fork_server(stage)
    for thread in threads:
        thread.start()
    rounds = 0
    while rounds < 10 or count <= 100:
        rounds += 1
        stop.wait(0.3)
        victims = [process for process in stage.processes() if process != server]
        for victim in victims[:2]:
            with_luck(victim.kill)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not [thread for thread in threads if thread.is_alive()]
    assert wrong == []
    assert stage.run("echo").verdict is Verdict.SUCCEEDED


def with_luck(action: Callable[[], object]) -> None:
    try:
        action()
    except psutil.NoSuchProcess:
        return


def test_a_child_does_not_learn_the_passwords_from_the_settings(stage: Stage):
    assert "password" not in json.dumps(psutil.Process(stage.pid_of_child()).cmdline())
