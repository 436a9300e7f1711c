"""What a tick does: all of it or nothing, once whoever tries, and by the policies, on both engines."""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from queuectl.domain.schedule import NewSchedule, Schedule, Tick
from queuectl.errors import (
    BadInputFileError,
    QueuectlError,
    QueueFullError,
    SourceUnavailableError,
    StorageError,
)
from queuectl.operations.firing import Fired, Firing
from queuectl.operations.manager import QueueManager
from queuectl.operations.sources.reading import SourceReader
from queuectl.settings import Settings
from queuectl.store import schedules, ticks
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask
from tests.support.descriptors import no_free_descriptor
from tests.support.engines import watched_locks
from tests.support.factories import all_rows, counts_are_right
from tests.support.fake_site import FakeSite, Reply
from tests.support.waiting import wait_until

NOON = 1_795_604_400_000  # 2026-11-25 11:00 UTC
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass
class Bench:
    """Schedules, sources and nodes of one installation, with a clock that stands still."""

    settings: Settings
    database: Database
    now: int = NOON
    made: int = 0
    readers: list[SourceReader] = field(default_factory=list)

    def source(self, *lines: str, name: str = "urls.txt") -> str:
        (self.settings.home / name).write_text("".join(f"{line}\n" for line in lines))
        return f"file://{name}"

    def urls(self, count: int, *, first: int = 0) -> str:
        return self.source(*(f"https://a.test/{number}" for number in range(first, first + count)))

    def add(self, source: str, cron: str = "0 * * * *", *, at: int = NOON, **fields: Any) -> Schedule:
        self.made += 1
        wanted = NewSchedule(f"s{self.made}", source, cron, "UTC", 5)
        with self.database.writing() as transaction:
            schedules.insert(transaction, replace(wanted, **fields), now=at - DAY, next_tick_at=at)
        return self.schedule(fields.get("name", f"s{self.made}"))

    def node(self, name: str = "n1", **settings: Any) -> Firing:
        reader = SourceReader(replace(self.settings, **settings))
        self.readers.append(reader)
        return Firing(self.database, self.settings, reader, node=name, clock=lambda _: self.now)

    def tick(self, node: Firing | None = None) -> list[Fired]:
        """Claim and fire everything that is due now."""
        node = node or self.node()
        fired = []
        while (claimed := node.claim()) is not None:
            fired += node.fire(claimed)
        return fired

    def schedule(self, name: str = "s1") -> Schedule:
        with self.database.reading() as transaction:
            found = schedules.named(transaction, name)
        assert found is not None
        return found

    def ticks(self, name: str = "s1") -> list[Tick]:
        schedule = self.schedule(name)
        with self.database.reading() as transaction:
            return ticks.latest(transaction, schedule.id, 10_000)

    def tasks(self) -> list[str]:
        return [row["url"] for row in all_rows(self.database, "tasks")]

    def end_tasks(self) -> None:
        manager = QueueManager(self.settings)
        for row in all_rows(self.database, "tasks"):
            if row["finished_at"] is None:
                manager.cancel_task(row["id"])
        manager.close()


@pytest.fixture
def bench(settings: Settings, database: Database) -> Iterator[Bench]:
    """Give an empty installation that may fetch from this machine."""
    bench = Bench(replace(settings, fetch_allow_networks=("127.0.0.0/8",), fetch_timeout=5.0), database)
    yield bench
    for reader in bench.readers:
        reader.close()
    assert counts_are_right(database)


@pytest.fixture
def site() -> Iterator[FakeSite]:
    """Give a running site without pages."""
    with FakeSite() as running:
        yield running


def outcomes(bench: Bench, name: str = "s1") -> list[str]:
    return [tick.outcome for tick in reversed(bench.ticks(name))]


# One tick.


def test_a_tick_submits_the_urls_as_a_batch_and_moves_the_schedule_on(bench: Bench) -> None:
    source = bench.source(
        "https://a.test/1", "foo", '{"url": "https://a.test/2", "priority": "high", "metadata": {"b": 2}}'
    )
    bench.add(source, priority_score=15, metadata={"a": 1, "b": 1})
    (fired,) = bench.tick()
    tick = fired.tick
    assert (tick.tick_at, tick.outcome, tick.accepted, tick.invalid, tick.node) == (
        NOON,
        "submitted",
        2,
        1,
        "n1",
    )
    assert tick.problem == "line 2: the URL 'foo' does not start with http:// or https://"
    first, second = all_rows(bench.database, "tasks")
    assert (first["priority_score"], first["queue"], first["metadata"]) == (
        15,
        "urgent_priority",
        '{"a": 1, "b": 1}',
    )
    assert (second["priority_score"], second["queue"], second["metadata"]) == (
        8,
        "high_priority",
        '{"a": 1, "b": 2}',
    )
    (batch,) = all_rows(bench.database, "batches")
    assert first["batch_id"] == batch["id"] == tick.batch_id
    assert batch["name"] == "s1 2026-11-25 11:00:00 UTC"
    schedule = bench.schedule()
    assert (schedule.next_tick_at, schedule.good_entries, schedule.problem) == (NOON + HOUR, 2, None)
    assert bench.ticks() == [tick]
    assert bench.tick() == []


def test_nothing_is_fired_before_its_time_or_while_it_is_paused(bench: Bench) -> None:
    schedule = bench.add(bench.urls(1))
    bench.now = NOON - 1
    assert bench.node().wait_ms() == 1
    assert bench.tick() == []
    with bench.database.writing() as transaction:
        schedules.set_paused(transaction, schedule.id, paused=True)
    bench.now = NOON + DAY
    assert bench.node().wait_ms() is None
    assert bench.tick() == []


def test_comments_alone_submit_nothing_and_are_no_problem(bench: Bench) -> None:
    bench.add(bench.source("# nothing today"))
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.accepted, fired.tick.batch_id) == ("submitted", 0, None)
    assert all_rows(bench.database, "batches") == []


# Once, whoever tries.


def test_a_crash_before_the_commit_leaves_everything_due(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add(bench.urls(3), only_new=True)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    node = bench.node()
    claimed = node.claim()
    assert claimed is not None
    with monkeypatch.context() as patched:
        patched.setattr(ticks, "record", crash)
        with pytest.raises(KeyboardInterrupt):
            node.fire(claimed)
    assert bench.tasks() == []
    assert all_rows(bench.database, "source_urls") == []
    assert bench.schedule().next_tick_at == NOON
    assert bench.tick() == [], "the claim of the crashed node still holds"
    bench.now += 5_000 + 60_000
    (fired,) = bench.tick(bench.node("n2"))
    assert (fired.tick.tick_at, fired.tick.accepted, fired.tick.node) == (NOON, 3, "n2")


def test_what_a_node_claimed_is_free_when_it_is_gone(bench: Bench) -> None:
    bench.add(bench.urls(1))
    assert bench.node("n1").claim() is not None
    assert bench.node("n2").claim() is None
    assert bench.node("n2").wait_ms() == 65_000
    with bench.database.writing() as transaction:
        schedules.release(transaction, "n1")
    assert len(bench.tick(bench.node("n2"))) == 1


def test_of_two_nodes_that_fire_the_same_tick_one_undoes_everything(bench: Bench) -> None:
    bench.add(bench.urls(5))
    slow = bench.node("slow")
    claimed = slow.claim()
    assert claimed is not None
    bench.now += 66_000  # its claim ends while it reads
    assert len(bench.tick(bench.node("quick"))) == 1
    assert slow.fire(claimed) == []
    assert len(bench.tasks()) == 5
    assert [tick.node for tick in bench.ticks()] == ["quick"]


def test_many_nodes_at_once_fire_every_tick_once(bench: Bench) -> None:
    source = bench.urls(7)
    for number in range(6):
        bench.add(source, name=f"r{number}", overlap="allow")
    fired = at_once(bench, *(partial(bench.tick, bench.node(f"n{number}")) for number in range(4)))
    assert sorted(each.schedule.name for each in fired) == [f"r{number}" for number in range(6)]
    assert len(bench.tasks()) == 42


def at_once(bench: Bench, *work: Callable[[], list[Fired]]) -> list[Fired]:
    """Fire in threads that begin at the same moment, and return what was fired."""
    start = threading.Barrier(len(work))

    def fire(each: Callable[[], list[Fired]]) -> list[Fired]:
        start.wait()
        try:
            return each()
        finally:
            bench.database.close()

    with ThreadPoolExecutor(len(work)) as threads:
        return [fired for done in threads.map(fire, work) for fired in done]


@pytest.fixture
def crossing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let whoever is about to store URLs wait until somebody else is as far, or waits for him."""
    arrived: list[int] = []
    remember = ticks.keep_unseen
    with watched_locks(bench.database) as someone_waits:

        def keep_unseen(transaction: Transaction, schedule: int, rows: Sequence[NewTask]) -> list[NewTask]:
            arrived.append(schedule)
            wait_until(lambda: len(arrived) > 1 or someone_waits(), describing="the other one")
            return remember(transaction, schedule, rows)

        monkeypatch.setattr(ticks, "keep_unseen", keep_unseen)
        yield


@pytest.mark.usefixtures("crossing")
@pytest.mark.parametrize("planned", [True, False])
def test_whoever_fires_by_hand_and_another_at_once_are_recorded_both_and_share_the_urls(
    bench: Bench, planned: bool
) -> None:
    schedule = bench.add(bench.urls(5), at=NOON if planned else NOON + HOUR, overlap="allow", only_new=True)
    by_hand, also_by_hand, by_plan = bench.node("hand"), bench.node("also"), bench.node("plan")
    claimed = (
        by_plan.claim() if planned else None
    )  # later it would pass over a schedule that is being fired by hand
    fired = at_once(
        bench,
        lambda: [by_hand.fire_by_hand(schedule)],
        lambda: by_plan.fire(claimed) if claimed is not None else [also_by_hand.fire_by_hand(schedule)],
    )
    assert sorted(each.tick.accepted for each in fired) == [0, 5]
    assert sorted(bench.tasks()) == [f"https://a.test/{number}" for number in range(5)]
    assert sorted(each.tick_at - NOON for each in bench.ticks()) == [0, 1] if planned else [1, 2]
    assert {each.node for each in bench.ticks()} == {"hand", "plan" if planned else "also"}


JUMPS = {HOUR: 7, DAY: 3, 3650 * DAY: 3, -HOUR: 10, -DAY: 10}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_and_comes_back_brings_no_tick_twice_and_no_flood(bench: Bench, jump: int) -> None:
    bench.add(bench.urls(2), "*/15 * * * *", overlap="allow")
    for _ in range(2):
        bench.tick()
        bench.now += 15 * MINUTE
    bench.now += jump
    bench.tick()
    bench.now -= jump
    for _ in range(8):
        bench.now += 15 * MINUTE
        bench.tick()
    seen = [tick.tick_at for tick in bench.ticks()]
    assert len(seen) == len(set(seen)) == JUMPS[jump]
    assert len(bench.tasks()) == 2 * len(seen)


def test_a_claim_of_a_clock_that_was_put_back_does_not_hold_the_schedule(bench: Bench) -> None:
    bench.add(bench.urls(1))
    bench.now += DAY
    assert bench.node("dead").claim() is not None
    bench.now -= DAY
    assert bench.node().wait_ms() == 0
    assert len(bench.tick()) == 1


def test_a_tick_that_has_been_is_passed_over(bench: Bench) -> None:
    bench.add(bench.urls(2), overlap="allow")
    bench.tick()
    with bench.database.writing() as transaction:
        transaction.execute("UPDATE schedules SET next_tick_at = %s", (NOON,))
    assert bench.tick() == []
    assert bench.schedule().next_tick_at == NOON + HOUR
    assert len(bench.tasks()) == 2


# Policies.


def test_latest_stands_for_all_that_was_missed(bench: Bench) -> None:
    bench.add(bench.urls(2))
    bench.now += 5 * HOUR + MINUTE
    (fired,) = bench.tick()
    assert (fired.tick.tick_at, fired.tick.missed) == (NOON + 5 * HOUR, 5)
    assert bench.schedule().next_tick_at == NOON + 6 * HOUR


def test_all_fires_each_from_one_reading_of_the_source(bench: Bench, site: FakeSite) -> None:
    bench.add(site.page("/urls", "https://a.test/1\n", "text/plain"), catch_up="all", overlap="allow")
    bench.now += 3 * HOUR
    fired = bench.tick()
    assert [each.tick.tick_at for each in fired] == [NOON + hours * HOUR for hours in range(4)]
    assert [each.tick.accepted for each in fired] == [1, 1, 1, 1]
    assert len(site.requests) == 1


def test_none_records_what_is_left_out(bench: Bench) -> None:
    bench.add(bench.urls(2), catch_up="none")
    bench.now += 2 * HOUR + 2 * MINUTE
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.missed, fired.tick.tick_at) == ("skipped", 2, NOON + 2 * HOUR)
    assert bench.tasks() == []
    assert bench.schedule().problem is None


def test_a_tick_is_skipped_while_tasks_of_the_last_one_are_open(bench: Bench) -> None:
    bench.add(bench.urls(2))
    bench.tick()
    bench.now += HOUR
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.problem) == ("skipped", "tasks of batch_1 are still open")
    bench.end_tasks()
    bench.now += HOUR
    bench.tick()
    assert outcomes(bench) == ["submitted", "skipped", "submitted"]
    assert len(bench.tasks()) == 4


def test_overlap_allowed_submits_the_same_again(bench: Bench) -> None:
    bench.add(bench.urls(2), overlap="allow")
    bench.tick()
    bench.now += HOUR
    bench.tick()
    assert bench.tasks() == ["https://a.test/0", "https://a.test/1"] * 2


def test_open_duplicates_of_other_submissions_are_skipped(bench: Bench) -> None:
    manager = QueueManager(bench.settings)
    manager.submit_task("https://a.test/0")
    manager.close()
    bench.add(bench.urls(3))
    (fired,) = bench.tick()
    assert (fired.tick.accepted, fired.tick.duplicates) == (2, 1)


def test_only_new_submits_a_url_once_in_its_life(bench: Bench) -> None:
    bench.add(bench.urls(3), only_new=True)
    bench.tick()
    bench.end_tasks()
    bench.urls(4, first=1)
    bench.now += HOUR
    (fired,) = bench.tick()
    assert (fired.tick.accepted, fired.tick.known) == (2, 2)
    assert bench.tasks() == [f"https://a.test/{number}" for number in range(5)]


# Sources that fail.


def test_a_missing_source_fails_once_per_tick_and_stops_nobody(bench: Bench) -> None:
    bench.add("file://none.txt", name="gone")
    bench.add(bench.urls(1), name="good")
    fired = {each.schedule.name: each for each in bench.tick()}
    assert (fired["gone"].tick.outcome, fired["gone"].is_news) == ("failed", True)
    assert fired["good"].tick.outcome == "submitted"
    assert bench.tick() == []
    bench.now += HOUR
    again = {each.schedule.name: each for each in bench.tick()}
    assert (again["gone"].tick.outcome, again["gone"].is_news) == ("failed", False)
    schedule = bench.schedule("gone")
    assert schedule.problem == f"there is no file {bench.settings.home}/none.txt"
    assert schedule.problem_since == NOON
    bench.source("https://a.test/", name="none.txt")
    bench.now += HOUR
    bench.tick()
    assert bench.schedule("gone").problem is None


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "<html><body>Please log in</body></html>": "is an HTML page",
        "\x00\x01\x02": "is not a text file",
        "": "is empty",
        "one\ntwo\nthree\n": "no line of",
        "[1, 2]": "no item of",
        "[1, 2": "no valid JSON array",
    }.items(),
)
def test_what_is_no_list_is_refused_and_the_last_good_one_kept(bench: Bench, content: str, said: str) -> None:
    bench.add(bench.urls(3), only_new=True)
    bench.tick()
    bench.end_tasks()
    (bench.settings.home / "urls.txt").write_text(content)
    bench.now += HOUR
    (fired,) = bench.tick()
    assert fired.tick.outcome == "refused"
    assert said in (fired.tick.problem or "")
    schedule = bench.schedule()
    assert (schedule.problem, schedule.good_entries) == (fired.tick.problem, 3)
    assert len(all_rows(bench.database, "source_urls")) == 3


def test_a_list_that_shrank_to_a_tenth_is_refused_until_a_person_accepts_it(bench: Bench) -> None:
    bench.add(bench.urls(20))
    bench.tick()
    bench.end_tasks()
    bench.urls(2)
    bench.now += HOUR
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.problem) == (
        "refused",
        f"{bench.settings.home}/urls.txt has shrunk from 20 entries to 2",
    )
    node = bench.node()
    with pytest.raises(BadInputFileError, match="has shrunk") as caught:
        node.fire_by_hand(bench.schedule())
    assert "run-now s1 --accept-shrunk" in str(caught.value.hint)
    bench.now += 1
    assert node.fire_by_hand(bench.schedule(), accept_shrunk=True).tick.accepted == 2
    assert (bench.schedule().good_entries, bench.schedule().problem) == (2, None)


def test_a_short_list_may_lose_as_much_as_it_likes(bench: Bench) -> None:
    bench.add(bench.urls(9))
    bench.tick()
    bench.end_tasks()
    bench.urls(0)
    (bench.settings.home / "urls.txt").write_text("# none\n")
    bench.now += HOUR
    assert bench.tick()[0].tick.outcome == "submitted"


def test_an_unforeseen_error_of_one_source_is_recorded_with_its_tick(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add(bench.urls(1))
    monkeypatch.setattr("queuectl.operations.intake.Prepared.take", lambda *_: 1 / 0)
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.problem) == (
        "failed",
        "internal error: ZeroDivisionError: division by zero",
    )
    assert bench.schedule().next_tick_at == NOON + HOUR


@pytest.mark.parametrize("where", ["file", "web"])
def test_a_tick_is_kept_while_this_machine_has_no_descriptor_left(
    bench: Bench, site: FakeSite, where: str
) -> None:
    bench.add(bench.urls(1) if where == "file" else site.page("/urls", "https://a.test/1\n", "text/plain"))
    node = bench.node()
    claimed = node.claim()
    assert claimed is not None
    with no_free_descriptor(), pytest.raises(QueuectlError, match="Too many open files"):
        node.fire(claimed)
    node.give_back(claimed)
    assert outcomes(bench) == []
    assert [fired.tick.outcome for fired in bench.tick(node)] == ["submitted"]


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOSPC, "No space left on device")], ids=repr)
def test_a_tick_is_kept_while_this_machine_has_no_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    bench.add(bench.urls(1))
    with monkeypatch.context() as patched:
        patched.setattr("queuectl.operations.spool.Spool.add", fail)
        with pytest.raises(StorageError, match="the source cannot be read: "):
            bench.tick()
    assert outcomes(bench) == []
    bench.now += MINUTE * 10  # the claim of whoever failed has ended
    assert [fired.tick.outcome for fired in bench.tick()] == ["submitted"]


def test_what_the_queue_has_no_room_for_is_refused_as_a_whole_and_comes_with_the_next_tick(
    bench: Bench,
) -> None:
    manager = QueueManager(bench.settings)
    manager.update_queue_config("medium", {"max_size": 2})
    bench.add(bench.urls(3), only_new=True)
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.accepted) == ("refused", 0)
    assert "medium_priority" in str(fired.tick.problem)
    assert bench.tasks() == []
    assert bench.schedule().problem == fired.tick.problem
    with pytest.raises(QueueFullError):
        bench.node().fire_by_hand(bench.schedule())
    manager.update_queue_config("medium", {"max_size": None})
    manager.close()
    bench.now += HOUR
    assert bench.tick()[0].tick.accepted == 3
    assert bench.schedule().problem is None


# Sources on the web.

FEED = "<rss>{}</rss>"
ITEM = "<item><link>https://a.test/{}</link></item>"


def versioned(content: Callable[[], str]) -> Callable[[Any], None]:
    """Return a script that answers 304 to whoever knows the present version."""

    def answer(visit: Any) -> None:
        body = content().encode()
        tag = f'"{hash(content())}"'
        if visit.request.headers.get("if-none-match") == tag:
            visit.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            head = f"HTTP/1.1 200 OK\r\nETag: {tag}\r\nLast-Modified: then\r\nContent-Length: {len(body)}\r\n\r\n"
            visit.send(head.encode() + body)

    return answer


def test_a_feed_is_asked_for_what_has_changed_and_submits_what_is_new(bench: Bench, site: FakeSite) -> None:
    items = ["1", "2"]
    bench.add(site.reply("/feed", versioned(lambda: FEED.format("".join(map(ITEM.format, items))))))
    bench.tick()
    bench.end_tasks()
    bench.now += HOUR
    (fired,) = bench.tick()
    assert (fired.tick.outcome, fired.tick.accepted, fired.tick.known) == ("submitted", 0, 2)
    assert site.requests[-1].headers["if-modified-since"] == "then"
    items.append("3")
    bench.now += HOUR
    (fired,) = bench.tick()
    assert (fired.tick.accepted, fired.tick.known) == (1, 2)
    assert bench.tasks() == ["https://a.test/1", "https://a.test/2", "https://a.test/3"]
    assert bench.schedule().good_entries == 3


def test_a_list_that_is_submitted_every_time_is_always_read(bench: Bench, site: FakeSite) -> None:
    bench.add(site.reply("/urls", versioned(lambda: "https://a.test/1\n")))
    for _ in range(2):
        bench.tick()
        bench.end_tasks()
        bench.now += HOUR
    assert bench.tasks() == ["https://a.test/1"] * 2
    assert all("if-none-match" not in request.headers for request in site.requests)


def test_links_of_a_feed_start_from_where_it_was_found(bench: Bench, site: FakeSite) -> None:
    site.page("/feeds/all", FEED.format("<item><link>../news/1</link></item>"), "application/xml")
    bench.add(site.redirect("/feed", "/feeds/all"))
    bench.tick()
    assert bench.tasks() == [site.url("/news/1")]


def test_a_server_that_says_no_fails_and_one_that_is_forbidden_is_refused(
    bench: Bench, site: FakeSite
) -> None:
    site.reply("/gone", Reply(status=404))
    site.reply("/broken", Reply(status=503))
    site.redirect("/inward", "http://10.0.0.1/secret")
    site.redirect("/metadata", "http://169.254.169.254/latest")
    for path in ("gone", "broken", "inward", "metadata"):
        bench.add(site.url(f"/{path}"), name=path)
    bench.add("http://127.0.0.1:1/", name="closed")
    found = {each.schedule.name: each.tick for each in bench.tick()}
    assert {name: tick.outcome for name, tick in found.items()} == {
        "gone": "failed",
        "broken": "failed",
        "closed": "failed",
        "inward": "refused",
        "metadata": "refused",
    }
    assert "answered 404" in str(found["gone"].problem)
    assert "10.0.0.1: the address is private" in str(found["inward"].problem)
    assert bench.tasks() == []


def test_a_server_that_never_ends_is_given_up_in_time(bench: Bench, site: FakeSite) -> None:
    def drip(visit: Any) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        visit.send_until_client_leaves((b"x" for _ in range(10**9)), every=0.02)

    bench.add(site.reply("/slow", drip))
    (fired,) = bench.tick(bench.node(fetch_timeout=0.3))
    assert fired.tick.outcome == "failed"
    assert re.search(r"did not answer in time|no complete answer within 0.3 s", fired.tick.problem or "")


def test_a_giant_on_the_web_is_refused_with_the_setting_to_raise(bench: Bench, site: FakeSite) -> None:
    bench.add(site.page("/urls", "https://a.test/\n" * 1000, "text/plain"))
    with pytest.raises(BadInputFileError, match="larger than 2,048 bytes") as caught:
        bench.node(source_max_bytes=2048).fire_by_hand(bench.schedule())
    assert "source_max_bytes" in str(caught.value.hint)


# By hand, and what is kept.


def test_a_tick_by_hand_changes_nothing_of_the_plan(bench: Bench) -> None:
    bench.add(bench.urls(2), at=NOON + HOUR)
    tick = bench.node().fire_by_hand(bench.schedule()).tick
    assert (tick.by_hand, tick.tick_at, tick.accepted) == (True, NOON + 1, 2)
    assert bench.schedule().next_tick_at == NOON + HOUR


def test_a_tick_by_hand_that_fails_is_recorded_and_raised(bench: Bench) -> None:
    bench.add("file://none.txt")
    with pytest.raises(SourceUnavailableError):
        bench.node().fire_by_hand(bench.schedule())
    assert outcomes(bench) == ["failed"]


def test_old_ticks_are_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks, "KEPT", 3)
    bench.add(bench.source("# none"), "* * * * *")
    for _ in range(6):
        bench.tick()
        bench.now += MINUTE
    assert [tick.tick_at for tick in bench.ticks()] == [NOON + minutes * MINUTE for minutes in (5, 4, 3)]
