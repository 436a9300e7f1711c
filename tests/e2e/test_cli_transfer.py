"""Export and import as a person types them: files, pipes, questions, exit codes, and a bounded memory."""

from __future__ import annotations

import json
import re
import resource
import stat
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from queuectl.store import tasks
from queuectl.store.database import Database
from tests.support.cli import CommandLine, words
from tests.support.engines import sqlite_url
from tests.support.exports import a_file, put, records_of, task
from tests.support.factories import NODE, NOW
from tests.support.terminal import terminal

MB = 1024 * 1024


@pytest.fixture
def filled(cli: CommandLine) -> CommandLine:
    cli("submit", "https://example.com/1", "https://example.com/2", "--priority", "high").ok()
    cli("submit", "https://example.com/3", "--meta", "author=作者名").ok()
    return cli


@pytest.fixture
def other(home: Path) -> CommandLine:
    """Give another installation."""
    folder = home / "other"
    folder.mkdir()
    return CommandLine(folder)


def test_the_commands_of_the_guide_work(filled: CommandLine, other: CommandLine) -> None:
    done = filled("export", "--queue", "high_priority", "--output", "queue_backup.json").ok()
    assert done.out == "queue_backup.json\n"
    assert "2 tasks exported; sha256 " in done.err
    file = filled.home / "queue_backup.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    came = other("import", file).ok()
    assert words(came) == [["high", "queued", "2", "0"]]
    assert "2 tasks imported, 0 skipped: task_1 to task_2 are now task_1 to task_2" in came.err
    assert other("list", "-q").ok().ids == ["task_2", "task_1"]


def test_without_a_name_the_file_is_named_by_the_time(filled: CommandLine) -> None:
    name = filled("export", "-q").ok().out.strip()
    assert re.fullmatch(r"queuectl-\d{8}T\d{6}Z\.jsonl", name)
    assert (filled.home / name).is_file()


def test_a_file_is_not_replaced_by_accident(filled: CommandLine) -> None:
    put(filled.home, b"precious", "there")
    refused = filled("export", "-o", "there")
    assert "there exists already" in refused.error(ExitCode.REFUSED)
    assert (filled.home / "there").read_bytes() == b"precious"
    filled("export", "-o", "there", "--yes").ok()
    assert len(records_of((filled.home / "there").read_bytes())) == 3
    assert [path.name for path in filled.home.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        ("nowhere/x", ExitCode.USAGE, "there is no folder nowhere"),
        (".", ExitCode.USAGE, ". is a folder"),
        ("/dev/null", ExitCode.USAGE, "/dev/null is not an ordinary file"),
        ("queuectl.db", ExitCode.USAGE, "queuectl.db"),
    ],
)
def test_a_place_that_cannot_be_is_named(filled: CommandLine, target: str, code: int, said: str) -> None:
    assert said in filled("export", "-o", target, "--yes").error(code)


def test_an_export_that_fails_leaves_the_former_file_and_no_other(filled: CommandLine) -> None:
    put(filled.home, b"precious", "there")

    def with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    failed = filled("export", "-o", "there", "--yes", before=with_little_room)
    assert failed.code != ExitCode.DONE
    assert (filled.home / "there").read_bytes() == b"precious"
    assert [path.name for path in filled.home.iterdir() if path.name.endswith(".part")] == []


def test_pipes_carry_an_export_into_an_import(filled: CommandLine, other: CommandLine) -> None:
    piped = filled("export", "-o", "-", "--include", "all").ok()
    assert piped.out.startswith('{"format":"queuectl","version":1,')
    came = other("import", "-", "--json", given=piped.out).ok().document
    assert (came["version"], came["tasks"], came["dry_run"]) == (1, 3, False)
    assert came["created"] == [["task_1", "task_3"]]
    assert came["ids"] == [
        {"old_first": "task_1", "old_last": "task_3", "new_first": "task_1", "new_last": "task_3"}
    ]
    assert other("show", "3", "--json").ok().document["metadata"] == {"author": "作者名"}


def test_an_export_tells_programs_what_it_wrote(filled: CommandLine) -> None:
    told = filled("export", "-o", "x.jsonl", "--state", "queued", "--json").ok().document
    assert (told["path"], told["counts"]["tasks"]) == ("x.jsonl", 3)
    end = json.loads((filled.home / "x.jsonl").read_bytes().splitlines()[-1])["end"]
    assert (end["sha256"], end["counts"]) == (told["sha256"], told["counts"])
    both = filled("export", "-o", "-", "--json")
    assert (both.code, both.out) == (ExitCode.USAGE, "")


def test_filters_say_what_is_exported(filled: CommandLine) -> None:
    def urls(*arguments: str) -> list[str]:
        lines = filled("export", "-o", "-", *arguments).ok().out.encode()
        return [record["task"]["url"][-1] for record in records_of(lines)]

    assert urls("--priority", "high") == ["1", "2"]
    assert urls("task_3", "1") == ["1", "3"]
    assert urls("--url", "com/2") == ["2"]
    assert urls("--state", "dead") == []


def test_a_dry_run_shows_the_difference(filled: CommandLine, other: CommandLine) -> None:
    filled("queue", "pause", "low").ok()
    filled("export", "-o", "x.jsonl", "--include", "all").ok()
    other("submit", "https://example.com/3").ok()
    shown = other("import", filled.home / "x.jsonl", "--dry-run").ok()
    assert words(shown) == [["high", "queued", "2", "0"], ["medium", "queued", "0", "1"]]
    assert re.search(r"low +paused +no +yes", shown.err)
    assert "2 tasks would be imported, 1 skipped; nothing was changed" in shown.err
    assert len(other("list", "-q").ok().ids) == 1


def test_schedules_are_told_of(filled: CommandLine, other: CommandLine) -> None:
    filled("schedule", "add", "https://example.com/feed", "--cron", "0 10 * * *", "--name", "daily").ok()
    file = filled.home / "x.jsonl"
    filled("export", "-o", file, "--include", "schedules").ok()
    assert "1 schedule would be added, 0 skipped: daily" in other("import", file, "--dry-run").ok().err
    assert "1 schedule added, 0 skipped: daily" in other("import", file).ok().err
    assert other("schedule", "show", "daily", "--json").ok().document["cron"] == "0 10 * * *"
    again = other("import", file)
    assert "0 schedules added, 1 skipped" in again.ok().err
    document = other("import", file, "--json", "--on-conflict", "new").ok().document
    assert (document["schedules"], document["schedules_skipped"]) == (["daily-2"], 0)


def test_settings_of_queues_are_not_changed_unasked(filled: CommandLine, other: CommandLine) -> None:
    filled("queue", "pause", "low").ok()
    file = filled.home / "x.jsonl"
    filled("export", "-o", file, "--include", "all").ok()
    refused = other("import", file)
    assert "this would change 1 setting of queues, and nobody can be asked" in refused.error(ExitCode.USAGE)
    assert other("list", "-q").ok().ids == []
    with terminal(other, "import", str(file)) as screen:
        screen.shows("Change 1 setting of queues? [y/N]")
        screen.type("n\r")
        assert screen.end() == ExitCode.REFUSED
    other("import", file, "--yes").ok()
    assert other("queue", "show", "low", "--json").ok().document["paused"] is True


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"https://example.com/\n", "is not an export of queuectl"),
        (a_file([task(1), task(2, score="8")]), "line 3, field task.score: it is not a whole number"),
        (a_file([task(1)])[:-20], "is not JSON"),
        (
            a_file([{"task": {"url": "https://e.org/", "\x1b[31m": 1}}]),
            r"field task.\x1b[31m: there is no such",
        ),
    ],
)
def test_a_bad_file_ends_in_one_line_with_code_ten(cli: CommandLine, content: bytes, said: str) -> None:
    refused = cli("import", put(cli.home, content))
    assert said in refused.error(ExitCode.BAD_INPUT_FILE)
    assert refused.out == ""


def test_conflicts_can_refuse_the_file(filled: CommandLine) -> None:
    filled("export", "-o", "x.jsonl").ok()
    again = filled("import", "x.jsonl").ok()
    assert "0 tasks imported, 3 skipped" in again.err
    refused = filled("import", "x.jsonl", "--on-conflict", "error")
    assert "line 2: task_1 is this task already" in refused.error(ExitCode.REFUSED)
    assert "3 tasks imported" in filled("import", "x.jsonl", "--on-conflict", "new").ok().err


def test_many_tasks_come_and_go_in_bounded_memory(cli: CommandLine, other: CommandLine) -> None:
    many = 20_000
    note = {"note": "x" * 4_000}  # together 80 MB, and several times that as Python's objects
    file = put(cli.home, a_file(task(number, metadata=note) for number in range(1, many + 1)))

    def in_little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (160 * MB, 160 * MB))

    assert cli("import", file, "--json", before=in_little_memory).ok().document["tasks"] == many
    cli("export", "-o", "out.jsonl", before=in_little_memory).ok()
    with (cli.home / "out.jsonl").open("rb") as lines:
        assert sum(1 for _ in lines) == many + 2


def test_a_copied_database_goes_on_where_the_other_stopped(cli: CommandLine, other: CommandLine) -> None:
    for line in (cli, other):
        line.configure('[handlers.quick]\ncommand = ["true"]\n')
    ids = cli("submit", "https://e.org/1", "https://e.org/2", "--handler", "quick").ok().ids
    database = Database(sqlite_url(cli.home))
    with database.writing() as transaction:  # its daemon has died while it ran this one
        assert tasks.start(transaction, "medium_priority", 1, node=NODE, now=NOW)[0]
    database.close()
    copied = cli("db", "copy", "--to", sqlite_url(other.home)).ok()
    assert ["tasks", "2"] in words(copied)
    assert f"use them with DATABASE_URL={sqlite_url(other.home)}" in copied.err
    other.start_daemon()
    assert other("wait", *ids, "--timeout", "60").code == 0
    refused = other("db", "copy", "--to", "sqlite:///third.db")
    assert "a daemon runs in" in refused.error(ExitCode.REFUSED)
    other.stop_daemon()
    assert "is in use already" in cli("db", "copy", "--to", sqlite_url(other.home)).error(ExitCode.REFUSED)
