"""Running daemons deliver the planned reports: once, after an absence, and again after a failure, beside their work."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import State
from queuectl.domain.report_delivery import ReportDelivery
from queuectl.operations.reporter_delivery import ReportDeliveries
from queuectl.settings import Settings
from queuectl.store.database import Database
from queuectl_daemon.reports import Reports
from tests.support.daemon import POSTGRES, SQLITE, Installation, MakeInstallation
from tests.support.waiting import wait_until

DAYS = 3 * 86_400_000


def plan(folder: Path, form: str = "html") -> str:
    at = datetime.now(UTC) + timedelta(hours=12)  # so that no other one comes due meanwhile
    one = {"kind": "daily", "at": f"{at:%H:%M}", "format": form, "lang": "zh", "folder": str(folder)}
    return json.dumps([one])


def look_back(site: Installation) -> None:
    """Let the plan have been carried out three days ago, and nothing of it since."""
    wait_until(lambda: site.rows("SELECT 1 FROM report_deliveries"), within=40, describing="the plan is seen")
    site.write("UPDATE report_deliveries SET last_at = %s, next_try_at = 0", now_ms() - DAYS)


def delivered(site: Installation) -> bool:
    return bool(site.rows("SELECT 1 FROM report_deliveries WHERE delivered_at IS NOT NULL"))


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_what_came_due_while_no_daemon_ran_is_delivered_at_the_next_start(
    install: MakeInstallation, kind: str
) -> None:
    first = install(kind)
    folder = first.home / "out"
    site = install(kind, report_schedule=plan(folder, "pdf"), database_url=first.settings.database_url)
    site.daemon.start()
    look_back(site)
    site.daemon.stop()
    site.write("UPDATE report_deliveries SET delivered_at = NULL, last_at = %s", now_ms() - DAYS)
    for each in folder.glob("*"):
        each.unlink()
    site.daemon.start()
    wait_until(lambda: delivered(site), within=40, describing="the report is delivered")
    (file,) = folder.iterdir()
    assert file.read_bytes().startswith(b"%PDF-")
    said = "daily report (pdf, zh): delivered to"
    wait_until(lambda: said in site.daemon.log(), within=20, describing="the log tells it")


def test_of_two_daemons_one_delivers(install: MakeInstallation) -> None:
    first = install(POSTGRES)
    folder = first.home / "out"
    one, other = (
        install(POSTGRES, report_schedule=plan(folder), database_url=first.settings.database_url)
        for _ in range(2)
    )
    one.daemon.start()
    other.daemon.start()
    look_back(one)
    wait_until(lambda: delivered(one), within=60, describing="the report is delivered")
    assert len(list(folder.iterdir())) == 1
    logs = one.daemon.log() + other.daemon.log()
    assert logs.count("delivered to") == 1


def test_a_delivery_that_fails_is_told_repeated_and_in_nobodys_way(install: MakeInstallation) -> None:
    first = install()
    folder = first.home / "out"
    folder.write_text("not a folder")
    site = install(report_schedule=plan(folder), database_url=first.settings.database_url)
    site.daemon.start()
    look_back(site)
    wait_until(
        lambda: "not delivered to" in site.daemon.log(), within=40, describing="the failure is in the log"
    )
    # The process in which others are started reads the same settings, with the plan among them.
    done = site.wait_for(site.submit("work"), site.submit("p_work"))
    assert [task.state for task in done] == [State.SUCCEEDED] * 2
    folder.unlink()
    site.write("UPDATE report_deliveries SET next_try_at = 0")
    wait_until(lambda: delivered(site), within=60, describing="the report is delivered")
    assert len(list(folder.iterdir())) == 1


def test_where_no_thread_can_be_had_later_reports_are_delivered(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.home / "out"
    wanted = replace(
        settings, report_schedule=(ReportDelivery("daily", "0 0 * * *", format="csv", folder=str(folder)),)
    )
    deliveries = ReportDeliveries(database, wanted, "node")
    reports = Reports(database, wanted, "node")
    assert deliveries.take() is None

    def due_again() -> None:
        with database.writing() as transaction:
            transaction.execute(
                "UPDATE report_deliveries SET last_at = %s, claimed_until = 0", (now_ms() - DAYS,)
            )

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    due_again()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            reports.look(deliveries)
    due_again()
    reports.look(deliveries)
    wait_until(lambda: list(folder.glob("*.csv")), within=30, describing="the report to be there")
    for thread in threading.enumerate():
        if thread.name == "report":
            thread.join(30)
