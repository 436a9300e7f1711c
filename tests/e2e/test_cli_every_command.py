"""Every command there is, walked by the tree itself: one document under --json, its exit code, no daemon running."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from queuectl.cli.reference import every_command
from queuectl.errors import ExitCode
from tests.support.cli import CommandLine
from tests.support.guard import guard

URL = "https://example.com/article"
DONE, NO_DAEMON, REFUSED = ExitCode.DONE, ExitCode.DAEMON_NOT_RUNNING, ExitCode.REFUSED

WITHOUT_DAEMON: dict[str, tuple[str, ExitCode]] = {
    "doctor": ("", ExitCode.FAILED),
    "submit": (URL, DONE),
    "batch": ("urls.txt", DONE),
    "batches": ("", DONE),
    "batch-status": ("batch_1", DONE),
    "list": ("--state queued", DONE),
    "count": ("--by state", DONE),
    "show": ("task_1", DONE),
    "explain": ("task_1", DONE),
    "logs": ("task_1", DONE),
    "wait": ("task_2", ExitCode.AWAITED_TASK_FAILED),
    "follow": ("task_2", ExitCode.AWAITED_TASK_FAILED),
    "events": ("", DONE),
    "cancel": ("task_1", DONE),
    "retry": ("task_2", DONE),
    "reprioritize": ("task_1 --priority urgent", DONE),
    "undo": ("1 --yes", DONE),
    "schedule add": ("file://urls.txt --cron @daily --name another", DONE),
    "schedule optimize": ("task_1 --start 'in 1h' --end 'in 3h' --max-per-hour 5", DONE),
    "schedule list": ("", DONE),
    "schedule show": ("daily", DONE),
    "schedule pause": ("daily", DONE),
    "schedule resume": ("daily", DONE),
    "schedule remove": ("daily --yes", DONE),
    "schedule run-now": ("daily", DONE),
    "schedule preview": ("daily", DONE),
    "status": ("", DONE),
    "health": ("", ExitCode.USAGE),  # 2 is critical: tasks wait and no daemon runs
    "top": ("", ExitCode.USAGE),  # it needs a terminal
    "simulate": ("", DONE),
    "report daily": ("--format pdf", DONE),
    "report weekly": ("--output week.md", DONE),
    "report monthly": ("--year 2024 --month 12 --lang zh", DONE),
    "report custom": ("--from 2024-01-01 --to 2024-01-31 --metrics summary,hosts", DONE),
    "report deliveries": ("", DONE),
    "queue list": ("", DONE),
    "queue show": ("low", DONE),
    "queue set": ("low max_size=7", DONE),
    "queue pause": ("low", DONE),
    "queue resume": ("low", DONE),
    "clear-queue": ("low --yes", DONE),
    "dead list": ("", DONE),
    "dead show": ("1", ExitCode.NOT_FOUND),
    "dead resurrect": ("1", ExitCode.NOT_FOUND),
    "dead purge": ("--days 1 --yes", DONE),
    "web password": ("", DONE),
    "web hash": ("--user ann", DONE),
    "token create": ("publisher --role operate", DONE),
    "token list": ("", DONE),
    "token revoke": ("old", ExitCode.NOT_FOUND),
    "audit list": ("", DONE),
    "audit show": ("1", DONE),
    "audit verify": ("", DONE),
    "daemon stop": ("", DONE),
    "daemon status": ("", NO_DAEMON),
    "daemon scale": ("3", NO_DAEMON),
    "daemon reload": ("", NO_DAEMON),
    "systemd install": ("--user", DONE),
    "systemd uninstall": ("--user", DONE),
    "db init": ("", DONE),
    "db migrate": ("", DONE),
    "db check": ("", DONE),
    "db vacuum": ("", DONE),
    "db copy": ("--to sqlite:///{home}/copy.db", DONE),
    "backup": ("another.backup", DONE),
    "restore": ("made.backup --yes", DONE),
    "cleanup": ("--days 0 --yes", DONE),
    "articles rebuild": ("", DONE),
    "articles deliveries": ("", DONE),
    "articles deliver": ("task_1", REFUSED),
    "config show": ("", DONE),
    "config check": ("", DONE),
    "config path": ("", DONE),
    "export": ("--output another.jsonl", DONE),
    "import": ("made.jsonl --on-conflict skip", DONE),
}
WITH_DAEMON = {"daemon run", "daemon start", "daemon restart"}
ELSEWHERE = {"demo"}
"""``test_cli_demo`` drives it: it needs half a minute."""

LINES = {"follow", "events", "logs"}
"""They tell as it happens: a document on each line."""

EVERY = [command.name for command in every_command()]


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """Make a home with a waiting task, a cancelled one, a batch, a schedule, a backup and an export."""
    folder = guard.new_folder()
    cli = CommandLine(folder)
    (folder / "urls.txt").write_text(f"{URL}3\n")
    cli("submit", URL, URL + "2").ok()
    cli("cancel", "2").ok()
    cli("batch", "urls.txt").ok()
    cli("schedule", "add", "file://urls.txt", "--cron", "@daily", "--name", "daily").ok()
    cli("backup", "made.backup").ok()
    cli("export", "--output", "made.jsonl").ok()
    yield folder
    guard.remove_folder(folder)


@pytest.fixture
def prepared(cli: CommandLine, template: Path) -> CommandLine:
    """Give the command line in a copy of that home."""
    shutil.copytree(template, cli.home, dirs_exist_ok=True)
    return cli


def test_each_command_is_driven_here() -> None:
    assert {*WITHOUT_DAEMON, *WITH_DAEMON, *ELSEWHERE} == set(EVERY)


@pytest.mark.parametrize("name", [name for name in EVERY if name in WITHOUT_DAEMON])
def test_a_command_without_a_daemon(prepared: CommandLine, name: str) -> None:
    words, code = WITHOUT_DAEMON[name]
    arguments = shlex.split(words.replace("{home}", str(prepared.home)))
    result = prepared(*name.split(), *arguments, "--json")
    assert result.code == code, result
    documents = [json.loads(line) for line in result.out.splitlines()]
    if not documents and name not in LINES:
        error = json.loads(result.err)
        assert code != DONE
        assert error["version"] == 1
        assert error["error"]["exit_code"] == code
        assert error["error"]["hint"]
        return
    assert result.err == ""
    assert all(document["version"] == 1 for document in documents)
    assert len(documents) == 1 or name in LINES, result.out


def test_the_commands_that_have_a_daemon_start_it_or_replace_it(cli: CommandLine) -> None:
    started = cli("daemon", "start", "--json").ok().document
    guard.watch(started["pid"], signal.SIGTERM)
    assert cli("daemon", "start", "--json").ok().document["pid"] == started["pid"]
    refused = cli("daemon", "run")
    assert (refused.code, refused.out) == (REFUSED, "")
    assert str(started["pid"]) in refused.err
    assert cli("daemon", "scale", "3", "--json").ok().document["version"] == 1
    replaced = cli("daemon", "restart", "--json").ok().document
    guard.release(started["pid"])
    guard.watch(replaced["pid"], signal.SIGTERM)
    assert replaced["pid"] != started["pid"]
    assert cli("daemon", "status", "--json").ok().document["running"] is True
