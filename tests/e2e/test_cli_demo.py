"""The demonstration: it runs by itself, produces what it says, and leaves nothing running."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from queuectl.errors import ExitCode
from tests.support.cli import CommandLine


def test_the_demonstration_tells_what_happens_and_what_it_produced(cli: CommandLine) -> None:
    home = cli.home / "trial"
    result = cli("demo", "--home", home, within=90).ok()
    assert f"the demonstration lives in {home}" in result.err
    assert "task_1   succeeded urgent" in result.out
    assert "retrying" in result.out
    assert "14 articles in" in result.out
    assert "1 dead letter" in result.out
    assert "404" in result.out
    assert "succeeded in run 2" in result.out
    assert (home / "articles" / "feed.xml").read_text().count("<entry>") == 14
    assert len(list((home / "articles").rglob("*.html"))) == 14
    (report,) = (home / "reports").glob("daily-*.html")
    assert str(report) in result.out
    assert "14 succeeded, 1 given up" in report.read_text()
    cli.variables["QUEUECTL_HOME"] = str(home)
    assert cli("daemon", "status").code == ExitCode.DAEMON_NOT_RUNNING
    cli("db", "check").ok()
    again = cli("demo", "--home", home, "--json", within=90).ok().document
    assert [task["state"] for task in again["tasks"]].count("succeeded") == 14
    assert {task["result"]["language"] for task in again["tasks"] if task["result"]} == {"zh", "en"}
    assert again["dead_letters"][0]["cause"] == "refused"


def test_without_a_home_it_makes_a_folder_of_its_own_that_stays(cli: CommandLine) -> None:
    cli.variables["TMPDIR"] = str(cli.home)
    assert tempfile.gettempdir() != str(cli.home)
    found = cli("demo", "--json", within=90).ok().document
    assert Path(found["home"]).parent == cli.home
    assert Path(found["feed"]).exists()
    assert Path(found["report"]).exists()
    assert not (cli.home / "queuectl.db").exists(), "the real home is left alone"


def test_it_refuses_a_home_that_is_in_use(cli: CommandLine) -> None:
    cli.configure("workers = 2")
    assert "it has its own queuectl.toml" in cli("demo", "--home", cli.home).error(ExitCode.REFUSED)
    cli.start_daemon()
    assert "a daemon already uses" in cli("demo", "--home", cli.home).error(ExitCode.REFUSED)


def test_it_keeps_away_from_a_database_with_real_work(cli: CommandLine) -> None:
    cli("submit", "https://example.com/").ok()
    cli.variables["DATABASE_URL"] = f"sqlite:///{cli.home}/queuectl.db"
    text = cli("demo", "--home", cli.home / "trial").error(ExitCode.REFUSED)
    assert "is in use: it has tasks" in text
    assert cli.states() == ["queued"]


@pytest.mark.parametrize("transport", ["in-process", "redis"])
def test_it_uses_the_servers_that_are_configured(
    cli: CommandLine, postgres_url: str, redis_url: str, transport: str
) -> None:
    cli.variables["DATABASE_URL"] = postgres_url
    if transport == "redis":
        cli.variables["REDIS_URL"] = redis_url
    found = cli("demo", "--home", cli.home / "trial", "--json", within=90).ok().document
    assert len(found["tasks"]) == 15
    assert not (cli.home / "trial" / "queuectl.db").exists()
