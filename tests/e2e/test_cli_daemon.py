"""The daemon from the command line: run, start, status, stop, restart, and what goes wrong with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from queuectl.errors import ExitCode
from tests.support.cli import UNREACHABLE_PORT, CommandLine
from tests.support.guard import guard
from tests.support.processes import guarded, is_gone
from tests.support.waiting import wait_until

HANDLERS = """
retry_backoff = 0.1
[handlers.sleep]
callable = "tests.support.sample_handlers:sleep"
isolation = "thread"
[handlers.log_and_wait]
callable = "tests.support.sample_handlers:log_and_wait"
isolation = "thread"
[handlers.echo]
callable = "tests.support.sample_handlers:echo"
isolation = "thread"
"""


def test_a_started_daemon_is_detached_announced_and_stopped(cli: CommandLine) -> None:
    assert cli("daemon", "status").code == ExitCode.DAEMON_NOT_RUNNING
    pid = cli.start_daemon()
    process = psutil.Process(pid)
    assert os.getsid(pid) == pid
    shown = cli("daemon", "status", "--json").ok().document
    assert (shown["running"], shown["pid"]) == (True, pid)
    assert shown["node"]["workers"] == 8
    assert Path(shown["log"]).read_text().count("is ready") == 1
    assert cli("daemon", "status", "-q").ok().out == f"{pid}\n"
    assert cli("status", "--json").ok().document["daemon"]["running"]
    assert cli("daemon", "stop").ok().err == f"the daemon (pid {pid}) has ended\n"
    assert is_gone(process)
    assert cli("daemon", "status").code == ExitCode.DAEMON_NOT_RUNNING
    assert cli("daemon", "stop").ok().err == "no daemon is running\n"


def test_a_second_start_leaves_the_first_daemon_alone(cli: CommandLine) -> None:
    pid = cli.start_daemon()
    again = cli("daemon", "start", "-q").ok()
    assert again.out == f"{pid}\n"
    refused = cli("daemon", "run")
    assert refused.code == ExitCode.REFUSED
    assert f"pid {pid}" in refused.err


def test_a_restart_takes_up_new_settings(cli: CommandLine) -> None:
    pid = cli.start_daemon()
    cli.configure("workers = 3")
    shown = cli("daemon", "restart", "--json").ok().document
    guard.release(pid)
    guard.watch(shown["pid"], signal.SIGTERM)
    assert shown["pid"] != pid
    assert cli("daemon", "status", "--json").ok().document["node"]["workers"] == 3


def test_the_number_of_workers_can_be_given(cli: CommandLine) -> None:
    shown = cli("daemon", "start", "--workers", "2", "--json").ok().document
    guard.watch(shown["pid"], signal.SIGTERM)
    node = cli("daemon", "status", "--json").ok().document["node"]
    assert node["workers"] == 2
    assert "--workers" in cli("daemon", "start", "--workers", "0").error(ExitCode.USAGE)


def test_a_running_daemon_gets_more_workers(cli: CommandLine) -> None:
    assert "no daemon is running in this home" in cli("daemon", "scale", "4").error(
        ExitCode.DAEMON_NOT_RUNNING
    )
    pid = cli.start_daemon()
    node = cli("daemon", "status", "--json").ok().document["node"]["id"]
    scaled = cli("daemon", "scale", "12").ok()
    assert scaled.out == f"{node}\n"
    assert f"(pid {pid}) runs 12 tasks at a time now; it was 8" in scaled.err
    assert "set workers = 12" in scaled.err
    found = cli("daemon", "scale", "3", "--node", node[:6], "--json").ok().document
    assert [(each["node"], each["before"], each["workers"], each["done"]) for each in found["nodes"]] == [
        (node, 12, 3, True)
    ]
    assert cli("daemon", "status", "--json").ok().document["node"]["workers"] == 3
    assert cli("status", "--json").ok().document["daemon"]["nodes"][0]["workers"] == 3
    assert cli("daemon", "status", "-q").out == f"{pid}\n", "it was not restarted"
    assert node in cli("daemon", "scale", "3", "--node", "zzz").error(ExitCode.NOT_FOUND)
    for wrong in (["0"], ["513"], ["many"], [], ["3", "--all", "--node", node]):
        cli("daemon", "scale", *wrong).error(ExitCode.USAGE)


def test_a_killed_daemon_is_seen_as_not_running_and_can_be_started_again(cli: CommandLine) -> None:
    pid = cli.start_daemon()
    os.kill(pid, signal.SIGKILL)
    process = psutil.Process(pid)
    wait_until(lambda: is_gone(process), describing="the end of the killed daemon")
    guard.release(pid)
    assert (cli.home / "run" / "queuectld.pid").exists()
    assert cli("daemon", "status").code == ExitCode.DAEMON_NOT_RUNNING
    assert cli("daemon", "stop").ok().err == "no daemon is running\n"
    assert cli.start_daemon() != pid


def test_a_pid_that_another_process_has_got_is_left_alone(cli: CommandLine) -> None:
    cli.start_daemon()
    file = cli.home / "run" / "queuectld.pid"
    announced = file.read_text()
    said = json.loads(announced)
    with guarded([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        file.write_text(json.dumps(said | {"pid": bystander.pid}))
        assert cli("daemon", "stop").ok().err == "no daemon is running\n"
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    file.write_text(announced)


def test_a_daemon_is_known_again_after_somebody_has_set_the_clock(cli: CommandLine) -> None:
    cli.start_daemon()
    file = cli.home / "run" / "queuectld.pid"
    said = json.loads(file.read_text())
    for hours in (-1, 1):
        file.write_text(json.dumps(said | {"started_at": said["started_at"] + hours * 3_600_000}))
        assert cli("daemon", "status").code == ExitCode.DONE
    file.write_text(json.dumps(said))


def test_a_daemon_that_cannot_start_says_why(cli: CommandLine) -> None:
    cli.variables["DATABASE_URL"] = f"postgresql://me:canary@127.0.0.1:{UNREACHABLE_PORT}/queue"
    result = cli("daemon", "start")
    text = result.error(ExitCode.UNREACHABLE)
    assert "the daemon ended with status 8" in text
    assert f"127.0.0.1:{UNREACHABLE_PORT}" in text
    assert str(cli.home / "logs" / "queuectld.log") in text
    assert "canary" not in text
    assert result.out == ""


def test_running_in_the_foreground_ends_in_order_on_a_signal(cli: CommandLine) -> None:
    with (
        (cli.home / "log").open("wb") as log,
        cli.running("daemon", "run", "--workers", "2", stdout=log, stderr=log) as process,
    ):
        wait_until(
            lambda: cli("daemon", "status").code == 0, within=30, describing="the daemon in the foreground"
        )
        assert cli("daemon", "status", "-q").out == f"{process.pid}\n", "the command becomes the daemon"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_stopping_gives_running_tasks_their_grace_period(cli: CommandLine) -> None:
    cli.configure(HANDLERS)
    cli.start_daemon()
    door = cli.home / "door"
    line = json.dumps({"url": "https://a.test/", "handler": "log_and_wait", "metadata": {"until": str(door)}})
    cli("batch", "-", given=line).ok()
    wait_until(lambda: cli.states() == ["running"], describing="the task to run")
    with cli.running("daemon", "stop") as stopping:
        log = cli.home / "logs" / "queuectld.log"
        wait_until(
            lambda: "stopping; running tasks have" in log.read_text(), describing="the daemon to be stopping"
        )
        assert stopping.poll() is None
        door.touch()
        assert stopping.wait(30) == 0
    assert cli.states() == ["succeeded"]


def test_the_daemon_does_not_import_from_the_directory_it_was_started_in(cli: CommandLine) -> None:
    trap = cli.home / "trap"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit('imported from the working directory')")
    pid = int(cli("daemon", "start", "-q", cwd=trap).ok().out)
    guard.watch(pid, signal.SIGTERM)


def test_the_daemon_gets_the_settings_that_the_command_saw(cli: CommandLine) -> None:
    folder = cli.home / "project"
    folder.mkdir()
    (folder / ".env").write_text("QUEUECTL_WORKERS=5\n")
    file = cli.home / "elsewhere.toml"
    file.write_text("redis_namespace = 'mine'\ngrace_period = 1\n")
    shown = cli("daemon", "start", "--json", "--config", file, cwd=folder).ok().document
    guard.watch(shown["pid"], signal.SIGTERM)
    assert cli("daemon", "status", "--json").ok().document["node"]["workers"] == 5
    assert str(file) in psutil.Process(shown["pid"]).cmdline()


def test_doctor_finds_everything_in_order_with_a_daemon(cli: CommandLine) -> None:
    cli.configure(HANDLERS)
    cli.start_daemon()
    found = cli("doctor", "--json").ok().document
    assert found["ok"]
    names = {check["name"] for check in found["checks"]}
    assert names >= {
        "settings", "home", "disk", "database", "schema", "redis", "daemon", "handler sleep", "open files",
    }  # fmt: skip


def test_doctor_names_what_mends_each_failure(cli: CommandLine) -> None:
    cli.configure(
        '[handlers.lost]\ncallable = "no.such.module:run"\n[handlers.gone]\ncommand = ["no-such-program"]\n'
    )
    result = cli("doctor")
    assert result.code == ExitCode.FAILED
    assert "daemon: run: queuectl daemon start" in result.err
    assert "handler gone: install it" in result.err
    assert "handler lost: install the package of no.such.module:run" in result.err


def test_doctor_speaks_with_redis(cli: CommandLine, redis_url: str) -> None:
    cli.variables["REDIS_URL"] = redis_url
    found = {check["name"]: check for check in cli("doctor", "--json").document["checks"]}
    assert found["redis"]["ok"]
    assert "policy noeviction" in found["redis"]["detail"]


def test_doctor_names_the_server_of_postgresql(cli: CommandLine, postgres_url: str) -> None:
    cli.variables["DATABASE_URL"] = postgres_url
    found = {check["name"]: check for check in cli("doctor", "--json").document["checks"]}
    assert found["database"]["ok"]
    assert found["database"]["detail"].startswith("PostgreSQL ")
