"""What the pump remembers between ticks: when it has to look again, and what it must not look at too often."""

from __future__ import annotations

from queuectl.clock import monotonic
from queuectl.domain.admission import QueueRules
from queuectl.domain.priority import QUEUES
from queuectl.domain.rate import RateLimit
from queuectl_daemon.endings import never_began
from queuectl_daemon.flights import Flights, Window
from queuectl_daemon.punctuality import Punctuality
from queuectl_daemon.view import View
from tests.support.factories import NOW, claimed

QUEUE = "low_priority"
PLACE = (0, 5, 9)


def view(**limits: object) -> View:
    made = View(next_due=None)
    made.learn({name: QueueRules(name, **(limits if name == QUEUE else {})) for name in QUEUES})  # type: ignore[arg-type]
    return made


def test_the_next_moment_is_the_first_at_which_anything_changes_by_itself() -> None:
    known = view()
    assert known.next_moment(NOW) is None
    known.blocks[QUEUE] = NOW + 50
    known.blocks["high_priority"] = None
    assert known.next_moment(NOW) == NOW + 50
    known.holds["a.test"] = NOW + 40
    assert known.next_moment(NOW) == NOW + 40
    known.keep_gap(QUEUE, "b.test", NOW + 30)
    assert known.next_moment(NOW) == NOW + 30
    known.next_due = NOW + 20
    assert known.next_moment(NOW) == NOW + 20


def test_what_is_over_is_dropped_and_its_queue_is_looked_at_from_its_beginning() -> None:
    known = view()
    known.waiting, known.places = set(), {QUEUE: PLACE}
    known.keep_gap(QUEUE, "b.test", NOW)
    known.blocks["high_priority"] = NOW
    known.blocks["medium_priority"] = NOW + 1
    known.reopen(NOW, ended=False)
    assert known.waiting == {QUEUE, "high_priority"}
    assert known.places == {}
    assert known.blocks == {"medium_priority": NOW + 1}
    known.holds["a.test"] = NOW + 1
    known.reopen(NOW + 1, ended=False)
    assert known.holds == {}
    assert known.waiting == set(QUEUES)


def test_a_block_without_an_end_ends_with_a_run_or_at_the_next_look() -> None:
    known = view()
    known.blocks[QUEUE] = None
    known.reopen(NOW, ended=False)
    assert QUEUE in known.blocks
    known.reopen(NOW, ended=True)
    assert QUEUE not in known.blocks
    known.blocks[QUEUE] = None
    known.forget()
    assert QUEUE not in known.blocks


def test_a_long_scan_is_not_repeated_at_once_and_not_forgotten_either() -> None:
    known = view()
    known.places[QUEUE] = PLACE
    known.scanned(QUEUE, 1000.0)
    known.forget()
    assert known.places == {QUEUE: PLACE}, "what comes after the place is still found"
    assert QUEUE in known.waiting
    moment = known.next_moment(NOW)
    assert moment is not None
    assert NOW + 5_000 < moment <= NOW + 10_000, "and a halted process has not scanned for long"
    known.scanned(QUEUE, -1000.0)
    known.reopen(NOW, ended=False)
    assert known.places == {}


def test_a_queue_becomes_limited_once_and_new_rules_make_old_blocks_void() -> None:
    known = view()
    limited = known.rules | {QUEUE: QueueRules(QUEUE, rate_limit=RateLimit(1, 1000))}
    known.blocks["high_priority"] = NOW
    assert known.learn(limited) == [QUEUE]
    assert known.blocks == {}
    known.blocks[QUEUE] = NOW
    assert known.learn(dict(limited)) == []
    assert known.blocks == {QUEUE: NOW}
    assert known.limited == [QUEUE]


def test_no_more_hosts_are_remembered_than_a_statement_should_carry() -> None:
    known = view()
    for number in range(5000):
        known.keep_gap(QUEUE, f"{number}.test", NOW)
    assert 0 < len(known.blocked_hosts(QUEUE)) < 5000


# Starts of limited queues happen in time, or not at all.


def test_a_flight_begins_within_its_window_only() -> None:
    flights = Flights()
    now = monotonic()
    early, late = claimed(id=1, fence=1), claimed(id=2, fence=1)
    flights.add(
        [early, late],
        {(1, 1): Window(now, now + 60, counted_at=NOW), (2, 1): Window(now - 2, now - 1, counted_at=NOW)},
    )
    first, second = flights.begin(1, 1), flights.begin(2, 1)
    assert first is not None
    assert second is not None
    assert first.began is not None
    assert second.began is None, "it is given back, since nobody else may begin it any more"
    assert flights.running_count() == 1
    assert flights.waiting().total() == 0
    assert flights.uncounted([never_began(early), never_began(late)]) == [("medium_priority", NOW)]
    flights.not_begun(second)
    assert [delay > 1 for delay in flights.take_delays()] == [False, True]


def test_what_nobody_began_in_time_or_may_begin_no_more_is_dropped() -> None:
    flights = Flights()
    now = monotonic()
    works = [claimed(id=number, fence=1, host=f"{number}.test") for number in range(1, 5)]
    flights.add(works, {(1, 1): Window(now - 2, now - 1), (2, 1): Window(now, now + 60)})
    assert flights.drop_unwanted([], ["4.test"]) == [works[0], works[3]]
    assert flights.drop_unwanted([], []) == []
    assert flights.unbegun == 2


def test_the_guard_grows_with_what_starts_need_and_shrinks_again() -> None:
    punctuality = Punctuality()
    rule = QueueRules(QUEUE, rate_limit=RateLimit(5, 1000))
    assert punctuality.guard_ms(QueueRules(QUEUE, concurrency=2)) is None
    assert punctuality.guard_ms(rule) == 40
    punctuality.note(0.05)
    assert punctuality.guard_ms(rule) == 200
    punctuality.note(100)
    assert punctuality.guard_ms(rule) == 10_000
    for _ in range(120):
        punctuality.note(0.001)
    assert punctuality.guard_ms(rule) == 20
