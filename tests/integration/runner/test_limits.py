"""Time and memory limits, which hold whatever a handler does."""

from __future__ import annotations

import json
import re
import threading
import time

import psutil
import pytest

from queuectl.domain.outcome import Outcome, Verdict
from tests.integration.runner.conftest import Stage, sample, wait_until_gone
from tests.support.descriptors import no_free_descriptor
from tests.support.waiting import wait_until

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("handler", ["sleep", "spin", "sleep_in_c", "block", "print_endlessly"])
def test_a_run_ends_at_its_time_limit_wherever_it_hangs(stage: Stage, handler):
    stage.run("succeed")
    began = time.monotonic()

    outcome = stage.run(handler, timeout=0.4, seconds=3600)

    assert outcome == Outcome(Verdict.TIMED_OUT, error="ran longer than its time limit of 0.4 s")
    assert time.monotonic() - began >= 0.4


def test_processes_in_sessions_of_their_own_end_with_the_run_that_timed_out(stage: Stage, tmp_path):
    pids = tmp_path / "pids"

    outcome = stage.run("fork_and_stay", timeout=3, pids=str(pids), children=4)

    assert outcome.verdict is Verdict.TIMED_OUT
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_processes_that_a_successful_run_left_behind_are_ended_before_it_counts(stage: Stage, tmp_path):
    pids = tmp_path / "pids"

    outcome = stage.run("fork_and_go", pids=str(pids), children=4)

    assert outcome == Outcome(Verdict.SUCCEEDED, '"left"')
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_processes_that_a_crashed_run_left_behind_are_ended(stage: Stage, tmp_path):
    pids = tmp_path / "pids"

    outcome = stage.run("fork_and_die", timeout=20, pids=str(pids), children=4)

    assert outcome.verdict is Verdict.CRASHED
    wait_until_gone([int(pid) for pid in pids.read_text().split()])


def test_a_process_that_changes_its_number_all_the_time_does_not_get_away(stage: Stage):
    outcome = stage.run("hop", timeout=0.5)

    assert outcome.verdict is Verdict.TIMED_OUT
    wait_until(lambda: len(stage.processes()) == 1, within=20, describing="only the fork server to be left")


def test_a_run_that_opens_a_million_files_fails_alone(stage: Stage):
    outcome = stage.run("open_files", timeout=20)

    assert outcome.verdict is Verdict.FAILED
    assert "Too many open files" in (outcome.error or "")
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_run_ends_at_its_time_limit_although_no_descriptor_is_free(stage: Stage, tmp_path):
    pids = tmp_path / "pids"
    stage.run("succeed")
    watched = stage.start("hog", memory=300, timeout=60, most=60, pause=0.05)
    hanging = [
        stage.start("fork_and_stay", timeout=3, pids=str(pids), children=2),
        stage.start("block", timeout=3),
    ]
    wait_until(pids.exists, within=20, describing="a run to have started processes")

    with no_free_descriptor():
        outcomes = [each.outcome() for each in hanging]

    assert [each.verdict for each in outcomes] == [Verdict.TIMED_OUT, Verdict.TIMED_OUT]
    wait_until_gone([int(pid) for pid in pids.read_text().split()])
    assert watched.outcome().verdict is Verdict.SUCCEEDED
    assert stage.run("succeed").verdict is Verdict.SUCCEEDED


def test_a_run_within_its_limits_is_left_alone(stage: Stage):
    assert stage.run("hog", timeout=30, memory=300, most=60, pause=0.01).verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize(("handler", "options"), [("hog", {}), ("hog", {"piece": 0.2}), ("hog_in_child", {})])
def test_a_run_that_fills_memory_ends_near_its_limit(stage: Stage, handler, options):
    stage.run("succeed")
    run = stage.start(handler, memory=200, timeout=60, **options)

    outcome = run.outcome()

    assert outcome.verdict is Verdict.OVER_MEMORY
    peak = max(int(number) for number in re.findall(r"(\d+) MB", outcome.error or ""))
    assert 200 <= peak <= 220, outcome.error


def test_a_run_that_asks_for_too_much_at_once_is_over_its_limit_without_getting_it(stage: Stage):
    outcome = stage.run("hog_at_once", memory=200)

    assert outcome.verdict is Verdict.OVER_MEMORY
    assert "200 MB" in (outcome.error or "")


def test_one_task_over_its_limit_does_not_disturb_the_others(stage: Stage):
    others = [stage.start("sleep", seconds=0.5) for _ in range(2)]

    assert stage.run("hog", memory=150).verdict is Verdict.OVER_MEMORY
    assert [other.outcome().result for other in others] == ['"slept"', '"slept"']


def test_a_task_with_a_memory_limit_runs_in_a_process_whatever_its_handler_says(make_stage):
    stage = make_stage(handlers={"echo": sample("echo", isolation="thread")})

    def pid(**options: int) -> int:
        return int(json.loads(stage.run("echo", **options).result or "")["pid"])

    assert pid() == psutil.Process().pid
    assert pid(memory=300) != psutil.Process().pid


def test_a_limit_below_what_an_idle_process_has_still_lets_a_small_task_run(stage: Stage):
    assert stage.run("succeed", memory=1).verdict is Verdict.SUCCEEDED
    assert stage.run("hog", memory=1).verdict is Verdict.OVER_MEMORY


def test_the_watched_memory_of_a_fast_growing_run_never_passes_the_limit_by_much(stage: Stage):
    highest = 0
    done = threading.Event()

    def sample_memory() -> None:
        nonlocal highest
        while not done.wait(0.005):
            for process in stage.processes():
                try:
                    highest = max(highest, process.memory_info().rss)
                except psutil.Error:
                    continue

    sampler = threading.Thread(target=sample_memory)
    sampler.start()
    try:
        outcome = stage.run("hog", memory=256, piece=1)
    finally:
        done.set()
        sampler.join()
    assert outcome.verdict is Verdict.OVER_MEMORY
    assert highest <= 256 * MEGABYTE * 1.1
