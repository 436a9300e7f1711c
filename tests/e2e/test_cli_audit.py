"""The audit and undo from the command line: what is said, what is asked, and how the commands end."""

from __future__ import annotations

import re
import sqlite3

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine

URL = "https://example.com/article"


@pytest.fixture
def acted(cli: CommandLine) -> CommandLine:
    """Give a home in which a task was cancelled and a queue was limited."""
    cli("submit", URL, "-p", "high").ok()
    assert cli("cancel", "1").ok().err == "task_1 is cancelled; undo it with: queuectl undo 1\n"
    limited = cli("queue", "set", "low", "max_size=9").ok()
    assert limited.err == "1 limit of low_priority changed; undo it with: queuectl undo 2\n"
    return cli


def test_what_was_done_is_listed_and_shown(acted: CommandLine) -> None:
    heading, second, first = acted("audit", "list").ok().out.splitlines()
    assert heading.split() == ["OPERATION", "WHEN", "WHO", "VERB", "ON", "THINGS", "UNDO"]
    assert re.search(r"^ +2 .*@.* queue set +low_priority +1 +possible$", second)
    assert re.search(r"^ +1 .* cancel +task_1 +1 +possible$", first)
    assert acted("audit", "list", "--verb", "cancel", "-q").ok().out == "1\n"
    assert acted("audit", "list", "--since", "1h", "--until", "1m").ok().out == ""
    shown = acted("audit", "show", "2").ok()
    assert '{"max_size":"none"}' in shown.out
    assert shown.err == "undo it with: queuectl undo 2\n"
    document = acted("audit", "show", "2", "--json").ok().document
    assert (document["verb"], document["target"], document["undone_by"]) == (
        "queue set",
        "low_priority",
        None,
    )
    assert document["groups"][0]["after"] == {"max_size": "9"}
    (second_shape, first_shape) = acted("audit", "list", "--json").ok().document["operations"]
    assert (second_shape["operation"], first_shape["operation"]) == (2, 1)
    assert "the audit has no line 9" in acted("audit", "show", "9").error(ExitCode.NOT_FOUND)


def test_an_operation_is_undone_and_that_as_well(acted: CommandLine) -> None:
    undone = acted("undo", "1").ok()
    assert (undone.out, undone.err) == ("3\n", "1 task put back; undo it with: queuectl undo 3\n")
    assert acted("show", "1", "--json").ok().document["state"] == "queued"
    acted("undo", "3").ok()
    assert acted("show", "1", "--json").ok().document["state"] == "cancelled"
    limits = acted("undo", "2", "--json").ok().document
    assert limits["put_back"] == ["max_size of low_priority is none again"]
    again = acted("undo", "2")
    assert "nothing was put back: max_size of low_priority is none by now" in again.error(ExitCode.REFUSED)
    listed = acted("undo", "--list", "--json").ok().document["operations"]
    assert {each["operation"]: each["undone_by"] for each in listed} == {5: None, 4: None, 3: 4, 2: 5, 1: 3}


def test_many_tasks_are_asked_about_and_partly_put_back(cli: CommandLine) -> None:
    cli("batch", "-", given="".join(f"{URL}/{number}\n" for number in range(12))).ok()
    cancelled = cli("cancel", "--all", "--yes", "--json").ok().document
    number = str(cancelled["operation"])
    assert "nobody can be asked" in cli("undo", number).error(ExitCode.USAGE)
    cli("retry", "3").ok()
    foretold = cli("undo", number, "--dry-run").ok()
    assert foretold.err.splitlines()[-3:] == [
        "11 of its tasks are as it left them",
        "1 changed since, and would stay as they are",
        "nothing was changed",
    ]
    assert cli("undo", number, "--dry-run", "--json").ok().document["tasks"] == {
        "done": 11,
        "changed": 1,
        "ran": 0,
        "missing": 0,
    }
    error = cli("undo", number, "--yes").error(ExitCode.PARTLY_DONE)
    assert "11 tasks put back; 1 has changed since; such as task_3 (queued)" in error
    assert cli("count", "--state", "queued").ok().out == "12\n"


@pytest.mark.parametrize("arguments", [[], ["x"], ["0"], ["-3"], ["99999999999999999999"]])
def test_what_cannot_be_undone_is_said(acted: CommandLine, arguments: list[str]) -> None:
    result = acted("undo", *arguments)
    assert result.code in (ExitCode.USAGE, ExitCode.NOT_FOUND)
    assert "Traceback" not in result.err


def test_verifying_tells_a_whole_record_from_a_changed_one(acted: CommandLine) -> None:
    sound = acted("audit", "verify").ok()
    assert "every line was written with the key" in sound.out
    document = acted("audit", "verify", "--json").ok().document
    assert (document["sound"], document["complete"], document["lines"]) == (True, True, 2)
    anchor = f"2:{document['last_hash']}"
    acted("audit", "verify", "--anchor", anchor).ok()
    assert "is no anchor" in acted("audit", "verify", "--anchor", "2:x").error(ExitCode.USAGE)

    with sqlite3.connect(acted.home / "queuectl.db") as database:
        database.execute("UPDATE audit SET who = 'nobody' WHERE number = 1")
    database.close()
    changed = acted("audit", "verify")
    assert changed.code == ExitCode.FAILED
    assert "line 1 was changed" in changed.out
    assert changed.err == "warning: the audit was changed: 1 finding\n"
    assert acted("audit", "verify", "--json").document["sound"] is False


def test_without_the_key_verifying_says_what_it_could_not_check(acted: CommandLine) -> None:
    (acted.home / "audit.key").unlink()
    result = acted("audit", "verify")
    assert result.code == ExitCode.PARTLY_DONE
    assert "the seals of 2 lines by the key" in result.out
    assert "every line follows the one before it" in result.out
    assert "not every seal could be checked" in result.err


def test_a_forged_line_is_shown_harmlessly(acted: CommandLine) -> None:
    with sqlite3.connect(acted.home / "queuectl.db") as database:
        database.execute("UPDATE audit SET who = ?, target = ?, before = ?", ("\x1b[2J", "a\u202eb", "{\x07"))
    database.close()
    for arguments in (["list"], ["show", "1"], ["list", "--json"], ["show", "1", "--json"], ["verify"]):
        result = acted("audit", *arguments)
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", result.out + result.err), arguments
