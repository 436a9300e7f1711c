"""What a daemon tells the service manager: that it is ready, reloads, stops, and gets on."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import psutil
import pytest

from queuectl_daemon.notify import Notifier, Reporting
from tests.support.daemon import POSTGRES, SQLITE, SQLITE_REDIS, MakeInstallation
from tests.support.descriptors import no_free_descriptor
from tests.support.manager import Manager, variables_of
from tests.support.redis import RedisServer


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_a_daemon_says_that_it_is_ready_reads_its_settings_again_and_stops(
    install: MakeInstallation, manager: Manager, kind: str
) -> None:
    site = install(kind)
    site.daemon.start()
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=0 of 4 workers busy")
    manager.forget()
    site.daemon.send(signal.SIGHUP)
    manager.wait_for("READY=1")
    assert manager.heard("RELOADING=1")
    assert manager.heard("MONOTONIC_USEC=*")
    assert manager.said.index("RELOADING=1") < manager.said.index("READY=1")
    manager.forget()
    assert site.daemon.stop() == 0
    manager.wait_for("STOPPING=1")
    assert manager.heard(f"EXTEND_TIMEOUT_USEC={round(site.settings.grace_period + 60) * 1_000_000}")
    assert not manager.heard("READY=1")


def test_it_is_not_ready_before_redis_answers_and_works_without_it_meanwhile(
    install: MakeInstallation, manager: Manager, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis()
    site = install(SQLITE_REDIS, redis_url=server.url)
    server.stop()
    site.daemon.start()
    site.wait_for(site.submit())
    manager.wait_for("EXTEND_TIMEOUT_USEC=*")
    manager.wait_for("STATUS=0 of 4 workers busy; Redis does not answer, work goes on without it")
    assert not manager.heard("READY=1")
    server.start()
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=0 of 4 workers busy")


def test_the_watchdog_is_fed_while_the_pump_gets_on_and_not_while_it_is_stuck(
    install: MakeInstallation, manager: Manager
) -> None:
    manager.watch(seconds=1)
    site = install(SQLITE)
    site.daemon.start()
    manager.wait_for("WATCHDOG=1")
    manager.forget()
    manager.wait_for("WATCHDOG=1")
    with closing(sqlite3.connect(site.home / "queuectl.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA busy_timeout = 20000")
        writer.execute("BEGIN IMMEDIATE")
        manager.is_silent_of("WATCHDOG=1", 2)  # what it had done before may be told once more
        assert manager.is_silent_of("WATCHDOG=1", 3)
        writer.execute("ROLLBACK")
    manager.wait_for("WATCHDOG=1")


def test_the_watchdog_of_another_process_is_not_fed(install: MakeInstallation, manager: Manager) -> None:
    manager.watch(seconds=0.4, pid=os.getpid())
    site = install(SQLITE)
    site.daemon.start()
    manager.wait_for("READY=1")
    assert manager.is_silent_of("WATCHDOG=1", 1.5)


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    """Give what speaks to the manager, which wants a sign of life, in this process."""
    manager.watch(seconds=4)
    speaking = Notifier(dict(os.environ))
    yield speaking
    speaking.close()


@pytest.fixture
def reporting(notifier: Notifier) -> Reporting:
    """Give what reports for a daemon that is ready and gets on, at each look that the test lets it take."""
    steps = count()
    return Reporting(notifier, steps=lambda: next(steps), is_ready=lambda: True, status=lambda: "well")


def test_what_a_busy_manager_has_not_taken_in_is_said_again(manager: Manager, reporting: Reporting) -> None:
    manager.go_deaf()
    reporting._look()
    manager.forget()
    reporting._look()
    assert manager.heard("READY=1")
    assert manager.heard("STATUS=well")
    assert manager.heard("WATCHDOG=1")
    manager.forget()
    reporting._look()
    assert not manager.heard("READY=1"), "it is said once"
    assert not manager.heard("STATUS=well")
    assert not manager.heard("WATCHDOG=1"), "it is fed four times in the time that it allows"


def test_a_busy_manager_hears_in_order_of_a_reload_and_of_the_stop(
    manager: Manager, reporting: Reporting
) -> None:
    reporting._look()
    manager.forget()
    manager.go_deaf()
    reporting.reloading()
    reporting.reloaded()
    reporting.stop(grace=1)
    manager.forget()
    reporting._look()
    assert manager.heard("STOPPING=1")
    said = [each for each in manager.said if each.partition("=")[0] in ("RELOADING", "READY", "STOPPING")]
    assert said == ["RELOADING=1", "READY=1", "STOPPING=1"]
    assert not manager.heard("STATUS=well")


def test_a_process_without_a_free_descriptor_is_heard(manager: Manager, reporting: Reporting) -> None:
    with no_free_descriptor():
        reporting._look()
        reporting.reloading()
        reporting.reloaded()
    assert manager.heard("WATCHDOG=1")
    said = [each for each in manager.said if each in ("RELOADING=1", "READY=1")]
    assert said == ["READY=1", "RELOADING=1", "READY=1"]


def test_who_began_without_a_free_descriptor_is_heard_when_there_is_one(manager: Manager) -> None:
    with no_free_descriptor():
        notifier = Notifier(dict(os.environ))
        assert not notifier.say("READY=1")
    assert notifier.say("READY=1")
    assert manager.heard("READY=1")
    notifier.close()


def test_another_socket_is_opened_for_one_that_was_closed(manager: Manager, notifier: Notifier) -> None:
    assert notifier._socket is not None
    notifier._socket.close()
    assert [notifier.say("READY=1"), notifier.say("READY=1")] == [False, True]
    assert manager.heard("READY=1")


def test_no_child_inherits_the_way_to_the_manager(install: MakeInstallation, manager: Manager) -> None:
    manager.watch(seconds=60)
    site = install(SQLITE)
    site.daemon.start()
    site.submit("p_until_file", until=str(site.home / "door"))
    site.witness.wait_for_starts(1)
    family = psutil.Process(site.daemon.pid).children(recursive=True)
    assert len(family) >= 2
    for process in family:
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & {*variables_of(process.pid)}
    (site.home / "door").touch()
