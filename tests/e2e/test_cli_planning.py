"""Plans for a window and forecasts from the command line."""

from __future__ import annotations

import json

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.terminal import terminal

WINDOW = ("--start", "2030-05-01 08:00", "--end", "2030-05-01 10:00", "--max-per-hour")


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    """Give the command line with four waiting tasks, the last of them urgent."""
    cli("batch", "-", "--priority", "low", given="".join(f"https://example.com/{n}\n" for n in range(3))).ok()
    cli("submit", "https://example.com/\x1b[31mred", "--priority", "urgent")
    cli("submit", "https://example.com/urgent", "--priority", "urgent").ok()
    return cli


def test_a_plan_is_shown_first_and_written_then(filled: CommandLine) -> None:
    words = ("schedule", "optimize", "--queue", "low", "--queue", "urgent", *WINDOW, "2")
    shown = filled(*words, "--dry-run").ok()
    assert [line.split()[0] for line in shown.out.splitlines()] == [
        "TASK",
        "task_4",
        "task_1",
        "task_2",
        "task_3",
    ]
    assert "2030-05-01 08:00:00 UTC" in shown.out
    assert "nothing was changed" in shown.err
    assert filled.states() == ["queued"] * 4
    refused = filled(*words, "--json")
    assert (refused.code, refused.out) == (ExitCode.USAGE, "")
    assert "spread 4 tasks, and nobody can be asked" in filled(*words).error(ExitCode.USAGE)
    assert filled.states() == ["queued"] * 4
    document = filled(*words, "--json", "--yes").ok().document
    assert (document["feasible"], document["applied"], document["moved"], document["kept"]) == (
        True,
        True,
        4,
        0,
    )
    assert [task["new_due_at"][11:16] for task in document["tasks"]] == ["08:00", "08:30", "09:00", "09:30"]
    assert filled.states() == ["scheduled"] * 4
    assert filled(*words, "--json").ok().document["moved"] == 0, "there is nothing to ask about"
    assert filled("undo", "2", "--yes").ok().err.startswith("4 tasks put back; undo it with: queuectl undo ")
    assert filled.states() == ["queued"] * 4
    said = filled(*words, "--yes").ok().err
    assert "4 tasks get another time, 0 keep their time; undo it with: queuectl undo 4" in said
    chosen = ("--priority", "low,urgent", "--state", "scheduled", "--batch", "1", "--since", "1h")
    few = filled("schedule", "optimize", *chosen, *WINDOW, "1", "--dry-run", "--json")
    assert few.document["binding"] == ["cap"]


def test_a_person_is_asked_before_a_plan_is_written(filled: CommandLine) -> None:
    words = ("schedule", "optimize", "--queue", "low", *WINDOW, "2")
    with terminal(filled, *words, columns=120) as screen:
        screen.shows("Spread 3 tasks? [y/N]")
        assert "3 tasks would get another time" in screen.text
        assert "task_1  low" in screen.text
        screen.type("n\n")
        assert screen.end() == ExitCode.REFUSED
    assert filled.states() == ["queued"] * 4
    with terminal(filled, *words, columns=120) as screen:
        screen.shows("[y/N]")
        screen.type("y\n")
        assert screen.end() == 0
        assert "3 tasks get another time, 0 keep their time; undo it with: queuectl undo 2" in screen.text
    assert filled.states() == ["scheduled"] * 3 + ["queued"]


def test_one_task_gets_its_time_without_a_question(filled: CommandLine) -> None:
    filled("schedule", "optimize", "1", *WINDOW, "2").ok()
    assert filled.states() == ["scheduled"] + ["queued"] * 3


def test_no_plan_names_the_limit_and_what_would_be_enough(filled: CommandLine) -> None:
    refused = filled("schedule", "optimize", "1", "2", "3", "4", *WINDOW, "1")
    said = refused.error(ExitCode.REFUSED)
    assert "too short for 1 start an hour" in said
    assert '--end "2030-05-01 11:00:01 UTC"' in said
    assert "--max-per-hour 2" in said
    assert "2 of the least urgent tasks left out" in said
    told = filled("schedule", "optimize", "1", "2", "3", "4", *WINDOW, "1", "--json")
    assert told.code == ExitCode.REFUSED
    assert told.document["binding"] == ["cap"]
    assert told.document["enough"] == {
        "end": "2030-05-01T11:00:01.000Z",
        "max_per_hour": 2,
        "leave_out": 2,
    }
    assert json.loads(told.err)["error"]["kind"] == "NoPlanError"
    filled("schedule", "optimize", "1", "2", "3", "4", *WINDOW, "2", "--dry-run").ok()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((*WINDOW, "2"), ExitCode.USAGE, "which tasks to spread"),
        (("1", *WINDOW, "0"), ExitCode.USAGE, "0 is not a whole number from 1"),
        (("1", *WINDOW, "x"), ExitCode.USAGE, "'x' is not a whole number"),
        (("77", *WINDOW, "2"), ExitCode.NOT_FOUND, "there is no task task_77"),
        (("x", *WINDOW, "2"), ExitCode.NOT_FOUND, "'x' is not a task id"),
        (
            ("1", "--start", "in 2h", "--end", "in 1h", "--max-per-hour", "2"),
            ExitCode.USAGE,
            "not after its start",
        ),
        (
            ("1", "--start", "2020-01-01", "--end", "2020-01-02", "--max-per-hour", "2"),
            ExitCode.USAGE,
            "has passed",
        ),
        (("1", "--max-per-hour", "2"), ExitCode.USAGE, "missing option '--start'"),
    ],
)
def test_a_plan_that_cannot_be_made(
    filled: CommandLine, words: tuple[str, ...], code: ExitCode, says: str
) -> None:
    assert says in filled("schedule", "optimize", *words).error(code)
    assert filled.states() == ["queued"] * 4


def test_a_forecast_of_a_change_stands_beside_the_present(filled: CommandLine) -> None:
    plain = filled("simulate").ok()
    assert plain.out.split()[:3] == ["QUEUE", "TASKS", "DONE"]
    assert "no run has been recorded yet" in plain.err
    compared = filled(
        "simulate", "--workers", "1", "--add", "3", "--priority", "high", "--duration", "4000"
    ).ok()
    assert "0 + 3" in compared.out
    assert "STARTS IN THE WHAT-IF" in compared.out
    assert "3 tasks start later" in compared.err
    document = filled("simulate", "--workers", "1", "--rate-limit", "low=1/h", "--json").ok().document
    assert (document["workers"], document["workers_what_if"], document["delayed"]) == (8, 1, 3)
    assert document["what_if"]["ends_at"] > document["now"]["ends_at"]
    assert filled.states() == ["queued"] * 4


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--workers", "0"), ExitCode.USAGE, "0 is not a whole number"),
        (("--rate-limit", "low"), ExitCode.USAGE, "'low' is not a queue and a value"),
        (("--rate-limit", "low=often"), ExitCode.USAGE, "'often'"),
        (("--rate-limit", "x=1/h"), ExitCode.NOT_FOUND, "there is no queue 'x'"),
        (("--concurrency", "low=some"), ExitCode.USAGE, "'some' is not a whole number"),
        (("--add", "-1"), ExitCode.USAGE, "-1 is not a whole number"),
        (("--add", "1", "--priority", "x"), ExitCode.USAGE, "unknown priority 'x'"),
    ],
)
def test_a_forecast_that_cannot_be_made(
    cli: CommandLine, words: tuple[str, ...], code: ExitCode, says: str
) -> None:
    assert says in cli("simulate", *words).error(code)
