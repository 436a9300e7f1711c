"""The daemon writes where the audit ends to its log, and that finds a record that was cut off."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from queuectl import QueueManager, Settings
from queuectl.operations.audit import AuditTrail
from queuectl.store.database import Database
from queuectl_daemon.anchor import AuditAnchor
from tests.support.daemon import SQLITE, MakeInstallation
from tests.support.waiting import wait_until


def test_the_end_is_told_once_for_each_change(
    home: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(home=home, database_url=database.url)
    caplog.set_level(logging.INFO, logger="queuectl.daemon")
    anchor = AuditAnchor(database)
    anchor.tell()
    assert caplog.messages == []
    with QueueManager(settings) as manager:
        manager.pause_queue("low")
        anchor.tell()
        anchor.tell()
        manager.resume_queue("low")
        anchor.tell()
    told = [message.removeprefix("audit anchor ") for message in caplog.messages]
    assert [each.partition(":")[0] for each in told] == ["1", "2"]
    with AuditTrail(settings) as trail:
        assert all(trail.verify(each).verdict.sound for each in told)


def test_a_daemon_tells_it_when_it_starts(install: MakeInstallation) -> None:
    site = install(SQLITE)
    site.manager.pause_queue("low")
    site.daemon.start()
    wait_until(lambda: "audit anchor 1:" in site.daemon.log(), within=10, describing="the anchor in the log")
