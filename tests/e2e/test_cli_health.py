"""``queuectl health``: its exit codes, its documents, and that it says the same as the library."""

from __future__ import annotations

from queuectl import Monitor
from queuectl.settings import load
from tests.support.cli import CommandLine
from tests.support.ports import free_port
from tests.support.terminal import terminal

URL = "https://example.com/article"
OK, WARNING, CRITICAL, UNKNOWN = range(4)


def test_without_anything_to_do_a_missing_daemon_is_a_warning(cli: CommandLine) -> None:
    result = cli("health")
    assert result.code == WARNING
    assert result.out.startswith("health  80 of 100, warning\n")
    assert "mend    daemon: queuectl daemon start\n" in result.out


def test_tasks_that_wait_for_no_daemon_are_critical(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    result = cli("health", "--json")
    assert (result.code, result.document["score"], result.document["level"]) == (CRITICAL, 50, "critical")
    daemon = next(each for each in result.document["checks"] if each["name"] == "daemon")
    assert (daemon["points"], daemon["mend"]) == (50, "queuectl daemon start")
    assert daemon["detail"] == "none is running and 1 task waits"


def test_with_a_daemon_everything_is_in_order(cli: CommandLine) -> None:
    cli.start_daemon()
    result = cli("health", "--json")
    assert (result.code, result.document["score"]) == (OK, 100), result.out
    assert cli("health", "--quiet").ok().out == "ok\n"
    monitor = Monitor(load(home=cli.home).settings)
    assert monitor.get_health().score == 100
    monitor.close()


def test_a_database_that_does_not_answer_is_critical(cli: CommandLine) -> None:
    cli.variables["DATABASE_URL"] = f"postgresql://127.0.0.1:{free_port()}/nothing"
    result = cli("health", "--json")
    assert (result.code, result.document["score"]) == (CRITICAL, 0)
    (check,) = result.document["checks"]
    assert (check["name"], check["points"]) == ("database", 100)
    assert "does not answer" in check["detail"]


def test_what_cannot_be_judged_is_unknown(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_WORKERS"] = "0"
    result = cli("health")
    assert result.code == UNKNOWN
    assert "workers is 0" in result.err


def test_limits_are_settings(cli: CommandLine) -> None:
    cli.variables["QUEUECTL_HEALTH_DISK"] = "1048576"
    result = cli("health", "--json")
    disk = next(each for each in result.document["checks"] if each["name"] == "disk")
    assert (disk["warning"], disk["level"]) == (1024**4, "critical")
    assert result.code == CRITICAL


def test_the_screen_shows_score_checks_and_what_mends_them(cli: CommandLine) -> None:
    cli("submit", URL).ok()
    with terminal(cli, "health", columns=80, lines=30) as screen:
        assert screen.end() == CRITICAL
        text = screen.text
    assert "health  50 of 100, critical" in text
    assert "✗ daemon" in text
    assert "-50" in text
    assert "mend daemon  queuectl daemon start" in text
