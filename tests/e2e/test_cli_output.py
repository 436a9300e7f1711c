"""What commands write: data on standard output and nothing else, in the shapes that the contract fixes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queuectl import __version__
from queuectl.errors import ExitCode
from tests.support.cli import PROGRAMS, CommandLine, words
from tests.support.guard import guard

URL = "https://example.com/article"

TASK_FIELDS = {
    "id", "url", "state", "queue", "priority", "priority_score", "batch_id", "attempt", "max_retries", "created_at",
    "run_at", "started_at", "finished_at", "error", "result", "metadata",
}  # fmt: skip
QUEUE_FIELDS = {
    "name", "paused", "max_size", "rate_limit", "waiting", "scheduled", "running", "succeeded", "dead", "cancelled",
}  # fmt: skip


def test_submit_prints_the_shape_of_the_contract(cli: CommandLine) -> None:
    assert cli("submit", URL, "--priority", "high", "--json").ok().document == {
        "version": 1,
        "task_id": "task_1",
        "state": "queued",
        "queue": "high_priority",
        "priority_score": 8,
        "run_at": None,
    }


def test_submit_prints_the_planned_time_in_utc(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_TIMEZONE"] = "Asia/Shanghai"
    found = cli("submit", URL, "--schedule", "2999-12-25 10:00:00", "--json").ok().document
    assert (found["state"], found["run_at"]) == ("scheduled", "2999-12-25T02:00:00.000Z")
    said = cli("submit", URL, "--schedule", "2999-12-25 10:00:00").ok().err
    assert "scheduled in medium_priority with score 5 for 2999-12-25 10:00:00 +08:00" in said


def test_several_urls_give_several_tasks(cli: CommandLine) -> None:
    assert cli("submit", URL, URL + "2").ok().ids == ["task_1", "task_2"]
    partly = cli("submit", URL + "3", URL, "--unique", "--json")
    assert (partly.code, partly.err) == (ExitCode.PARTLY_DONE, "")
    assert [each["task_id"] for each in partly.document["tasks"]] == ["task_3"]
    assert partly.document["refused"][0]["url"] == URL
    told = cli("submit", URL + "4", URL, "--unique")
    assert (told.code, told.ids) == (ExitCode.PARTLY_DONE, ["task_4"])
    assert f"warning: {URL}: an open task" in told.err


def test_show_prints_every_field_of_a_task(cli: CommandLine) -> None:
    cli("batch", "-", given='{"url": "https://a.test/文", "score": 15, "metadata": {"author": "作者"}}').ok()
    found = cli("show", "1", "--json").ok().document
    assert set(found) >= TASK_FIELDS | {"version", "attempts"}
    assert found["id"] == "task_1"
    assert found["batch_id"] == "batch_1"
    assert (found["queue"], found["priority"], found["priority_score"]) == ("urgent_priority", "urgent", 15)
    assert found["metadata"] == {"author": "作者"}
    assert found["created_at"].endswith("Z")
    assert found["attempts"] == []


def test_status_prints_queues_totals_and_daemon(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    cli("queue", "pause", "low").ok()
    found = cli("status", "--json").ok().document
    assert [queue["name"] for queue in found["queues"]] == [
        f"{name}_priority" for name in ("urgent", "high", "medium", "low", "background")
    ]
    assert all(set(queue) >= QUEUE_FIELDS for queue in found["queues"])
    assert found["totals"]["waiting"] == 1
    assert found["daemon"] == {"running": False, "per_minute": 0, "nodes": []}
    assert [alert["hint"] for alert in found["alerts"]] == [
        "queuectl daemon start",
        "queuectl queue resume low",
    ]


def test_a_batch_prints_its_receipt(cli: CommandLine) -> None:
    found = cli("batch", "-", "--json", given=f"{URL}\n{URL}\nfoo\n").document
    assert found.pop("rejected")[0].keys() == {"line", "text", "reason"}
    expected = {"batch_id": "batch_1", "accepted": 1, "duplicates": 1, "invalid": 1, "dry_run": False}
    assert found == {"version": 1, **expected}
    dry = cli("batch", "-", "--json", "--dry-run", given=f"{URL}2\n").ok().document
    assert (dry["batch_id"], dry["accepted"], dry["dry_run"]) == (None, 1, True)
    assert cli.states() == ["queued"]


EVERY_COMMAND = [
    ["submit", URL],
    ["batch", "urls.txt"],
    ["batch", "urls.txt", "--dry-run"],
    ["list"],
    ["list", "--state", "dead"],
    ["list", "--sort", "finished"],
    ["count"],
    ["count", "--by", "host"],
    ["show", "1"],
    ["logs", "1"],
    ["events"],
    ["reprioritize", "1", "--score", "7"],
    ["reprioritize", "--host", "example.com", "-p", "low", "--yes"],
    ["cancel", "1"],
    ["cancel", "--queue", "medium", "--yes"],
    ["cancel", "--queue", "medium", "--dry-run"],
    ["retry", "--state", "cancelled", "--yes"],
    ["retry", "2"],
    ["status"],
    ["queue", "list"],
    ["queue", "show", "low"],
    ["queue", "pause", "low"],
    ["queue", "resume", "low"],
    ["clear-queue", "low", "--yes"],
    ["clear-queue", "low", "--dry-run"],
    ["schedule", "add", "file://urls.txt", "--cron", "@daily"],
    ["schedule", "list"],
    ["schedule", "show", "daily"],
    ["schedule", "pause", "daily"],
    ["schedule", "resume", "daily"],
    ["schedule", "run-now", "daily"],
    ["schedule", "preview", "daily"],
    ["schedule", "remove", "daily", "--yes"],
    ["dead", "list"],
    ["dead", "list", "--group"],
    ["dead", "resurrect", "--all", "--yes"],
    ["dead", "purge", "--days", "1", "--yes"],
    ["explain", "1"],
    ["explain", "2"],
    ["batches"],
    ["batch-status", "1"],
    ["daemon", "status"],
    ["daemon", "stop"],
    ["db", "init"],
    ["db", "migrate"],
    ["db", "check"],
    ["db", "check", "--repair"],
    ["db", "vacuum"],
    ["backup", "a.backup"],
    ["restore", "made.backup", "--dry-run"],
    ["restore", "made.backup", "--yes"],
    ["cleanup", "--days", "0", "--dry-run"],
    ["cleanup", "--days", "0", "--yes"],
    ["articles", "rebuild"],
    ["config", "show"],
    ["config", "check"],
    ["config", "path"],
    ["doctor"],
    ["wait", "2"],
]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make a home with one waiting task, one cancelled one, an input file, and a schedule that reads it."""
    folder = guard.new_folder()
    cli = CommandLine(folder)
    (folder / "urls.txt").write_text(f"{URL}\n")
    cli("submit", URL, URL + "2").ok()
    cli("cancel", "2").ok()
    cli("batch", "urls.txt", "--on-duplicate", "allow", "--interval", "30").ok()
    cli("schedule", "add", "file://urls.txt", "--cron", "@daily", "--name", "daily").ok()
    cli("backup", "made.backup").ok()
    yield folder
    guard.remove_folder(folder)


@pytest.fixture
def prepared(cli: CommandLine, template: Path) -> CommandLine:
    """Give the command line in a copy of the prepared home."""
    shutil.copytree(template, cli.home, dirs_exist_ok=True)
    return cli


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_with_json_standard_output_is_one_document(prepared: CommandLine, arguments: list[str]) -> None:
    result = prepared("--json", *arguments)
    assert result.document["version"] == 1
    assert result.err == ""


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_in_a_pipe_nothing_is_coloured_and_nothing_fails(prepared: CommandLine, arguments: list[str]) -> None:
    result = prepared(*arguments)
    assert "\x1b" not in result.out + result.err
    assert "Traceback" not in result.err
    assert result.code in {
        ExitCode.DONE,
        ExitCode.FAILED,
        ExitCode.DAEMON_NOT_RUNNING,
        ExitCode.AWAITED_TASK_FAILED,
    }


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_quiet_means_that_nothing_is_said(prepared: CommandLine, arguments: list[str]) -> None:
    assert prepared(*arguments, "-q").err == ""


def test_an_error_is_a_document_too(cli: CommandLine) -> None:
    result = cli("show", "99", "--json")
    assert (result.code, result.out) == (ExitCode.NOT_FOUND, "")
    assert json.loads(result.err) == {
        "version": 1,
        "error": {
            "kind": "TaskNotFoundError",
            "message": "there is no task task_99",
            "hint": "see: queuectl list",
            "exit_code": 4,
        },
    }
    usage = json.loads(cli("--json", "submit").err)["error"]
    assert usage["exit_code"] == ExitCode.USAGE


def test_global_options_work_on_both_sides(cli: CommandLine) -> None:
    other = cli.home / "other"
    cli("submit", URL, "--home", other).ok()
    assert cli.states() == []
    assert cli("--home", other, "list", "-q").ok().ids == ["task_1"]
    assert cli("list", "-q", f"--home={other}").ok().ids == ["task_1"]
    assert cli("submit", "--", "--json").code == ExitCode.USAGE


def test_a_pipe_gets_plain_aligned_columns(prepared: CommandLine) -> None:
    result = prepared("list").ok()
    assert result.out.splitlines()[0].split() == ["ID", "STATE", "QUEUE", "SCORE", "RUNS", "WHEN", "URL"]
    assert [row[:2] for row in words(result)] == [
        ["task_3", "queued"],
        ["task_2", "cancelled"],
        ["task_1", "queued"],
    ]
    assert all(line == line.rstrip() for line in result.out.splitlines())


def test_filters_select(cli: CommandLine) -> None:
    cli("submit", "https://a.test/x", "-p", "urgent").ok()
    cli("submit", "https://b.test/y", "-p", "low").ok()
    cli("batch", "-", given="https://a.test/z\n").ok()
    cli("cancel", "2").ok()

    def found(*arguments: str) -> list[str]:
        return cli("list", "-q", *arguments).ok().ids

    assert found("--state", "cancelled") == ["task_2"]
    assert found("--queue", "urgent", "--queue", "low_priority") == ["task_2", "task_1"]
    assert found("--priority", "medium") == ["task_3"]
    assert found("--host", "a.test") == ["task_3", "task_1"]
    assert found("--url", "/y") == ["task_2"]
    assert found("--batch", "batch_1") == ["task_3"]
    assert found("--limit", "1") == ["task_3"]
    assert found("--since", "1h") == ["task_3", "task_2", "task_1"]
    assert found("--until", "1h") == []
    assert found("--state", "queued", "--host", "a.test", "--queue", "medium") == ["task_3"]


def test_text_from_outside_cannot_steer_the_terminal(cli: CommandLine) -> None:
    evil = {"note": "\x1b]0;owned\x07\x9b31m\u202egnp\u200b\u2028[/red]"}
    cli("batch", "-", given=json.dumps({"url": URL, "metadata": evil})).ok()
    shown = cli("show", "1").ok().out
    assert "\\x1b]0;owned\\x07" in shown or "\\u001b" in shown
    raw = cli("show", "1", "--json").ok()
    assert raw.document["metadata"] == evil
    for text in (shown, raw.out):
        assert not set("\x1b\x07\x9b\u202e\u200b\u2028") & set(text)


def test_a_reader_that_goes_away_ends_the_command_quietly(cli: CommandLine) -> None:
    cli("batch", "-", given="".join(f"https://a.test/{number}\n" for number in range(3000))).ok()
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [PROGRAMS / "queuectl", "list", "--limit", "3000"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=cli.environment(),
        check=False,
    )
    os.close(write)
    assert done.stderr == b""
    assert done.returncode == ExitCode.FAILED


def test_a_bug_is_one_line_and_a_traceback_only_where_asked_for(cli: CommandLine) -> None:
    program = (
        "import sys, queuectl.cli.app as app; app._run = lambda *_: 1 / 0; sys.exit(app.main(sys.argv[1:]))"
    )

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=cli.environment(), check=False)

    plain = run("status")
    assert plain.returncode == ExitCode.FAILED
    first, second = plain.stderr.splitlines()
    assert first == "queuectl: internal error: ZeroDivisionError: division by zero"
    assert second.startswith("hint: this is a bug: report it")
    assert "ZeroDivisionError" in run("status", "--debug").stderr.split("Traceback", 1)[1]


def test_the_version_and_the_help_need_no_home(cli: CommandLine) -> None:
    cli.configure("this is not TOML")
    assert cli("--version").ok().out == f"queuectl {__version__}\n"
    main = cli("--help").ok().out
    assert "queuectl submit https://example.com/article" in main
    assert cli().ok().out == main
    for name in ("submit", "batch", "status", "daemon", "demo"):
        text = cli(name, "--help").ok().out
        assert name in text
    assert "Examples:" in cli("submit", "-h").ok().out


HEAVY = {
    "redis", "dramatiq", "apscheduler", "httpx2", "lxml", "trafilatura", "dateparser", "prometheus_client", "pydantic",
    "multiprocessing", "asyncio",
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "also"),
    [
        (["--help"], {"rich", "peewee", "sqlite3", "psutil", "zoneinfo"}),
        (["submit", "--help"], {"rich", "peewee", "sqlite3", "psutil"}),
        (["status"], {"rich", "psutil", "difflib.x"}),
        (["list"], {"rich", "psutil"}),
        (["submit", URL], {"rich", "psutil"}),
        (["submit", URL, "--in", "90m"], {"rich", "psutil"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_quick_command_loads_nothing_that_is_slow(
    cli: CommandLine, arguments: list[str], also: set[str]
) -> None:
    program = (
        "import sys\nfrom queuectl.cli.app import main\ncode = main(sys.argv[1:])\n"
        "sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=cli.environment(),
        check=False,
    )
    loaded = set(done.stderr.split("LOADED ")[1].split())
    assert done.returncode == 0
    assert sorted(loaded & (HEAVY | also)) == []
