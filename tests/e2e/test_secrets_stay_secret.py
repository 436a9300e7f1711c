"""Passwords that are nowhere but where they were put: not in what commands say, logs, exports, tables or processes."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_cli_every_command import ELSEWHERE, EVERY, URL, WITHOUT_DAEMON
from tests.support.cli import UNREACHABLE_PORT, CommandLine, Result
from tests.support.daemon import handler_tables
from tests.support.guard import guard
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer

SECRETS = {
    "database": "canary-d4t4b4se",
    "redis": "canary-r3d1s",
    "web": "canary-w3bp4ge",
    "page": "canary-us3r1nf0",
    "hook": "canary-h00k-and-its-s3cr3t",
}
MANGLED = ("canary%2D", "Y2FuYXJ5", "canary")
"""The beginnings of the secrets, as they are, in a URL, and in base 64."""


def found_in(text: str) -> list[str]:
    return [mark for mark in MANGLED if mark in text]


@pytest.fixture
def secretive(
    cli: CommandLine, postgres: PostgresServer, postgres_url: str, own_redis: Callable[..., RedisServer]
) -> Iterator[CommandLine]:
    """Give the command line of a home whose every server has a password of its own."""
    redis = own_redis()
    redis.command(f"CONFIG SET requirepass {SECRETS['redis']}")
    database = postgres_url.replace("postgres@", f"postgres:{SECRETS['database']}@")
    (cli.home / ".env").write_text(
        f"DATABASE_URL={database}\n"
        f"REDIS_URL=redis://:{SECRETS['redis']}@127.0.0.1:{redis.port}/0\n"
        f"QUEUECTL_WEB_AUTH=somebody:{SECRETS['web']}\n"
        f"QUEUECTL_PUBLISH_WEBHOOK=https://example.com/{SECRETS['hook']}\n"
        f"QUEUECTL_WEBHOOK_SECRET={SECRETS['hook']}\n"
    )
    (cli.home / ".env").chmod(0o600)
    lines = [f"web_port = {free_port()}", "retry_backoff = 0.1"]
    tables = handler_tables()
    for name in ("work", "p_work", "refuse"):
        lines += [
            f"[handlers.{name}]",
            *(f'{key} = "{value}"' for key, value in tables[name].items()),
        ]
    cli.configure("\n".join(lines))
    yield cli
    cli.stop_daemon()


@pytest.mark.timeout(400)
def test_no_command_no_file_and_no_process_has_a_secret_in_it(secretive: CommandLine) -> None:
    cli = secretive
    said = {"start": cli("daemon", "start", "--json").ok()}
    pid = said["start"].document["pid"]
    guard.watch(pid, signal.SIGTERM)
    (cli.home / "urls.txt").write_text(f"{URL}3\n")
    steps = (
        f"submit {URL} https://somebody:{SECRETS['page']}@example.com/x --handler work",
        f"submit {URL}/p --handler p_work --wait",
        "cancel 2",
        "batch urls.txt",
        "schedule add file://urls.txt --cron @daily --name daily",
        "backup made.backup",
        "export --output made.jsonl",
        "daemon reload",
    )
    for words in steps:
        said[words] = cli(*shlex.split(words))
    for name in EVERY:
        if name in WITHOUT_DAEMON and name not in ELSEWHERE | {
            "daemon stop",
            "restore",
            "db copy",
            "daemon reload",
        }:
            rest = shlex.split(WITHOUT_DAEMON[name][0].replace("{home}", str(cli.home)))
            said[name] = cli(*name.split(), *rest, "--debug")
    leaks = {name: result for name, result in said.items() if found_in(result.out + result.err)}
    assert leaks == {}

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(family) > 1
    assert found_in(" ".join(word for process in family for word in process.cmdline())) == []
    cli("daemon", "stop").ok()
    guard.release(pid)
    files = [file for file in cli.home.rglob("*") if file.is_file() and file.name != ".env"]
    assert {"queuectld.log", "made.backup", "made.jsonl", "queuectld.pid"} & {file.name for file in files}
    assert [str(file) for file in files if found_in(file.read_bytes().decode("latin-1"))] == []


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": f"postgresql://u:canary@127.0.0.1:{UNREACHABLE_PORT}/q"},
        {"DATABASE_URL": "postgresql://u:canary@127.0.0.1:99999/q"},
        {"DATABASE_URL": "postgresql://u:can@ary@[::1/q?password=canary"},
        {"DATABASE_URL": f"postgresql://127.0.0.1:{UNREACHABLE_PORT}/q?user=u&password=canary"},
        {"DATABASE_URL": "mysql://u:canary@127.0.0.1/q"},
        {"DATABASE_URL": f"postgresql://u:canary@127.0.0.1:{UNREACHABLE_PORT}/q?sslmode=unknown"},
        {"REDIS_URL": f"redis://:canary@127.0.0.1:{UNREACHABLE_PORT}/0"},
        {"REDIS_URL": "redis://:canary@127.0.0.1:port/0"},
        {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "x", "REDIS_PASSWORD": "canary"},
        {"QUEUECTL_WEB_AUTH": "canary"},
        {"QUEUECTL_WEBHOOK_SECRET": "canary"},
        {"QUEUECTL_PUBLISH_WEBHOOK": "https://example.com/canary"},
        {"QUEUECTL_PUBLISH_WEBHOOK": "ftp://canary/"},
    ],
)
def test_no_failure_tells_a_secret_and_neither_does_its_traceback(
    cli: CommandLine, variables: dict[str, str]
) -> None:
    cli.variables |= variables
    for words in (("status",), ("doctor",), ("config", "show"), ("daemon", "run", "--no-web")):
        if words[0] == "daemon" and "REDIS_URL" in variables:
            continue  # it works without Redis, and would go on
        for form in ("--debug", "--json"):
            result = cli(*words, form)
            assert found_in(result.out + result.err) == [], words


def test_what_queuectl_makes_is_for_its_owner_alone(cli: CommandLine, tmp_path: Path) -> None:
    home = tmp_path / "new"
    cli.home = home

    def forget_mask() -> None:
        os.umask(0)

    def type_(*words: str) -> Result:
        return cli(*words, cwd=tmp_path, before=forget_mask)

    type_("submit", URL).ok()
    pid = int(type_("daemon", "start", "-q", "--no-web").ok().out)
    guard.watch(pid, signal.SIGTERM)
    for words in (
        "backup b.backup",
        "backup folder --keep 3",
        "export --output e.jsonl",
        "cancel 1",
        "audit list",
    ):
        type_(*words.split())
    type_("daemon", "stop").ok()
    guard.release(pid)
    made = [home, *home.rglob("*"), tmp_path / "b.backup", tmp_path / "e.jsonl", tmp_path / "folder"]
    assert {"queuectl.db", "audit.key", "queuectld.log"} <= {path.name for path in made}
    assert [str(path) for path in made if path.stat().st_mode & 0o077 and "articles" not in path.parts] == []
