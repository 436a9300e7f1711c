"""What reaches the daemon from a child while it runs: progress, log lines and printed output, all of it bounded."""

from __future__ import annotations

import logging

import pytest

from queuectl.clock import monotonic
from queuectl.domain.outcome import Verdict
from tests.integration.runner.conftest import Stage, sample


@pytest.fixture(autouse=True)
def all_lines(caplog):
    caplog.set_level(logging.DEBUG, "queuectl.task")


def test_progress_arrives_with_the_task_and_its_fence(stage: Stage):
    stage.run("progress", steps=4)

    assert stage.reports == [(1, 1001, number / 4, f"step {number}") for number in (1, 2, 3, 4)]


def test_no_more_than_five_reports_a_second_are_passed_on(stage: Stage):
    began = monotonic()
    stage.run("progress", steps=10_000)

    assert 5 <= len(stage.reports) <= 5 * (int(monotonic() - began) + 1)


def test_log_lines_arrive_with_the_task_they_belong_to(stage: Stage, caplog):
    stage.run("log", lines=2, text="of 文字", attempt_number=7)

    assert caplog.messages == ["line 0 of 文字", "line 1 of 文字"]
    record = caplog.records[0].__dict__
    assert (record["name"], record["levelno"]) == ("queuectl.task", logging.INFO)
    assert (record["task_id"], record["attempt"], record["queue"]) == ("task_1", 7, "medium_priority")


def test_nothing_in_a_log_line_can_act_on_a_terminal(stage: Stage, caplog):
    stage.run("log", text="\x1b]0;title\x07 \u202e\u200b\u2028 \x9b31m\r\n second")

    assert caplog.messages == [
        "line 0 \\x1b]0;title\\x07 \\u202e\\u200b\\u2028 \\x9b31m\\r",
        " second",
    ]


def test_a_task_that_logs_without_end_is_cut_short_and_says_so(stage: Stage, caplog):
    stage.run("log", lines=5000)

    assert 500 <= len(caplog.messages) < 800
    assert "lines were dropped" in caplog.messages[-1]


def test_a_line_without_end_is_cut(stage: Stage, caplog):
    stage.run("log", text="x" * 100_000)

    assert len(caplog.messages[0]) == 4096


def test_what_a_handler_prints_is_logged_once_for_its_own_run(stage: Stage, caplog):
    stage.run("talk", lines=2, text="\x1b[2J")
    stage.run("succeed")

    assert sorted(caplog.messages) == ["line 0 \\x1b[2J", "line 1 \\x1b[2J", "to stderr"]
    assert {record.__dict__["task_id"] for record in caplog.records} == {"task_1"}


def test_of_much_output_the_beginning_and_the_end_are_kept(stage: Stage, caplog):
    assert stage.run("print_much", megabytes=50).verdict is Verdict.SUCCEEDED

    assert caplog.messages[0] == "the beginning"
    assert caplog.messages[-1] == "the end"
    assert any("bytes left out" in message for message in caplog.messages)
    assert sum(map(len, caplog.messages)) < 70_000


def test_what_a_handler_printed_before_it_crashed_is_not_lost(stage: Stage, caplog):
    outcome = stage.run("segfault")

    assert "Segmentation fault" in caplog.text
    assert "Segmentation fault" in (outcome.traceback or "")


def test_libraries_are_heard_from_warnings_on(make_stage, caplog):
    stage = make_stage(handlers={"library": sample("use_a_library_that_logs")})

    stage.run("library")

    assert caplog.messages == ["some.library: it went wrong"]
