"""Running daemons fire schedules: in time, once, past sources that hang, and after they were killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from queuectl.clock import now_ms
from queuectl.domain.schedule import Tick
from queuectl.operations.scheduler import Scheduler
from queuectl.store.database import Database
from queuectl_daemon.schedules import Schedules
from tests.support.daemon import POSTGRES, POSTGRES_REDIS, SQLITE, Installation, MakeInstallation
from tests.support.fake_site import FakeSite
from tests.support.waiting import wait_until

HOUR, DAY = 3_600_000, 86_400_000
LOOPBACK = ["127.0.0.0/8"]


class Planned:
    """The schedules of an installation, whose daemon reads lists of tasks for the handler ``work``."""

    def __init__(self, site: Installation) -> None:
        self.site = site
        self.scheduler = Scheduler(site.settings)
        # No schedule comes due by itself while a test runs.
        self._cron = f"{(datetime.now(UTC).minute + 30) % 60} * * * *"
        self.coming: dict[str, int] = {}
        """The next tick of each schedule by its rule."""

    def add(
        self, name: str, source: str | None = None, *, due_in: int, urls: int = 3, **options: Any
    ) -> None:
        """Add an hourly schedule that is due in so many milliseconds, or has been due."""
        if source is None:
            lines = "".join(f"http://example.test/{name}/{number}\n" for number in range(urls))
            (self.site.home / f"{name}.txt").write_text(lines)
            source = f"file://{name}.txt"
        facts = {"witness": str(self.site.witness.path)}
        self.scheduler.schedule_recurring(
            source, self._cron, name=name, handler="work", metadata=facts, **options
        )
        coming = self.scheduler.get_schedule(name).next_tick_at
        assert coming is not None
        self.coming[name] = coming
        self.due(name, now_ms() + due_in)

    def due(self, name: str, at: int) -> None:
        self.site.write("UPDATE schedules SET next_tick_at = %s WHERE name = %s", at, name)

    def ticks(self, name: str) -> list[Tick]:
        return self.scheduler.get_ticks(name, 1000)

    def wait_for_tick(self, name: str, number: int = 1) -> Tick:
        """Wait until a schedule has had so many ticks, and return the newest."""
        wait_until(lambda: len(self.ticks(name)) >= number, within=30, describing=f"tick {number} of {name}")
        return self.ticks(name)[0]

    def check(self) -> None:
        """Wait for every task and check the books."""
        self.site.wait_until_done()
        self.site.accepted[:] = list(self.site.states())
        self.site.check()


@pytest.fixture
def plan(install: MakeInstallation, request: pytest.FixtureRequest) -> Iterator[Planned]:
    """Give an installation with schedules, of the kind that the test names."""
    planned = Planned(install(getattr(request, "param", SQLITE), fetch_allow_networks=LOOPBACK))
    yield planned
    planned.scheduler.close()


@pytest.mark.parametrize("plan", [SQLITE, POSTGRES_REDIS], indirect=True)
def test_a_schedule_is_fired_in_time_and_its_tasks_run(plan: Planned) -> None:
    plan.site.daemon.start()
    plan.add("soon", due_in=2500)
    tick = plan.wait_for_tick("soon")
    assert (tick.outcome, tick.accepted, tick.node) == ("submitted", 3, plan.site.daemon.node)
    due = [next_at for (next_at,) in plan.site.rows("SELECT next_tick_at FROM schedules")]
    assert due == [plan.coming["soon"]]
    plan.check()
    assert "schedule soon: 3 tasks in batch_1" in plan.site.daemon.log()


def test_what_was_missed_while_no_daemon_ran_is_made_up_for_by_the_policy(plan: Planned) -> None:
    plan.add("latest", due_in=HOUR)
    plan.add("all", due_in=HOUR, catch_up="all", overlap="allow")
    plan.add("none", due_in=HOUR, catch_up="none")
    plan.add("paused", due_in=HOUR)
    for name, coming in plan.coming.items():
        plan.due(name, coming - 6 * HOUR)
    plan.scheduler.pause("paused")
    plan.site.daemon.start()
    assert plan.wait_for_tick("latest").missed == 5
    plan.wait_for_tick("all", 6)
    plan.wait_for_tick("none")
    plan.check()
    assert [tick.outcome for tick in plan.ticks("none")] == ["skipped"]
    assert (len(plan.ticks("latest")), len(plan.ticks("all")), plan.ticks("paused")) == (1, 6, [])


@pytest.mark.parametrize("kind", [POSTGRES, POSTGRES_REDIS])
def test_two_daemons_fire_each_tick_once(
    install: MakeInstallation, neighbour: Callable[..., Installation], kind: str
) -> None:
    plan = Planned(install(kind))
    other = neighbour(plan.site)
    plan.site.daemon.start()
    other.daemon.start()
    names = [f"r{number}" for number in range(8)]
    for name in names:
        plan.add(name, due_in=HOUR)
        (other.home / f"{name}.txt").write_text((plan.site.home / f"{name}.txt").read_text())
    at = now_ms() + 2500
    for name in names:
        plan.due(name, at)
    for name in names:
        assert plan.wait_for_tick(name).accepted == 3
    plan.check()
    assert [len(plan.ticks(name)) for name in names] == [1] * 8
    assert len(plan.site.states()) == 24
    plan.scheduler.close()


class Hanging:
    """A source that answers only when it is told to."""

    def __init__(self, site: FakeSite) -> None:
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.url = site.reply("/urls", self._answer)

    def _answer(self, visit: Any) -> None:
        self.asked.release()
        self.may_answer.wait(60)
        body = b"http://example.test/slow\n"
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Give a source that hangs until it may answer."""
    with FakeSite() as site:
        source = Hanging(site)
        yield source
        source.may_answer.set()


def test_sources_that_hang_stop_neither_the_others_nor_the_tasks(plan: Planned, hanging: Hanging) -> None:
    plan.site.daemon.start()
    for number in range(3):
        plan.add(f"slow{number}", hanging.url, due_in=0)
    for _ in range(3):
        assert hanging.asked.acquire(timeout=20)
    plan.add("quick", due_in=0)
    assert plan.wait_for_tick("quick").outcome == "submitted"
    task = plan.site.submit()
    plan.site.wait_for(task)
    assert [plan.ticks(f"slow{number}") for number in range(3)] == [[], [], []]
    hanging.may_answer.set()
    for number in range(3):
        plan.wait_for_tick(f"slow{number}")


@pytest.mark.parametrize("plan", [SQLITE, POSTGRES], indirect=True)
def test_a_daemon_that_is_killed_while_it_reads_leaves_the_tick_to_the_next(
    plan: Planned, hanging: Hanging
) -> None:
    plan.site.daemon.start()
    plan.add("slow", hanging.url, due_in=0)
    assert hanging.asked.acquire(timeout=20)
    plan.site.daemon.kill()
    assert plan.ticks("slow") == []
    hanging.may_answer.set()
    plan.site.daemon.start()
    tick = plan.wait_for_tick("slow")
    assert (tick.accepted, tick.node) == (1, plan.site.daemon.node)
    plan.check()
    assert len(plan.ticks("slow")) == 1


def test_a_daemon_that_stops_while_it_reads_gives_the_schedule_back(plan: Planned, hanging: Hanging) -> None:
    plan.site.daemon.start()
    plan.add("slow", hanging.url, due_in=0)
    assert hanging.asked.acquire(timeout=20)
    assert plan.site.daemon.stop() == 0
    assert plan.site.rows("SELECT firing_until, firing_node FROM schedules") == [(None, None)]
    assert plan.ticks("slow") == []


def test_a_failing_source_is_said_once_and_its_mending_too(plan: Planned) -> None:
    plan.site.daemon.start()
    plan.add("gone", "file://gone.txt", due_in=0)
    assert plan.wait_for_tick("gone").outcome == "failed"
    plan.due("gone", now_ms())
    assert plan.wait_for_tick("gone", 2).outcome == "failed"
    (plan.site.home / "gone.txt").write_text("http://example.test/1\n")
    for number in (3, 4):
        plan.due("gone", now_ms())
        assert plan.wait_for_tick("gone", number).outcome == "submitted"
    mended = "schedule gone: its source is good again"
    wait_until(lambda: mended in plan.site.daemon.log(), describing="its mending to be said")
    plan.site.daemon.stop()
    log = plan.site.daemon.log()
    assert log.count("schedule gone: there is no file") == 1
    assert log.count(mended) == 1


def test_tasks_for_later_cost_the_daemon_no_memory(plan: Planned) -> None:
    def resident() -> int:
        plan.site.daemon.start()
        task = plan.site.submit()
        plan.site.wait_for(task)
        size = psutil.Process(plan.site.daemon.pid).memory_info().rss
        plan.site.daemon.stop()
        return size

    resident()
    before = resident()
    urls = (f"http://example.test/later/{number}" for number in range(50_000))
    plan.site.manager.submit_batch(urls, start_at=datetime.now(UTC) + timedelta(days=1))
    after = resident()
    assert after - before < 5_000_000, f"{(after - before) / 50_000:.0f} bytes for each"


def test_a_thread_that_cannot_be_started_takes_no_place_away(
    plan: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    for number in range(6):
        plan.add(f"s{number}", due_in=-1000)
    settings = plan.site.settings
    firing = Schedules(
        Database(settings.database_url),
        settings,
        "n1",
        ring=lambda *_: None,
        on_submitted=lambda: None,
        on_late=lambda late: None,
    )
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", fail)
        for _ in range(6):
            with pytest.raises(RuntimeError):
                firing.look()

    def all_are_fired() -> bool:
        firing.look()
        return all(len(plan.ticks(f"s{number}")) == 1 for number in range(6))

    wait_until(all_are_fired, within=30, describing="a tick of each schedule")
