"""What happens to tasks and what they log, seen from the command line."""

from __future__ import annotations

import json
import signal

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

URL = "https://example.com/article"
CONFIG = "retry_backoff = 0.05\n" + "".join(
    f'[handlers.{name}]\ncallable = "tests.support.sample_handlers:{name}"\nisolation = "thread"\n'
    for name in ("echo", "fail", "fail_until", "fail_with_nasty_text", "log", "log_and_wait")
)


@pytest.fixture
def busy(cli: CommandLine) -> CommandLine:
    """Give the command line with a running daemon."""
    cli.configure(CONFIG)
    cli.start_daemon()
    return cli


def line(handler: str, **metadata: object) -> str:
    return json.dumps({"url": f"{URL}/{handler}", "handler": handler, "metadata": metadata})


def test_that_no_event_matches_is_not_said_to_be_nothing_at_all(cli: CommandLine) -> None:
    assert cli("events").ok().err == "nothing has happened yet\n"
    cli("submit", URL).ok()
    for arguments in (["--queue", "low"], ["--since", "2999-01-01"]):
        assert cli("events", *arguments).ok().err == "no event matches\n"


def test_the_life_of_a_task_is_told_in_order(busy: CommandLine) -> None:
    busy("batch", "-", given=line("fail_until", attempt=2)).ok()
    busy("wait", "1", "--timeout", "30").ok()
    found = busy("events", "--json").ok().document["events"]
    assert [event["event"] for event in found] == ["submit", "start", "retry", "start", "succeed"]
    assert {event["task_id"] for event in found} == {"task_1"}
    assert found[2]["why"] == "ValueError: attempt 1 fails"
    assert [event["attempt"] for event in found] == [None, 1, 1, 2, 2]
    assert busy("events", "-q").ok().out.splitlines()[-1] == "succeed task_1"
    assert busy("events", "--host", "other.test").ok().err.strip() == "no event matches"
    busy.stop_daemon()
    assert len(busy("events", "--limit", "2", "--json").ok().document["events"]) == 2


def test_events_are_followed_until_ctrl_c(busy: CommandLine) -> None:
    with busy.running("events", "-f", "--json") as process:
        busy("submit", URL, "--handler", "echo", "--wait").ok()
        assert process.stdout is not None
        found = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [event["event"] for event in found] == ["submit", "start", "succeed"]
        assert {event["version"] for event in found} == {1}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (ExitCode.INTERRUPTED, b"", b"")


def test_tasks_are_followed_to_their_ends(busy: CommandLine) -> None:
    go_on = busy.home / "go-on"
    busy("batch", "-", given="\n".join([line("log_and_wait", until=str(go_on)), line("echo")])).ok()
    wait_until(lambda: busy.states() == ["running", "succeeded"], describing="one to run")
    with busy.running("follow", "--batch", "batch_1") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"task_1 is running\n"
        go_on.touch()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    (end,) = out.decode().splitlines()
    assert "succeed" in end
    assert "task_1" in end
    busy("submit", URL, "--handler", "fail", "--max-retries", "0", "--wait")
    assert busy("follow", "3").code == ExitCode.AWAITED_TASK_FAILED
    assert "not said" in busy("follow").error(ExitCode.USAGE)
    assert "task_9" in busy("follow", "9").error(ExitCode.NOT_FOUND)
    assert "no task matches" in busy("follow", "--host", "no.test").error(ExitCode.NOT_FOUND)


def test_logs_by_attempt_and_as_they_come(busy: CommandLine) -> None:
    go_on = busy.home / "go-on"
    busy("batch", "-", given=line("log_and_wait", until=str(go_on), failing=1)).ok()
    with busy.running("logs", "1", "-f") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"attempt 1, from ")
        assert process.stdout.readline().split()[1:] == [b"info", b"waiting"]
        go_on.touch()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    texts = [row.split(maxsplit=2)[-1] for row in out.decode().splitlines()]
    assert texts[0] == "going on"
    assert texts[2:] == ["waiting", "going on"]
    second = busy("logs", "1", "--attempt", "2", "--json").ok().document
    assert [(each["attempt"], each["level"], each["text"]) for each in second["lines"]] == [
        (2, "info", "waiting"),
        (2, "info", "going on"),
    ]
    assert busy("logs", "1", "-q").ok().out == "waiting\ngoing on\n" * 2
    assert "attempt 7 of task_1 has logged nothing" in busy("logs", "1", "--attempt", "7").ok().err
    assert "task_9" in busy("logs", "9").error(ExitCode.NOT_FOUND)


def test_nothing_that_a_task_says_can_steer_the_terminal(busy: CommandLine) -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202egnp\u200b[/red]" + "标题" * 5_000
    busy("batch", "-", given="\n".join([line("log", text=evil), line("fail_with_nasty_text")])).ok()
    wait_until(lambda: busy.states() == ["succeeded", "dead"], within=30, describing="both ends")
    for arguments in (
        ["logs", "1"], ["logs", "1", "--json"], ["logs", "1", "-q"], ["events"], ["events", "--json"],
        ["list", "--fields", "id,error,metadata"], ["list", "--ndjson"], ["count", "--by", "handler"], ["show", "2"],
        ["retry", "2", "--limit", "1", "--dry-run"],
    ):  # fmt: skip
        result = busy(*arguments)
        assert not set("\x1b\x07\x9b\u202e\u200b") & set(result.out + result.err), arguments
    with terminal(busy, "events", columns=120) as screen:
        assert screen.end() == 0
        assert screen.screen.title == ""
    with terminal(busy, "logs", "1") as screen:
        assert screen.end() == 0
        assert "[/red]" in screen.text


@pytest.mark.parametrize("arguments", [["list", "--ndjson"], ["events", "--limit", "5000"]], ids=" ".join)
def test_a_reader_that_goes_away_ends_a_stream_quietly(cli: CommandLine, arguments: list[str]) -> None:
    cli("batch", "-", given="".join(f"https://a.test/{number}\n" for number in range(3000))).ok()
    with cli.running(*arguments) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == ExitCode.FAILED
