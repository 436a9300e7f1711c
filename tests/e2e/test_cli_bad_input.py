"""Whatever is typed or configured wrongly ends in one line that names it, a hint, the right code, and no change."""

from __future__ import annotations

import json
import os
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, UNREACHABLE_PORT, CommandLine, obey_permissions

URL = "https://example.com/article"

REFUSED: dict[str, tuple[Sequence[str], str]] = {
    "no web address": (["submit", "ftp://example.com/"], "'ftp://example.com/'"),
    "no scheme": (["submit", "example.com/a"], "'example.com/a'"),
    "no host": (["submit", "https:///path"], "has no host"),
    "a space": (["submit", "https://example.com/a b"], "has a space inside"),
    "10 kB": (["submit", "https://example.com/" + "x" * 10_000], "is longer than"),
    "control characters": (["submit", "https://example.com/\x1b[31m\x07"], "control character"),
    "one bad among good ones": (["submit", URL, URL + "2", "nonsense"], "'nonsense'"),
    "unknown priority": (["submit", URL, "--priority", "hihg"], "unknown priority 'hihg'"),
    "score no number": (["submit", URL, "--score", "high"], "--score"),
    "score no integer": (["submit", URL, "--score", "1.5"], "--score"),
    "score out of range": (["submit", URL, "--score", "99999999"], "99999999"),
    "score and priority": (["submit", URL, "--score", "5", "--priority", "low"], "--score"),
    "no date": (["submit", URL, "--schedule", "soonish"], "'soonish' is not a time"),
    "impossible date": (["submit", URL, "--schedule", "2027-02-30"], "2027-02-30"),
    "ambiguous date": (["submit", URL, "--schedule", "01/02/2027"], "two days"),
    "no duration": (["submit", URL, "--in", "tomorrow"], "'tomorrow' is not a duration"),
    "endless duration": (["submit", URL, "--in", "9999999999w"], "9999999999w"),
    "date and duration": (["submit", URL, "--in", "1h", "--schedule", "2027-01-01"], "--schedule"),
    "metadata": (["submit", URL, "--meta", "author"], "'author' is not KEY=VALUE"),
    "handler": (["submit", URL, "--handler", "none"], "no handler 'none'"),
    "timeout": (["submit", URL, "--timeout", "-1"], "timeout -1"),
    "memory limit": (["submit", URL, "--memory-limit", "1"], "memory limit 1"),
    "retries": (["submit", URL, "--max-retries", "-1"], "retries -1"),
    "no URL": (["submit"], "URL"),
    "unknown command": (["sumbit", URL], "'sumbit'"),
    "unknown subcommand": (["queue", "lst"], "'lst'"),
    "no subcommand": (["queue"], "list, show, set, pause, resume"),
    "unknown option": (["submit", URL, "--priorty", "high"], "--priorty"),
    "state": (["list", "--state", "done"], "no state 'done'"),
    "limit": (["list", "--limit", "0"], "--limit"),
    "endless limit": (["list", "--limit", "9" * 30], "--limit"),
    "endless limit of a verb": (["cancel", "--queue", "low", "--limit", "9" * 30], "--limit"),
    "endless limit of dead letters": (["dead", "list", "--limit", "9" * 30], "--limit"),
    "endless limit of events": (["events", "--limit", "9" * 30], "--limit"),
    "limit beyond a list": (["dead", "list", "--limit", "100001"], "100,001"),
    "no such user": (["backup", "~nobody-of-this-name/x"], "~nobody-of-this-name/x"),
    "no such user to restore": (["restore", "~nobody-of-this-name/x"], "~nobody-of-this-name/x"),
    "batch start": (["batch", "urls.txt", "--start-at", "never"], "'never' is not a time"),
    "batch interval": (["batch", "urls.txt", "--interval", "-5"], "-5"),
    "duplicates": (["batch", "urls.txt", "--on-duplicate", "keep"], "--on-duplicate"),
    "nobody to ask": (["clear-queue", "medium"], "--yes"),
    "watching a pipe": (["status", "--watch"], "needs a terminal"),
    "home without value": (["list", "--home"], "--home needs a value"),
}

HINTS = {
    "unknown command": "did you mean submit?",
    "unknown subcommand": "did you mean list?",
    "unknown option": "did you mean --priority?",
    "unknown priority": "urgent, high, medium, low, background",
    "state": "succeeded",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_usage_error_names_what_is_wrong_and_changes_nothing(cli: CommandLine, name: str) -> None:
    arguments, named = REFUSED[name]
    (cli.home / "urls.txt").write_text(URL)
    if name == "nobody to ask":
        cli("submit", URL, "-q").ok()
    before = cli.states()
    result = cli(*arguments)
    text = result.error(ExitCode.USAGE)
    assert result.out == ""
    assert named in text
    assert HINTS.get(name, "") in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) < 700
    assert cli.states() == before


NO_TEXT = {
    "a URL": [b"submit", b"https://example.com/\xff"],
    "metadata": [b"submit", b"https://example.com/", b"--meta", b"author=\xe9"],
    "a filter": [b"list", b"--url", b"\xff"],
    "one of several": [b"list", b"--state", b"dead", b"--state", b"\xff"],
    "a name": [b"batch", b"urls.txt", b"--name", b"\xff"],
    "a handler": [b"submit", b"https://example.com/", b"--handler", b"\xff"],
    "a selector of letters": [b"dead", b"list", b"--error", b"\xff"],
}


@pytest.mark.parametrize("name", NO_TEXT)
def test_arguments_that_are_no_text_are_refused(cli: CommandLine, name: str) -> None:
    (cli.home / "urls.txt").write_text(URL)
    result = cli(*map(os.fsdecode, NO_TEXT[name]))
    assert "is not UTF-8 text" in result.error(ExitCode.USAGE)
    assert cli.states() == []


def test_a_file_may_have_any_name(cli: CommandLine) -> None:
    folder = os.fsencode(cli.home)
    urls, copy, exported = (
        os.fsdecode(folder + name) for name in (b"/urls\xff", b"/backup\xff", b"/tasks\xff")
    )
    Path(urls).write_text(URL)
    cli("batch", urls).ok()
    cli("export", "--output", exported).ok()
    cli("import", exported, "--dry-run").ok()
    cli("backup", copy).ok()
    cli("restore", copy, "--yes").ok()
    assert cli.states() == ["queued"]


UNKNOWN = {
    "batch id": (["list", "--batch", "x"], "'x' is not a batch id"),
    "task": (["show", "99"], "there is no task task_99"),
    "no task id": (["show", "batch_1"], "'batch_1' is not a task id"),
    "task to cancel": (["cancel", "99"], "there is no task task_99"),
    "task to wait for": (["wait", "99"], "there is no task task_99"),
    "queue": (["queue", "pause", "hihg"], "there is no queue 'hihg'"),
    "queue to clear": (["clear-queue", "hihg", "--yes"], "there is no queue 'hihg'"),
    "dead letter": (["dead", "show", "99"], "there is no dead letter 99"),
    "no dead letter": (["dead", "show", "x"], "'x' is not"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_does_not_exist_is_named(cli: CommandLine, name: str) -> None:
    arguments, named = UNKNOWN[name]
    assert named in cli(*arguments).error(ExitCode.NOT_FOUND)


def test_a_task_in_the_wrong_state_is_refused(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    assert "cannot be retried: it is queued" in cli("retry", "1").error(ExitCode.REFUSED)
    cli("cancel", "1").ok()
    assert "task_1 has ended already: it is cancelled" in cli("cancel", "task_1").error(ExitCode.REFUSED)


def test_a_duplicate_is_refused_where_it_should_be_unique(cli: CommandLine) -> None:
    cli("submit", URL, "--unique").ok()
    assert URL in cli("submit", URL, "--unique").error(ExitCode.REFUSED)
    assert cli.states() == ["queued"]


FILES = {
    "empty": (b"", "is empty"),
    "comments only": (b"# nothing\n\n", "only comments"),
    "binary": (b"\x7fELF\0\0\1", "not a text file"),
    "other encoding": ("https://example.com/\n# 文章".encode("gb18030"), "line 2"),
    "utf-16": ("https://example.com/".encode("utf-16"), "UTF-16"),
    "one line of a megabyte": (b"https://example.com/" + b"x" * 1_000_000, "no line of it is acceptable"),
    "nothing acceptable": (b"foo\nbar\n", "no line of it is acceptable"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_used_changes_nothing(cli: CommandLine, name: str) -> None:
    content, named = FILES[name]
    file = cli.home / "urls.txt"
    file.write_bytes(content)
    result = cli("batch", file)
    text = result.error(ExitCode.BAD_INPUT_FILE)
    assert named in text
    assert str(file) in text
    assert result.out == ""
    assert len(result.err) < 1000
    assert cli.states() == []


def test_a_missing_file_and_a_folder_are_refused(cli: CommandLine) -> None:
    assert "there is no file" in cli("batch", cli.home / "none.txt").error(ExitCode.BAD_INPUT_FILE)
    assert "is a folder" in cli("batch", cli.home).error(ExitCode.BAD_INPUT_FILE)


def test_an_unreadable_file_is_refused(cli: CommandLine) -> None:
    file = cli.home / "urls.txt"
    file.write_text(URL)
    file.chmod(0)
    result = cli("batch", file, before=obey_permissions)
    assert "cannot be read: Permission denied" in result.error(ExitCode.BAD_INPUT_FILE)


def test_bad_lines_are_reported_with_their_numbers_and_good_ones_accepted(cli: CommandLine) -> None:
    lines = [
        URL,
        "foo",
        "# comment",
        "x" * 1_000_000,
        '{"url": "https://a.test/", "prio": 1}',
        URL + "2",
        URL,
    ]
    result = cli("batch", "-", given="\n".join(lines))
    assert result.code == ExitCode.PARTLY_DONE
    assert result.ids == ["batch_1"]
    said = result.err.splitlines()
    assert said[0].startswith("line 2: the URL 'foo'")
    assert said[1] == "line 4: the line is longer than 64 KiB"
    assert said[2].startswith("line 5: unknown field 'prio'")
    assert said[3] == "2 accepted, 1 duplicate, 3 invalid"
    assert cli.states() == ["queued", "queued"]


def test_on_duplicate_error_submits_nothing(cli: CommandLine) -> None:
    result = cli("batch", "-", "--on-duplicate", "error", given=f"{URL}\n{URL}2\n{URL}\n")
    assert URL in result.error(ExitCode.REFUSED)
    assert cli.states() == []


def test_a_past_date_is_accepted_and_runs_now(cli: CommandLine) -> None:
    result = cli("submit", URL, "--schedule", "2024-12-25 10:00:00").ok()
    assert result.ids == ["task_1"]
    assert "2024-12-25 10:00:00 UTC has passed, so it runs now" in result.err
    assert cli.states() == ["queued"]


# Services and settings.


def test_an_unreachable_database_is_named_without_its_password(cli: CommandLine) -> None:
    cli.variables["DATABASE_URL"] = f"postgresql://me:canary@127.0.0.1:{UNREACHABLE_PORT}/queue"
    for arguments in (["submit", URL], ["status"], ["list", "--json"], ["db", "init"], ["demo"]):
        result = cli(*arguments)
        assert result.code == ExitCode.UNREACHABLE, result
        assert f"127.0.0.1:{UNREACHABLE_PORT}" in result.err
        assert "canary" not in result.err + result.out
        assert "Traceback" not in result.err


def test_a_database_newer_than_the_program_is_refused(cli: CommandLine) -> None:
    cli("db", "init").ok()
    with sqlite3.connect(cli.home / "queuectl.db") as database:
        database.execute("INSERT INTO migrations VALUES (99, 'later', 0, '9.9')")
    database.close()
    for arguments in (["submit", URL], ["status"], ["db", "migrate"]):
        text = cli(*arguments).error(ExitCode.UNREACHABLE)
        assert "newer than this queuectl" in text
        assert "upgrade queuectl" in text


def test_a_file_that_is_no_database_is_refused(cli: CommandLine) -> None:
    (cli.home / "queuectl.db").write_bytes(b"something else altogether " * 100)
    assert str(cli.home / "queuectl.db") in cli("submit", URL).error(ExitCode.UNREACHABLE)


def test_an_unreachable_redis_keeps_nobody_from_submitting(cli: CommandLine) -> None:
    cli.variables["REDIS_URL"] = f"redis://:canary@127.0.0.1:{UNREACHABLE_PORT}/0"
    result = cli("submit", URL).ok()
    assert result.ids == ["task_1"]
    assert "daemon" in result.err
    findings = {each["name"]: each for each in cli("doctor", "--json").document["checks"]}
    assert not findings["redis"]["ok"]
    assert "REDIS_URL" in findings["redis"]["hint"]
    assert "canary" not in json.dumps(findings)


def test_a_port_where_something_else_answers_is_no_redis(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        cli.variables["REDIS_URL"] = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        findings = {each["name"]: each for each in cli("doctor", "--json").document["checks"]}
    assert not findings["redis"]["ok"]


def test_a_full_disk_is_named_and_leaves_nothing_half_done(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    (cli.home / "urls.txt").write_text("".join(f"https://example.com/{number}\n" for number in range(20_000)))

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))

    text = cli("batch", "urls.txt", before=small_files).error(ExitCode.UNREACHABLE)
    assert "queuectl.db" in text
    assert "free some space" in text
    assert cli.states() == ["queued"]
    cli("submit", URL + "2").ok()


def test_what_was_accepted_before_an_error_is_told(cli: CommandLine) -> None:
    urls = [f"{URL}/{number}" for number in range(60)]
    meta = ["--meta", "note=" + "x" * 3_000]

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))

    cli("db", "init").ok()
    result = cli("submit", *urls, *meta, before=small_files)
    text = result.error(ExitCode.PARTLY_DONE)
    number = len(result.ids)
    assert 0 < number < 60
    assert result.ids == [f"task_{each}" for each in range(1, number + 1)]
    assert f"{number} of 60 URLs submitted; not from {urls[number]} on: " in text
    assert "free some space" in text
    assert cli.states() == ["queued"] * number
    as_json = cli("submit", *urls, *meta, "--json", "--wait", before=small_files)
    assert as_json.code == ExitCode.PARTLY_DONE
    tasks = [each["task_id"] for each in as_json.document["tasks"]]
    assert tasks == [f"task_{number + each}" for each in range(1, len(tasks) + 1)]
    assert as_json.document["not_tried"] == urls[len(tasks) :]
    assert json.loads(as_json.err)["error"]["exit_code"] == ExitCode.PARTLY_DONE


def test_full_standard_output_is_an_error_and_no_traceback(cli: CommandLine) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAMS / "queuectl", "queue", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=cli.environment(),
            check=False,
        )
    assert done.returncode == ExitCode.UNREACHABLE
    assert done.stderr.decode().startswith("queuectl: standard output cannot be written: No space left")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["submit", URL], ["status"], ["daemon", "start"]], ids=" ".join)
def test_a_home_that_cannot_be_written_is_named(cli: CommandLine, arguments: list[str]) -> None:
    closed = cli.home / "closed"
    closed.mkdir(mode=0o500)
    cli.variables["QUEUECTL_HOME"] = str(closed)
    result = cli(*arguments, before=obey_permissions)
    assert result.code == ExitCode.UNREACHABLE, result
    assert str(closed) in result.err
    assert "hint: " in result.err
    assert "Traceback" not in result.err
    assert list(closed.iterdir()) == []


def test_a_home_below_a_file_is_named(cli: CommandLine) -> None:
    (cli.home / "file").touch()
    cli.variables["QUEUECTL_HOME"] = str(cli.home / "file" / "home")
    assert "Not a directory" in cli("submit", URL).error(ExitCode.UNREACHABLE)


def test_three_mistakes_in_the_settings_are_reported_at_once(cli: CommandLine) -> None:
    cli.configure('workers = "many"\ntimezon = "UTC"\n')
    cli.variables["QUEUECTL_LOG_LEVEL"] = "loud"
    for arguments in (
        ["status"],
        ["submit", URL],
        ["config", "check"],
        ["daemon", "start"],
        ["daemon", "run"],
    ):
        result = cli(*arguments)
        text = result.error(ExitCode.BAD_CONFIGURATION)
        head, *problems, hint = text.splitlines()
        assert head == "queuectl: the configuration has 3 mistakes:"
        assert [each.split()[1].strip("'") for each in problems] == ["workers", "timezon", "log_level"]
        assert str(cli.home / "queuectl.toml") in problems[0]
        assert "did you mean timezone?" in problems[1]
        assert "QUEUECTL_LOG_LEVEL" in problems[2]
        assert hint == "hint: correct this, then see: queuectl config check"
        assert result.out == ""
    assert not (cli.home / "queuectl.db").exists()
    error = json.loads(cli("status", "--json").err)["error"]
    assert len(error["problems"]) == 3
    assert error["exit_code"] == ExitCode.BAD_CONFIGURATION


def test_a_mistyped_variable_is_worth_a_warning(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_WORKER"] = "9"
    result = cli("queue", "list").ok()
    assert "did you mean QUEUECTL_WORKERS?" in result.err
    assert cli("queue", "list", "-q").ok().err == ""
