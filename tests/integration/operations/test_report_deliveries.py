"""Planned reports arrive: once for all nodes, the latest after an absence, again after a failure, over nothing."""

from __future__ import annotations

import errno
import os
import stat
import threading
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from queuectl.domain.report_delivery import ReportDelivery
from queuectl.errors import StorageError
from queuectl.operations.reporter_delivery import ReportDeliveries, planned, put
from queuectl.settings import Settings
from queuectl.store.database import Database
from tests.support.receiver import SECRET, cut_off, receiving, with_nothing, without_end

DAY_MS = 86_400_000
ZONE = "Asia/Shanghai"


def plan(settings: Settings, **fields) -> Settings:
    fields.setdefault("folder", None if "webhook" in fields else str(settings.home / "out"))
    delivery = ReportDelivery(fields.pop("kind", "daily"), fields.pop("cron", "0 0 * * *"), **fields)
    return replace(
        settings,
        timezone=ZONE,
        report_schedule=(delivery,),
        webhook_secret=SECRET,
        fetch_allow_networks=("127.0.0.0/8",),
    )


def look_back(database: Database, days: float) -> None:
    """Let every line of the plan have been delivered so many days ago, and nobody be at it."""
    with database.writing() as transaction:
        transaction.execute(
            "UPDATE report_deliveries SET last_at = %s, next_try_at = 0, claimed_until = 0",
            (transaction.now() - round(days * DAY_MS),),
        )


def begun(database: Database, settings: Settings, node: str = "one", *, days: float = 3) -> ReportDeliveries:
    deliveries = ReportDeliveries(database, settings, node)
    assert deliveries.take() is None, "what lies before the plan is not made up for"
    look_back(database, days)
    return deliveries


def yesterday(database: Database, settings: Settings) -> str:
    with database.reading() as transaction:
        now = transaction.now()
    return f"{datetime.fromtimestamp(now / 1000 - 86_400, ZoneInfo(ZONE)):%Y-%m-%d}"


@pytest.mark.parametrize("form", ["html", "pdf", "md", "csv", "json"])
def test_the_latest_report_is_put_into_the_folder_once(database, settings, form):
    wanted = plan(settings, format=form, lang="zh")
    deliveries = begun(database, wanted)
    due = deliveries.take()
    assert due is not None
    done = deliveries.carry_out(due)
    assert done.problem is None
    (file,) = (settings.home / "out").iterdir()
    assert str(file) == done.place
    assert file.name == f"daily-{yesterday(database, wanted)}.zh.{form}"
    assert file.stat().st_size > 100
    assert deliveries.take() is None
    (shown,) = planned(database, wanted)
    assert shown.state is not None
    assert shown.state.delivered_at is not None
    assert shown.next_at is not None


def test_of_many_nodes_one_delivers(database, settings):
    wanted = plan(settings)
    begun(database, wanted)
    found = []
    start = threading.Barrier(6)

    def look(number: int) -> None:
        own = Database(wanted.database_url)
        start.wait(30)
        found.append(ReportDeliveries(own, wanted, f"node {number}").take())
        own.close()

    threads = [threading.Thread(target=look, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(found) == 6
    assert len([each for each in found if each is not None]) == 1


def test_what_a_dead_node_had_taken_is_delivered_by_another_one(database, settings):
    wanted = plan(settings)
    assert begun(database, wanted, "dead").take() is not None
    other = ReportDeliveries(database, wanted, "other")
    assert other.take() is None
    with database.writing() as transaction:
        transaction.execute("UPDATE report_deliveries SET claimed_until = %s", (transaction.now(),))
    due = other.take()
    assert due is not None
    assert other.carry_out(due).problem is None


def test_a_failed_delivery_is_told_and_repeated(database, settings):
    wanted = plan(settings)
    (settings.home / "out").write_text("not a folder")
    deliveries = begun(database, wanted)
    due = deliveries.take()
    assert due is not None
    done = deliveries.carry_out(due)
    assert done.place is None
    assert "cannot be made" in str(done.problem)
    assert done.pause == 30_000
    assert deliveries.take() is None, "not at once"
    (shown,) = planned(database, wanted)
    assert shown.state is not None
    assert (shown.state.tries, shown.state.problem) == (1, done.problem)
    with database.writing() as transaction:
        transaction.execute("UPDATE report_deliveries SET next_try_at = 0")
    (settings.home / "out").unlink()
    again = deliveries.take()
    assert again is not None
    assert (again.tick, again.tries) == (due.tick, 1)
    assert deliveries.carry_out(again).problem is None
    assert len(list((settings.home / "out").iterdir())) == 1


def test_nothing_that_is_there_is_replaced(tmp_path):
    first = put(tmp_path, "a.html", b"one")
    assert put(tmp_path, "a.html", b"one") == first, "what an earlier try wrote is found again"
    second = put(tmp_path, "a.html", b"two")
    assert (second.name, first.read_bytes(), second.read_bytes()) == ("a-2.html", b"one", b"two")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "b.html").symlink_to(victim)
    (tmp_path / "b-2.html").mkdir()
    third = put(tmp_path, "b.html", b"three")
    assert (third.name, victim.read_text()) == ("b-3.html", "mine")
    assert not list(tmp_path.glob(".*")), "no half-written file stays"


def test_a_delivered_file_is_on_the_disk_and_so_is_its_name(tmp_path, monkeypatch):
    steps = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced = os.fstat(descriptor)
        here = [each.name for each in tmp_path.iterdir() if os.path.samestat(each.stat(), synced)]
        named = sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith("."))
        steps.append(("folder", named) if os.path.samestat(tmp_path.stat(), synced) else ("file", here))

    monkeypatch.setattr(os, "fsync", fsync)
    put(tmp_path, "a.html", b"one")
    assert [what for what, _ in steps] == ["file", "folder"], "the content first, then the name"
    assert len(steps[0][1]) == 1
    assert steps[1][1] == ["a.html"]
    steps.clear()
    put(tmp_path, "a.html", b"one")
    assert steps[-1] == ("folder", ["a.html"]), "whether the try before came so far is not known"


def test_a_share_that_does_not_sync_folders_can_be_delivered_to(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert put(tmp_path, "a.html", b"one").read_bytes() == b"one"


def test_a_folder_without_a_free_name_is_an_error(tmp_path):
    for number in range(1, 100):
        (tmp_path / ("a.html" if number == 1 else f"a-{number}.html")).write_text("other")
    with pytest.raises(StorageError, match="99 other files"):
        put(tmp_path, "a.html", b"one")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("manner", [cut_off, without_end])
def test_a_report_has_arrived_when_the_status_says_so_whatever_else_is_said(database, settings, manner):
    with receiving() as server:
        server.always, server.manner = 200, manner
        wanted = plan(settings, webhook=f"http://127.0.0.1:{server.server_port}/hook")
        deliveries = begun(database, replace(wanted, fetch_timeout=5))
        due = deliveries.take()
        assert due is not None
        assert deliveries.carry_out(due).problem is None
        assert deliveries.take() is None
        assert len(server.got) == 1


def test_a_webhook_gets_the_file_signed_and_the_same_id_with_each_try(database, settings):
    with receiving() as server:
        server.answers = [503, 302, 404]
        wanted = plan(
            settings, webhook=f"http://127.0.0.1:{server.server_port}/hook?key=7", format="pdf", kind="weekly"
        )
        deliveries = begun(database, wanted)
        problems = []
        for _ in range(4):
            due = deliveries.take()
            assert due is not None
            problems.append(deliveries.carry_out(due).problem)
            with database.writing() as transaction:
                transaction.execute("UPDATE report_deliveries SET next_try_at = 0")
    port = server.server_port
    assert problems == [*(f"127.0.0.1:{port} answered {status}" for status in (503, 302, 404)), None]
    assert len({got.key for got in server.got}) == 1
    for got in server.got:
        headers = got.headers
        assert got.body.startswith(b"%PDF-")
        assert headers["content-type"] == "application/pdf"
        assert headers["queuectl-event"] == "report.weekly"
        assert headers["idempotency-key"] == headers["webhook-id"]
        assert got.is_signed_with(SECRET)
        assert 'filename="weekly-' in headers["content-disposition"]
    assert deliveries.take() is None


def test_a_webhook_may_say_when_to_come_again(database, settings):
    with receiving() as server:
        server.always, server.manner = 429, partial(with_nothing, retry_after="600")
        deliveries = begun(database, plan(settings, webhook=f"http://127.0.0.1:{server.server_port}/hook"))
        due = deliveries.take()
        assert due is not None
        assert deliveries.carry_out(due).pause == 600_000


def test_a_webhook_is_guarded_as_a_fetch_is(database, settings):
    with receiving() as server:
        wanted = replace(
            plan(settings, webhook=f"http://127.0.0.1:{server.server_port}/hook"), fetch_allow_networks=()
        )
        deliveries = begun(database, wanted)
        due = deliveries.take()
        assert due is not None
        done = deliveries.carry_out(due)
    assert "127.0.0.1" in str(done.problem)
    assert server.got == []


def test_a_webhook_where_nobody_listens_is_tried_again(database, settings):
    with receiving() as server:
        port = server.server_port
    wanted = plan(settings, webhook=f"http://127.0.0.1:{port}/hook")
    deliveries = begun(database, wanted)
    due = deliveries.take()
    assert due is not None
    done = deliveries.carry_out(due)
    assert f"127.0.0.1:{port}" in str(done.problem)
    assert done.pause > 0


def test_a_folder_is_made_where_it_is_missing_but_not_what_it_lies_in(database, settings):
    folder = settings.home / "disk" / "reports"
    wanted = plan(settings, folder=str(folder))
    deliveries = begun(database, wanted)
    due = deliveries.take()
    assert due is not None
    assert deliveries.carry_out(due).problem == f"there is no folder {folder.parent}"
    assert not folder.parent.exists(), "a disk that is not mounted is no place for reports"
    folder.parent.mkdir()
    with database.writing() as transaction:
        transaction.execute("UPDATE report_deliveries SET next_try_at = 0")
    due = deliveries.take()
    assert due is not None
    place = deliveries.carry_out(due).place
    assert place is not None
    assert Path(place).parent == folder
