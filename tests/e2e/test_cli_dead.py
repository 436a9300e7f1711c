"""Dead letters, batches and explanations from the command line: what is shown, asked and refused."""

from __future__ import annotations

import json
import resource

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine, words
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

URL = "https://example.com/article"
CONFIG = "retry_backoff = 0.1\nmax_retries = 0\n" + "".join(
    f'[handlers.{name}]\ncallable = "tests.support.sample_handlers:{name}"\nisolation = "thread"\n'
    for name in ("echo", "fail", "refuse")
)


def line(number: int, handler: str, **metadata: object) -> str:
    return json.dumps({"url": f"{URL}/{number}", "handler": handler, "metadata": metadata})


@pytest.fixture
def dead(cli: CommandLine) -> CommandLine:
    """Give a home whose batch of four has died in two ways, and whose daemon has stopped."""
    cli.configure(CONFIG)
    cli.start_daemon()
    lines = [line(number, "fail", message=f"row {number} is locked") for number in range(3)]
    cli("batch", "-", "--name", "每日文章", given="\n".join([*lines, line(9, "refuse")])).ok()
    wait_until(lambda: cli.states() == ["dead"] * 4, describing="four deaths")
    cli.stop_daemon()
    return cli


def test_failures_are_grouped_and_a_group_is_resurrected(dead: CommandLine) -> None:
    found = dead("dead", "list", "--group", "--json").ok().document["groups"]
    assert [(group["cause"], group["count"]) for group in found] == [("exhausted", 3), ("refused", 1)]
    assert found[0]["shape"] == "ValueError: row <n> is locked"
    told = dead("dead", "list", "--group").ok()
    assert found[0]["failure"] in told.out
    assert f"queuectl dead resurrect --failure {found[0]['failure']}" in told.err
    done = dead(*found[0]["resurrect"].split()[1:], "--yes").ok()
    assert done.ids == ["task_5", "task_6", "task_7"]
    assert "3 dead letters resurrected" in done.err
    assert dead.states() == ["dead"] * 4 + ["queued"] * 3
    assert [row[4] for row in words(dead("dead", "list").ok())] == ["refused"]
    assert len(words(dead("dead", "list", "--all").ok())) == 4


def test_one_letter_becomes_one_task_once(dead: CommandLine) -> None:
    first = dead("dead", "resurrect", "1", "--json").ok().document
    assert first["resurrected"] == [{"dead_letter_id": 1, "task_id": "task_5"}]
    assert "as task_5" in dead("dead", "resurrect", "1").error(ExitCode.REFUSED)
    assert dead("dead", "resurrect", "1", "--again").ok().ids == ["task_6"]
    shown = dead("dead", "show", "1", "--json").ok().document
    assert (shown["resurrected_as"], shown["batch_id"]) == ("task_6", "batch_1")
    assert "nobody can be asked" in dead("dead", "resurrect", "2", "1").error(ExitCode.USAGE)
    partly = dead("dead", "resurrect", "2", "1", "99", "--yes")
    assert (partly.code, partly.ids) == (ExitCode.PARTLY_DONE, ["task_7"])
    assert "1 of 3 done" in partly.err
    assert "as task_7" in dead("dead", "resurrect", "2", "1", "--yes").error(ExitCode.REFUSED)


@pytest.mark.parametrize("as_json", [False, True], ids=["ids", "json"])
def test_what_was_resurrected_before_an_error_is_told(cli: CommandLine, *, as_json: bool) -> None:
    cli.configure(CONFIG)
    cli.start_daemon()
    lines = [line(number, "refuse", note="x" * 3_000) for number in range(60)]
    cli("batch", "-", given="\n".join(lines)).ok()
    wait_until(lambda: cli.states() == ["dead"] * 60, describing="sixty deaths")
    cli.stop_daemon()

    def small_files() -> None:
        size = (cli.home / "queuectl.db").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    letters = [str(number) for number in range(1, 61)]
    result = cli("dead", "resurrect", *letters, "--yes", *["--json"] * as_json, before=small_files)
    assert result.code == ExitCode.PARTLY_DONE
    number = cli.states().count("queued")
    assert 0 < number < 60
    tasks = [f"task_{60 + each}" for each in range(1, number + 1)]
    told = f"{number} of 60 done: not from {number + 1} on: "
    if as_json:
        assert [each["task_id"] for each in result.document["resurrected"]] == tasks
        assert result.document["not_tried"] == letters[number:]
        assert told in json.loads(result.err)["error"]["message"]
    else:
        assert result.ids == tasks
        assert told in result.error(ExitCode.PARTLY_DONE)


def test_many_are_shown_first_and_not_touched_unasked(dead: CommandLine) -> None:
    refused = dead("dead", "resurrect", "--cause", "exhausted")
    assert "add --yes" in refused.error(ExitCode.USAGE)
    assert "3 dead letters" in refused.err
    for arguments in ([], ["--limit", "2"]):
        assert "not said which dead letters" in dead("dead", "resurrect", *arguments).error(ExitCode.USAGE)
    assert "contradict" in dead("dead", "resurrect", "--all", "--cause", "refused").error(ExitCode.USAGE)
    dry = dead("dead", "resurrect", "--all", "--dry-run", "--json").ok().document
    assert (dry["matched"], dry["resurrected"], dry["dry_run"]) == (4, [], True)
    shown = dead("dead", "resurrect", "--all", "--limit", "2", "--dry-run").ok().err
    assert [line.split()[0] for line in shown.splitlines()[:3]] == ["ID", "1", "2"]
    assert "2 dead letters would become 2 new tasks" in shown
    none = dead("dead", "resurrect", "--host", "elsewhere.test", "--yes").ok()
    assert (none.out, none.err.strip()) == ("", "no dead letter matches; nothing was changed")
    assert dead.states() == ["dead"] * 4


def test_a_person_is_asked(dead: CommandLine) -> None:
    with terminal(dead, "dead", "resurrect", "--cause", "refused", columns=120) as screen:
        screen.shows("Resurrect 1 dead letter? [y/N]")
        screen.type("n\n")
        assert screen.end() == ExitCode.REFUSED
        assert "nothing was changed" in screen.text
    with terminal(dead, "dead", "resurrect", "--cause", "refused", columns=120) as screen:
        screen.shows("[y/N]")
        screen.type("y\n")
        assert screen.end() == 0
    assert dead.states() == ["dead"] * 4 + ["queued"]


def test_letters_are_chosen_as_tasks_are(dead: CommandLine) -> None:
    def found(*arguments: str) -> list[str]:
        return dead("dead", "list", *arguments, "-q").ok().ids

    assert found("--priority", "medium", "--batch", "1") == ["4", "3", "2", "1"]
    assert found("--queue", "low,high") == []
    assert found("--until", "1d", "--older-than", "0s") == []
    assert found("--older-than", "0s", "--limit", "1") == ["4"]
    (refused,) = found("--cause", "refused")
    assert dead("dead", "resurrect", "1", "2", "3", "4", "--cause", "refused", "--yes").ok().ids == ["task_5"]
    assert refused not in found()


def test_old_letters_are_purged(dead: CommandLine) -> None:
    assert dead("dead", "purge").ok().out == "0\n"
    assert "4 dead letters" in dead("dead", "purge", "--days", "0", "--dry-run").ok().err
    assert "add --yes" in dead("dead", "purge", "--days", "0").error(ExitCode.USAGE)
    assert dead("dead", "purge", "--days", "0", "--yes").ok().out == "4\n"
    assert dead("dead", "list", "--json").ok().document["dead_letters"] == []
    assert dead.states() == ["dead"] * 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["dead", "show", "x"], ExitCode.NOT_FOUND),
        (["dead", "show", "99"], ExitCode.NOT_FOUND),
        (["dead", "resurrect", "99"], ExitCode.NOT_FOUND),
        (["dead", "resurrect", "task_1"], ExitCode.NOT_FOUND),
        (["dead", "list", "--since", "soonish"], ExitCode.USAGE),
        (["dead", "list", "--queue", "night"], ExitCode.NOT_FOUND),
        (["dead", "list", "--limit", "1000000"], ExitCode.USAGE),
        (["dead", "list", "--queue", "low", "--priority", "high"], ExitCode.USAGE),
        (["dead", "list", "--batch", "task_1"], ExitCode.NOT_FOUND),
        (["dead", "purge", "--days", "-1"], ExitCode.USAGE),
        (["dead", "purge", "--days", "many"], ExitCode.USAGE),
        (["batch-status", "batch_9"], ExitCode.NOT_FOUND),
        (["batch-status", "task_9"], ExitCode.NOT_FOUND),
        (["explain", "task_9"], ExitCode.NOT_FOUND),
        (["explain", "batch_1"], ExitCode.NOT_FOUND),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(cli: CommandLine, arguments: list[str], code: ExitCode) -> None:
    cli(*arguments).error(code)


def test_a_batch_shows_its_progress_and_its_failures(dead: CommandLine) -> None:
    (listed,) = dead("batches", "--json").ok().document["batches"]
    assert (listed["batch_id"], listed["name"], listed["dead"], listed["open"]) == (
        "batch_1",
        "每日文章",
        4,
        0,
    )
    found = dead("batch-status", "1", "--json").ok().document
    assert [group["count"] for group in found["failures"]] == [3, 1]
    assert found["finished_at"] is not None
    told = dead("batch-status", "batch_1").ok()
    assert "4 of 4 have ended" in told.out
    assert "queuectl dead resurrect --batch batch_1" in told.err


@pytest.mark.parametrize("columns", [80, 120])
def test_the_screens_fit(dead: CommandLine, columns: int) -> None:
    for arguments in (["batches"], ["batch-status", "1"], ["dead", "list"], ["dead", "list", "--group"]):
        with terminal(dead, *arguments, columns=columns, lines=40) as screen:
            assert screen.end() == 0
            assert "每日文章" in screen.text or "exhausted" in screen.text
            heads = [row for row in screen.text.splitlines() if row.isupper() and not row.startswith("每")]
            assert all("…" not in row for row in heads)
    with terminal(dead, "batches", columns=columns) as screen:
        assert screen.end() == 0
        rows = [row for row in screen.text.splitlines() if row]
    assert len(rows) == 2
    assert "▰▰▰▰▰ 100%" in rows[1]


def test_explain_names_the_reason_and_the_command(cli: CommandLine) -> None:
    cli("submit", URL, "-p", "low").ok()
    cli("queue", "pause", "low").ok()
    told = cli("explain", "task_1").ok().out
    assert "1. no daemon is running\n   queuectl daemon start\n" in told
    assert "2. the queue low is paused\n   queuectl queue resume low\n" in told
    assert "could start  not while the first 2 reasons last\n" in told
    found = cli("explain", "1", "--json").ok().document
    assert [reason["cause"] for reason in found["reasons"]] == ["no_daemon", "paused"]
    assert (found["startable"], found["position"], found["certainty"]) == (False, 0, "at_least")
    assert cli("explain", "1", "-q").ok().out == "task_1  no_daemon\n"
    shown = cli("show", "1").ok().out
    assert "why" in shown
    assert "no daemon is running" in shown
    assert cli("show", "1", "--json").ok().document["why"] == "no daemon is running"


def test_explain_shows_planned_times_with_their_zone(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_TIMEZONE"] = "Asia/Shanghai"
    cli("submit", URL, "--schedule", "2999-12-25 10:00:00").ok()
    told = cli("explain", "1").ok().out
    assert "it waits for its time, until 2999-12-25 10:00:00 +08:00" in told
    (start,) = [line for line in told.splitlines() if line.startswith("could start")]
    assert start.startswith("could start  not before 2999-12-25 10:00:00 +08:00 (in ")
    assert start.endswith("), and not while the first reason lasts")
    with terminal(cli, "explain", "1") as screen:
        assert screen.end() == 0
        assert "no daemon is running" in screen.text


def test_explain_says_kindly_what_has_ended(dead: CommandLine) -> None:
    told = dead("explain", "1").ok().out
    assert "it was given up (exhausted)" in told
    assert "queuectl retry task_1" in told
    assert "why" not in dead("show", "1").ok().out
