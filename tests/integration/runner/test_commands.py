"""Handlers that are programs: what they are given, what their exit status means, and that they end with their run."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queuectl.domain.outcome import Outcome, Verdict
from queuectl.settings import HandlerSettings
from tests.integration.runner.conftest import Stage, wait_until_gone
from tests.support.waiting import wait_until

SHOW = (
    "import json, os, sys; "
    "print(json.dumps({'arguments': sys.argv[1:], 'environment': dict(os.environ), 'folder': os.getcwd(), "
    "'input': sys.stdin.read(), 'files': sorted(os.listdir('/proc/self/fd'), key=int)}))"
)


@pytest.fixture
def command(make_stage: Callable[..., Stage]) -> Callable[..., Stage]:
    """Make a stage whose handler ``command`` runs the given arguments."""

    def make(*arguments: str, **options: Any) -> Stage:
        return make_stage(handlers={"command": HandlerSettings(command=arguments, **options)})

    return make


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def test_a_command_gets_its_arguments_unchanged_and_nothing_else(command, home, monkeypatch):
    monkeypatch.setenv("SECRET", "of the daemon")
    stage = command(
        sys.executable, "-c", SHOW, "{url}", "--id={id}", "{home}/out", "{attempt}", "{other}", "$(id); {url}"
    )
    url = "https://example.test/a b;$(id)'\"{home}?-o"

    outcome = stage.run("command", url=url, author="作者", attempt_number=3)

    seen = json.loads(outcome.result or "")
    assert seen["arguments"] == [url, "--id=task_1", f"{home}/out", "3", "{other}", f"$(id); {url}"]
    environment = seen["environment"]
    assert environment.pop("PATH") == os.environ["PATH"]
    assert {name for name in environment if not name.startswith(("LC_", "_"))} == {
        "HOME",
        "LANG",
        "TMPDIR",
        "QUEUECTL_TASK_ID",
        "QUEUECTL_URL",
        "QUEUECTL_ATTEMPT",
        "QUEUECTL_FENCE",
        "QUEUECTL_METADATA",
    }
    assert environment["QUEUECTL_URL"] == url
    assert json.loads(environment["QUEUECTL_METADATA"]) == {"author": "作者"}
    assert environment["TMPDIR"] == seen["folder"] == f"{home}/run/work/task_1.1001"
    assert seen["input"] == ""
    assert seen["files"][:3] == ["0", "1", "2"]
    assert len(seen["files"]) == 4  # the fourth is the folder that is being listed


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "-o/etc/passwd", "", "ftp://example.test/", "http://a\0b"]
)
def test_a_command_never_gets_an_address_that_could_be_an_option(command, url):
    stage = command("echo", "{url}")

    assert stage.run("command", url=url).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("script", "verdict", "words"),
    [
        ("exit 75", Verdict.FAILED, "exited with status 75"),
        ("echo no such page >&2; exit 65", Verdict.REFUSED, "exited with status 65: no such page"),
        ("echo first; echo it broke >&2; exit 3", Verdict.FAILED, "exited with status 3: it broke"),
        ("echo only this; exit 1", Verdict.FAILED, "exited with status 1: only this"),
        ("kill -9 $$", Verdict.FAILED, "killed by signal 9 (SIGKILL)"),
    ],
)
def test_what_an_exit_status_means(command, script, verdict, words):
    outcome = command(*shell(script)).run("command")

    assert outcome.verdict is verdict
    assert words in (outcome.error or "")
    assert outcome.traceback is None


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("echo reading; echo '{\"words\": 12}'", {"words": 12}),
        ("echo hello", {"exit_code": 0, "output": "hello\n"}),
        ("true", {"exit_code": 0, "output": ""}),
        ("echo NaN", {"exit_code": 0, "output": "NaN\n"}),
        ("printf 'a\\000b'", {"exit_code": 0, "output": "a\ufffdb"}),
        ("printf '[1,2]\\n\\n'", [1, 2]),
    ],
)
def test_the_last_line_is_the_result_if_it_is_json(command, script, result):
    assert json.loads(command(*shell(script)).run("command").result or "") == result


def test_a_long_last_line_is_a_result_too_and_one_too_long_is_not_json(command):
    stage = command(*shell("python3 -c \"print('[' + '1,' * 200000 + '1]')\""))

    assert len(json.loads(stage.run("command").result or "")) == 200_001


def test_a_command_that_cannot_be_started_fails_the_attempt(command):
    outcome = command("/nonexistent/program").run("command")

    assert outcome == Outcome(
        Verdict.FAILED,
        error="the command '/nonexistent/program' cannot be started: No such file or directory",
    )


def test_metadata_that_no_environment_takes_refuses_the_task(command):
    assert command("true").run("command", text="x" * 200_000).verdict is Verdict.REFUSED


def test_endless_output_is_read_and_bounded(command, caplog):
    caplog.set_level(logging.INFO, "queuectl.task")
    stage = command(*shell("yes | head -c 50000000; echo the end >&2"))

    result = json.loads(stage.run("command").result or "")

    assert len(result["output"]) < 70_000
    assert caplog.messages.count("y") == 200
    assert "[24999800 lines left out]" in caplog.messages
    assert "the end" in caplog.messages
    assert len(caplog.messages) == 202


def test_what_a_command_prints_is_logged_while_it_runs(command, caplog, tmp_path):
    caplog.set_level(logging.INFO, "queuectl.task")
    go_on = tmp_path / "go"
    stage = command(
        *shell(
            f"echo first; echo 'second '; while ! [ -e {go_on} ]; do sleep 0.01; done; printf third; echo no >&2"
        )
    )
    run = stage.start("command")
    wait_until(lambda: "first" in caplog.messages, describing="the first line")
    assert "third" not in caplog.messages
    go_on.touch()
    run.outcome()
    assert caplog.messages[:2] == ["first", "second "]
    assert sorted(caplog.messages[2:]) == ["no", "third"]


def test_an_endless_line_is_logged_in_part(command, caplog):
    caplog.set_level(logging.INFO, "queuectl.task")
    command(*shell("yes | head -c 1000000 | tr -d '\\n'; echo; echo end")).run("command")
    assert [len(each) for each in caplog.messages] == [4096, 3]


def test_a_process_that_a_command_leaves_behind_neither_delays_it_nor_stays(command, tmp_path):
    stage = command(*shell(f"setsid sleep 3600 & echo $! > {tmp_path}/pid; echo done"))

    outcome = stage.run("command", timeout=20)

    assert json.loads(outcome.result or "")["output"] == "done\n"
    wait_until_gone([int((tmp_path / "pid").read_text())])


def test_a_command_ends_at_its_time_limit_with_everything_it_started(command, tmp_path, home):
    stage = command(
        *shell(f"trap '' TERM; setsid sleep 3600 & echo $$ $! > {tmp_path}/pid; wait; sleep 3600")
    )

    outcome = stage.run("command", timeout=3)

    assert outcome.verdict is Verdict.TIMED_OUT
    wait_until_gone([int(pid) for pid in (tmp_path / "pid").read_text().split()])
    assert not (home / "run" / "work" / "task_1.1001").exists()


def test_a_cancelled_command_is_asked_to_end(command, tmp_path):
    stage = command(
        *shell(f"trap 'echo asked > {tmp_path}/asked; exit 1' TERM; touch {tmp_path}/up; sleep 3600 & wait")
    )
    run = stage.start("command")
    wait_until((tmp_path / "up").exists, describing="the command to be up")

    stage.runner.cancel(run.work.id, run.work.fence)

    assert run.outcome().verdict is Verdict.CANCELLED
    assert (tmp_path / "asked").exists()


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_command_never_runs_in_the_daemon_itself(command, isolation):
    stage = command(*shell("echo $PPID"), isolation=isolation)

    assert json.loads(stage.run("command").result or "") != os.getpid()


def test_a_command_that_fills_memory_is_over_its_limit_even_when_it_notices_first(command):
    stage = command(sys.executable, "-c", "pieces = []\nwhile True: pieces.append(b'x' * 4000000)")

    for _ in range(3):
        assert stage.run("command", memory=150).verdict is Verdict.OVER_MEMORY


def test_a_small_command_is_not_charged_for_the_process_that_looks_after_it(command):
    stage = command(
        sys.executable,
        "-c",
        "import threading; kept = b'x' * 30000000; threading.Event().wait(0.3); print(1)",
    )

    assert stage.run("command", memory=60) == Outcome(Verdict.SUCCEEDED, "1")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rest=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_whatever_an_address_holds_it_stays_one_argument(one_echo: Stage, rest):
    url = f"http://{rest}"

    assert json.loads(one_echo.run("command", url=url).result or "") == ["--", url]


@pytest.fixture
def one_echo(command) -> Stage:
    return command(
        sys.executable, "-IS", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", "--", "{url}"
    )
