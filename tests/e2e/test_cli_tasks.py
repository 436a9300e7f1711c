"""Tasks from the command line with a daemon at work: wait for them, look at them, stop them, send them back."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.waiting import wait_until

URL = "https://example.com/article"
CONFIG = "retry_backoff = 0.1\n" + "".join(
    f'[handlers.{name}]\ncallable = "tests.support.sample_handlers:{name}"\nisolation = "thread"\n'
    for name in (
        "echo",
        "fail",
        "fail_until",
        "fail_with_nasty_text",
        "refuse",
        "patient",
        "progress",
        "sleep",
    )
)


@pytest.fixture
def busy(cli: CommandLine) -> CommandLine:
    """Give the command line with a running daemon."""
    cli.configure(CONFIG)
    cli.start_daemon()
    return cli


def line(handler: str, **metadata: object) -> str:
    return json.dumps({"url": URL, "handler": handler, "metadata": metadata})


def test_submit_and_wait_returns_the_result(busy: CommandLine) -> None:
    result = busy("submit", URL, "--handler", "echo", "--meta", "author=作者", "--wait", "--json").ok()
    assert result.document["state"] == "succeeded"
    assert result.document["result"]["metadata"] == {"author": "作者"}
    told = busy("submit", URL, "--handler", "echo", "--wait").ok()
    assert told.ids == ["task_2"]
    assert "task_2 succeeded" in told.err


def test_waiting_for_a_task_that_fails_ends_with_seven(busy: CommandLine) -> None:
    result = busy("submit", URL, "--handler", "fail", "--max-retries", "0", "--wait")
    assert result.code == ExitCode.AWAITED_TASK_FAILED
    assert result.ids == ["task_1"]
    assert "task_1: ValueError: it failed" in result.err
    waited = busy("wait", "1", "--json")
    assert waited.code == ExitCode.AWAITED_TASK_FAILED
    assert waited.document["tasks"][0]["state"] == "dead"


def test_show_has_the_timeline_of_all_attempts(busy: CommandLine) -> None:
    busy("batch", "-", given=line("fail_until", attempt=3)).ok()
    busy("wait", "1", "--timeout", "30").ok()
    found = busy("show", "1", "--json").ok().document
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["failed", "failed", "succeeded"]
    assert all(attempt["started_at"] <= attempt["finished_at"] for attempt in found["attempts"])
    plain = busy("show", "1").ok().out
    assert plain.count("attempt 1 fails") == 1


def test_a_dead_task_is_listed_explained_and_sent_back(busy: CommandLine) -> None:
    busy("submit", URL, "--handler", "refuse", "--wait")
    (letter,) = busy("dead", "list", "--json").ok().document["dead_letters"]
    assert (letter["task_id"], letter["cause"], letter["url"]) == ("task_1", "refused", URL)
    shown = busy("dead", "show", str(letter["id"])).ok()
    assert "never" in shown.out
    assert "queuectl retry task_1" in shown.err
    assert busy("retry", "1").ok().ids == ["task_1"]
    wait_until(lambda: busy.states() == ["dead"], describing="the second death")


def test_a_running_task_is_cancelled_within_seconds(busy: CommandLine) -> None:
    busy("batch", "-", given=line("patient", seconds=60)).ok()
    wait_until(lambda: busy.states() == ["running"], describing="the task to run")
    told = busy("cancel", "1").ok().err
    assert told == "task_1 is asked to stop; its handler runs in a thread and ends by its own will\n"
    assert busy("wait", "1", "--timeout", "20").code == ExitCode.AWAITED_TASK_FAILED
    assert busy.states() == ["cancelled"]


def test_some_of_several_tasks_can_be_cancelled(cli: CommandLine) -> None:
    cli("submit", URL, URL + "2", URL + "3").ok()
    cli("cancel", "2").ok()
    result = cli("cancel", "1", "2", "3", "99", "--yes")
    assert result.code == ExitCode.PARTLY_DONE
    assert result.ids == ["task_1", "task_3"]
    assert "2 of 4 tasks cancelled" in result.err
    as_json = cli("retry", "1", "99", "--yes", "--json")
    assert as_json.code == ExitCode.PARTLY_DONE
    assert [task["id"] for task in as_json.document["tasks"]] == ["task_1"]
    assert [(each["id"], each["outcome"]) for each in as_json.document["failed"]] == [("task_99", "missing")]


def test_waiting_ends_after_its_time_and_leaves_the_task(cli: CommandLine) -> None:
    result = cli("submit", URL, "--wait", "--wait-timeout", "0.2", "--json")
    assert result.code == ExitCode.TIMED_OUT
    assert result.document["task_id"] == "task_1"
    assert "task_1 is still queued" in json.loads(result.err)["error"]["message"]
    assert "no daemon is running" in cli("wait", "1", "--timeout", "0.1").err
    assert cli.states() == ["queued"]


def test_an_interrupted_wait_leaves_the_task_and_says_so(cli: CommandLine) -> None:
    with cli.running("submit", URL, "--wait", variables={"PYTHONUNBUFFERED": "1"}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"task_1\n"
        assert b"queued" in process.stderr.readline()
        assert b"no daemon" in process.stderr.readline()
        wait_until(lambda: b"wait" in process_state(process.pid), describing="the command to wait")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert err.decode().strip() == "no longer waiting; the tasks go on"
    assert cli.states() == ["queued"]


def process_state(pid: int) -> bytes:
    """Return b"wait" once a process sleeps, which this one does between two looks."""
    import psutil

    return b"wait" if psutil.Process(pid).status() == psutil.STATUS_SLEEPING else b""


def test_status_shows_running_tasks_with_their_progress(busy: CommandLine) -> None:
    busy("batch", "-", given=line("patient", seconds=60)).ok()
    wait_until(lambda: busy.states() == ["running"], describing="the task to run")
    (running,) = busy("status", "--json").ok().document["running"]
    assert (running["id"], running["queue"]) == ("task_1", "medium_priority")
    assert running["elapsed_ms"] >= 0
    text = busy("status").ok().out
    assert "task_1" in text
    assert "1 of 8 workers busy" in text
    busy("cancel", "1").ok()


def test_clearing_a_queue_cancels_what_waits_there_only(cli: CommandLine) -> None:
    cli("submit", URL, URL + "2", "-p", "low").ok()
    cli("submit", URL, "-p", "high").ok()
    assert "2 tasks would be cancelled" in cli("clear-queue", "low", "--dry-run").ok().err
    assert cli.states() == ["queued"] * 3
    assert cli("clear-queue", "low_priority", "--yes").ok().out == "2\n"
    assert cli.states() == ["cancelled", "cancelled", "queued"]


def test_a_paused_queue_starts_nothing_until_it_is_resumed(busy: CommandLine) -> None:
    assert "is paused; undo it with: queuectl undo 1" in busy("queue", "pause", "low").ok().err
    assert "already" in busy("queue", "pause", "low").ok().err
    busy("submit", URL, "--handler", "echo", "-p", "low").ok()
    busy("submit", URL, "--handler", "echo", "-p", "high", "--wait").ok()
    assert busy.states() == ["queued", "succeeded"]
    busy("queue", "resume", "low").ok()
    busy("wait", "1", "--timeout", "20").ok()


def test_the_text_of_an_error_cannot_steer_the_terminal(busy: CommandLine) -> None:
    busy("submit", URL, "--handler", "fail_with_nasty_text", "--max-retries", "0", "--wait")
    for arguments in (["show", "1"], ["dead", "list"], ["show", "1", "--json"], ["list", "--json"]):
        text = busy(*arguments).ok().out
        assert not set("\x1b\x07\x9b\u202e\u2028") & set(text), arguments


def test_postgresql_serves_the_same_commands(cli: CommandLine, postgres_url: str, redis_url: str) -> None:
    cli.configure(CONFIG)
    cli.variables |= {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}
    cli.start_daemon()
    assert cli("submit", URL, "--handler", "echo", "--wait", "--json").ok().document["state"] == "succeeded"
    found = cli("status", "--json").ok().document
    assert found["daemon"]["nodes"][0]["transport"] == "redis"
    assert found["transport"] == "redis"
    assert found["totals"]["succeeded"] == 1
    assert cli("db", "check").ok().code == 0


def test_ids_are_told_to_a_program_also_where_waiting_fails(cli: CommandLine) -> None:
    cli("db", "migrate", "-q").ok()
    with cli.running("submit", URL, URL + "2", "--wait", "--json") as process:
        wait_until(lambda: len(cli.states()) == 2, within=30, describing="the tasks to be there")
        with contextlib.closing(sqlite3.connect(cli.home / "queuectl.db")) as database, database:
            database.execute("DELETE FROM tasks WHERE id = 2")
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.NOT_FOUND
    assert [each["task_id"] for each in json.loads(out)["tasks"]] == ["task_1", "task_2"]
    assert "task_2" in json.loads(err)["error"]["message"]
