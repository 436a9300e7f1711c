"""What a daemon counts for its metrics."""

from __future__ import annotations

from queuectl.domain.lifecycle import Move
from queuectl.domain.observed import Observed
from queuectl_daemon.capacity import Capacity
from queuectl_daemon.flights import Flights
from queuectl_daemon.kinds import Kinds
from queuectl_daemon.measures import Measures, Tally
from tests.support.factories import NOW, claimed, ending
from tests.support.promql import named


def measures() -> Measures:
    flights = Flights()
    return Measures(flights, Capacity(flights, 8, Kinds({}, lambda _: "thread", dict)))


def observed(*moves: Move, queue: str = "medium_priority") -> Observed:
    found = Observed()
    for number, move in enumerate(moves):
        found.end(ending(claimed(id=number, queue=queue, host=f"{number}.test"), move, finished_at=NOW + 100))
    return found


def test_a_value_counts_under_every_bound_that_it_does_not_exceed() -> None:
    tally = Tally((1, 2, 4))
    for value in (0.5, 1, 1.5, 4, 9):
        tally.note(value)
    assert tally.cumulative() == [("1", 2.0), ("2", 3.0), ("4", 4.0), ("+Inf", 5.0)]
    assert tally.total == 16


def test_transactions_add_up_over_hosts_and_time() -> None:
    found = measures()
    found.take(observed(Move.SUCCEED, Move.RETRY, Move.BURY))
    found.take(observed(Move.SUCCEED, Move.RELEASE))
    for _ in range(2):
        medium = found.queues()["medium_priority"]
        assert medium.counts == {"succeeded": 2, "retried": 1, "dead": 1, "released": 1, "attempts": 4}
        assert sum(medium.runs.buckets.values()) == 4
    found.queues()["medium_priority"].counts["succeeded"] = 99
    assert found.queues()["medium_priority"].counts["succeeded"] == 2, "who asks gets a copy"


def test_what_nobody_asks_for_does_not_pile_up() -> None:
    found = measures()
    for _ in range(5_000):
        found.take(observed(Move.SUCCEED))
    assert len(found._new) <= 100
    assert found.queues()["medium_priority"].counts["succeeded"] == 5_000


def test_a_queue_of_another_name_makes_no_label() -> None:
    found = measures()
    found.take(observed(Move.SUCCEED, queue="a_queue_of_tomorrow"))
    assert len(found.queues()) == 5


def test_only_ticks_that_moved_something_count() -> None:
    found = measures()
    found.note_tick(0.001, 0, 0)
    found.note_tick(0.002, 3, 0)
    assert sum(found.ticks.counts) == 1
    assert (sum(found.recorded.counts), sum(found.claimed.counts)) == (1, 0)


def test_what_an_expression_names_is_found() -> None:
    found = named(
        'sum by (queue, le) (rate(a_bucket{queue=~"$q", state!="x{y}"}[5m])) / on (host) max(b) unless c:d == 1e3'
    )
    assert found.metrics == {"a_bucket", "b", "c:d"}
    assert found.labels == {"queue", "le", "state", "host"}
