"""How a daemon starts, refuses to start, wakes up, and shows itself."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from queuectl.clock import monotonic, now_ms
from queuectl.errors import ExitCode
from queuectl.operations.administration import database_init
from queuectl.operations.local_daemon import has_ended, local_daemon
from tests.support.daemon import (
    KINDS,
    POSTGRES,
    POSTGRES_REDIS,
    SQLITE,
    Daemon,
    Installation,
    MakeInstallation,
)
from tests.support.family import descendants
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_until

every_kind = pytest.mark.parametrize("kind", KINDS)


def refusal(site: Installation) -> tuple[int, list[str]]:
    """Start a daemon that cannot start; return its exit status and what it said."""
    before = len(site.daemon.log().splitlines())
    site.daemon.start(ready=False)
    status = site.daemon.wait(within=30)
    return status, site.daemon.log().splitlines()[before:]


def assert_one_line_and_a_hint(said: list[str]) -> None:
    assert len(said) == 2, said
    assert said[0].startswith("queuectld: ")
    assert said[1].startswith("hint: ")


def test_a_daemon_of_a_version_before_is_seen_and_stopped(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    file = site.home / "run" / "queuectld.pid"
    said = json.loads(file.read_text())
    del said["born"]  # as the version before wrote it
    file.write_text(json.dumps(said))
    found = local_daemon(site.home)
    assert found is not None
    assert (found.pid, found.born) == (site.daemon.pid, None)
    assert not has_ended(found)
    assert site.daemon.stop() == 0
    assert has_ended(found)


def test_a_second_daemon_in_the_same_home_is_refused(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    first, node = site.daemon.pid, site.daemon.node
    task = site.submit("patient")
    site.witness.wait_for_starts(1)

    second = Daemon(site)
    second.start(ready=False)
    assert second.wait(within=30) == ExitCode.REFUSED

    assert_one_line_and_a_hint([line for line in site.daemon.log().splitlines() if not line.startswith("20")])
    assert f"(pid {first})" in site.daemon.log()
    assert site.daemon.node == node, "the refused one must not take away the first one's pid file"
    site.manager.cancel_task(task)
    site.wait_for(task)
    site.wait_for(site.submit(), site.submit("p_work"))
    site.check()


def test_a_second_home_with_the_same_database_file_is_refused(
    install: MakeInstallation, neighbour: Callable[..., Installation]
) -> None:
    site = install(SQLITE)
    site.daemon.start()
    linked = site.home / "linked.db"
    for address in (site.settings.database_url, f"sqlite:///{linked}"):
        linked.unlink(missing_ok=True)
        linked.symlink_to(site.home / "queuectl.db")
        other = neighbour(site, database_url=address)
        status, said = refusal(other)
        assert status == ExitCode.REFUSED
        assert_one_line_and_a_hint(said)
    site.wait_for(site.submit())


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_database_that_does_not_answer_is_told_in_one_line(install: MakeInstallation, kind: str) -> None:
    nobody = f"postgresql://postgres:secret@127.0.0.1:{free_port()}/none"
    unusable = "sqlite:////proc/no/such/place.db"
    site = install(SQLITE, database_url=unusable if kind == SQLITE else nobody)
    status, said = refusal(site)
    assert status == ExitCode.UNREACHABLE
    assert_one_line_and_a_hint(said)
    assert "secret" not in said[0]
    assert not (site.home / "run" / "queuectld.pid").exists()
    assert psutil.pid_exists(site.daemon.pid) is False


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_database_newer_than_the_program_is_left_alone(
    install: MakeInstallation, request: pytest.FixtureRequest, kind: str
) -> None:
    site = install(SQLITE, database_url=request.getfixturevalue("postgres_url") if kind == POSTGRES else None)
    database_init(site.settings)
    site.write("INSERT INTO migrations (number, name, applied_at, program) VALUES (999, 'later', 0, '9.9')")
    status, said = refusal(site)
    assert status == ExitCode.UNREACHABLE
    assert_one_line_and_a_hint(said)
    assert "newer than this queuectl" in said[0]
    assert site.rows("SELECT COUNT(*) FROM nodes") == [(0,)]


def test_a_damaged_database_file_is_told_in_one_line(install: MakeInstallation) -> None:
    site = install(SQLITE)
    (site.home / "queuectl.db").write_bytes(b"no database at all " * 1000)
    status, said = refusal(site)
    assert status == ExitCode.UNREACHABLE
    assert_one_line_and_a_hint(said)


def test_a_daemon_that_was_refused_may_start_later(install: MakeInstallation) -> None:
    site = install(SQLITE)
    file = site.home / "queuectl.db"
    file.write_bytes(b"no database at all " * 1000)
    assert refusal(site)[0] == ExitCode.UNREACHABLE
    file.unlink()
    site.daemon.start()
    site.wait_for(site.submit())
    assert site.daemon.stop() == 0


def test_who_crashed_is_remembered_over_a_failed_start(
    install: MakeInstallation, postgres: PostgresServer
) -> None:
    # The next daemon of a home knows for certain that the last one is dead; this needs no patience.
    site = install(POSTGRES, database_url=postgres.url(postgres.create_database()))
    site.daemon.start()
    node = site.daemon.node
    task = site.submit("patient")
    site.witness.wait_for_starts(1)
    site.daemon.kill()
    site.write("INSERT INTO migrations (number, name, applied_at, program) VALUES (999, 'later', 0, '9.9')")
    assert refusal(site)[0] == ExitCode.UNREACHABLE
    site.write("DELETE FROM migrations WHERE number = 999")

    site.daemon.start()
    site.witness.wait_for_starts(2)
    assert site.task(task).attempts[0].node == node
    assert site.outcomes(task) == ["crashed"]
    site.manager.cancel_task(task)
    site.wait_for(task)
    site.check()


@every_kind
def test_a_task_from_another_process_wakes_an_idle_daemon(install: MakeInstallation, kind: str) -> None:
    site = install(kind)
    site.daemon.start()
    site.wait_for(site.submit())
    waits = []
    for _ in range(15):
        before = monotonic()
        seen = len(site.witness.starts())
        task = site.submit()
        site.witness.wait_for_starts(seen + 1)
        waits.append(site.witness.starts(task)[0].at / 1e9 - before)
        site.wait_for(task)
    assert woken_at_once(waits), waits


def woken_at_once(waits: list[float]) -> bool:
    """Tell whether a daemon was woken; by itself it looks a quarter of a second after it has last done something.

    The quickest quarter tells, since a busy machine may add to any of them and takes away from none.
    """
    return statistics.quantiles(waits, n=4)[0] < 0.09


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_a_task_from_another_machine_wakes_an_idle_daemon(
    install: MakeInstallation, neighbour: Callable[..., Installation], kind: str
) -> None:
    site = install(kind)
    elsewhere = neighbour(site)
    site.daemon.start()
    site.wait_for(elsewhere.submit())
    waits = []
    for _ in range(15):
        before = monotonic()
        seen = len(site.witness.starts())
        task = elsewhere.submit()
        site.witness.wait_for_starts(seen + 1)
        waits.append(site.witness.starts(task)[0].at / 1e9 - before)
        site.wait_for(task)
    assert woken_at_once(waits), waits


def test_a_daemon_works_without_its_wake_up_socket(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    (site.home / "run" / "wake.sock").unlink()
    site.wait_for(site.submit())
    assert site.daemon.stop() == 0


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES_REDIS])
def test_a_daemon_is_listed_and_heard_of_while_it_lives(install: MakeInstallation, kind: str) -> None:
    site = install(kind, workers=3)
    site.daemon.start()
    task = site.submit("patient")
    site.witness.wait_for_starts(1)
    node = wait_until(
        lambda: [each for each in site.monitor.get_realtime_status().nodes if each.running == 1],
        describing="the node to show its run",
    )[0]
    assert (node.id, node.pid, node.workers, node.alive) == (site.daemon.node, site.daemon.pid, 3, True)
    assert node.transport == ("redis" if "redis" in kind else "in-process")
    assert node.transport_up
    assert abs(node.heartbeat_at - now_ms()) < 10_000
    wait_until(
        lambda: site.monitor.get_realtime_status().nodes[0].heartbeat_at > node.heartbeat_at,
        describing="another sign of life",
    )
    site.manager.cancel_task(task)
    site.wait_for(task)
    assert site.daemon.stop() == 0
    assert site.monitor.get_realtime_status().nodes == ()


def test_no_process_of_a_stopped_daemon_is_left(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.daemon.start()
    site.wait_for(site.submit("p_work"))
    processes = descendants(site.daemon.pid)
    assert len(processes) >= 2
    assert site.daemon.stop() == 0
    assert [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    left = sorted(path.name for path in (site.home / "run").iterdir())
    assert left == ["daemon.lock"]


def test_the_log_speaks_json_where_that_is_set(install: MakeInstallation) -> None:
    site = install(SQLITE, log_format="json", max_retries=0)
    site.daemon.start()
    task = site.submit(failing=[1])
    site.wait_for(task)
    assert site.daemon.stop() == 0
    lines = [json.loads(line) for line in site.daemon.log().splitlines()]
    assert next(line for line in lines if line.get("action") == "ready")["node"]
    (bury,) = [line for line in lines if line.get("action") == "bury"]
    assert (bury["task_id"], bury["attempt"], bury["level"]) == (task, 1, "warning")


def test_a_home_that_is_too_deep_for_a_socket_still_works(install: MakeInstallation) -> None:
    site = install(SQLITE)
    deep: Path = site.home / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    other = Installation(deep, workers=2)
    try:
        other.daemon.start()
        other.wait_for(other.submit())
        assert other.daemon.stop() == 0
    finally:
        other.close()
