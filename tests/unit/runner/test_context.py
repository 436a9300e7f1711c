"""What a handler's context lets through."""

from __future__ import annotations

import logging
import math

import pytest

from queuectl_daemon.runner import context as contexts
from queuectl_daemon.runner.context import LONGEST_LINE, RunContext


class Recorder(RunContext):
    """A context that keeps what it would pass on."""

    cancelled = False

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[tuple[float, str]] = []
        self.lines: list[tuple[int, str]] = []

    def report(self, fraction: float, note: str) -> None:
        self.reports.append((fraction, note))

    def write(self, level: int, text: str) -> None:
        self.lines.append((level, text))


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(contexts, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def context(clock, monkeypatch) -> Recorder:
    monkeypatch.setattr(contexts.LOGGER, "level", logging.INFO)
    contexts.LOGGER.manager._clear_cache()  # type: ignore[attr-defined]
    return Recorder()


def test_five_reports_a_second_pass_in_every_second(context: Recorder, clock):
    for tick in range(3000):
        clock[0] = 100 + tick / 1000
        context.progress(tick / 3000)

    assert len(context.reports) == 15


@pytest.mark.parametrize(
    ("given", "passed"), [(0.5, 0.5), (-1, 0.0), (7, 1.0), (math.nan, 0.0), (math.inf, 0.0), ("0.25", 0.25)]
)
def test_a_fraction_is_brought_into_its_range(context: Recorder, given, passed):
    context.progress(given, "n" * 500)

    assert context.reports == [(passed, "n" * 200)]


def test_lines_below_the_level_cost_nothing(context: Recorder):
    context.log.debug("not wanted")

    assert context.lines == []


def test_lines_are_formatted_and_split_and_cut(context: Recorder):
    context.log.warning("one %s\ntwo %d", "a", 2)
    context.log.info("%(name)s", {"name": "x" * 10_000})

    assert context.lines[:2] == [(logging.WARNING, "one a"), (logging.WARNING, "two 2")]
    assert len(context.lines[2][1]) == LONGEST_LINE


def test_a_line_that_cannot_be_formatted_does_not_fail_the_run(context: Recorder):
    context.log.info("%d", "not a number")

    assert context.lines == [(logging.INFO, "a log line could not be formatted: TypeError")]


def test_an_exception_is_logged_with_its_traceback(context: Recorder):
    try:
        raise ValueError("it broke")
    except ValueError:
        context.log.exception("sorry")

    assert context.lines[0] == (logging.ERROR, "sorry")
    assert context.lines[-1] == (logging.ERROR, "ValueError: it broke")


def test_lines_beyond_the_allowance_are_counted_and_told(context: Recorder, clock):
    for _ in range(600):
        context.log.info("line")
    assert len(context.lines) == 500
    clock[0] += 1
    context.log.info("again")
    context.end_log()

    assert context.lines[500:] == [
        (logging.WARNING, "100 lines were dropped: the task logs too fast"),
        (logging.INFO, "again"),
    ]
