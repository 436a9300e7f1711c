"""Which queues' tasks may start: none of a paused queue, none without room, the most urgent queue first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.admission import (
    Block,
    Grant,
    HostUse,
    QueueRules,
    QueueUse,
    Reason,
    admit,
    admit_in_order,
    pick,
    queue_room,
)
from queuectl.domain.priority import QUEUES
from queuectl.domain.rate import RateLimit

ROOM = dict.fromkeys(QUEUES, 4)


def rules(*paused: str) -> dict[str, QueueRules]:
    """Return the rules of all queues, with these paused."""
    return {name: QueueRules(name, paused=name in paused) for name in QUEUES}


def test_every_waiting_queue_is_granted_its_room_in_the_order_of_service() -> None:
    waiting = ["low_priority", "urgent_priority", "medium_priority"]
    assert admit(rules(), {}, ROOM, waiting) == [
        Grant("urgent_priority", 4),
        Grant("medium_priority", 4),
        Grant("low_priority", 4),
    ]


def test_a_paused_queue_is_granted_nothing_and_stops_no_other() -> None:
    granted = admit(rules("high_priority"), {}, ROOM, QUEUES)
    assert [grant.queue for grant in granted] == [name for name in QUEUES if name != "high_priority"]


def test_a_queue_without_room_is_granted_nothing() -> None:
    room = ROOM | {"urgent_priority": 0, "low_priority": -3}
    granted = {grant.queue for grant in admit(rules(), {}, room, QUEUES)}
    assert granted == {"high_priority", "medium_priority", "background_priority"}


def test_where_nothing_waits_nothing_is_granted() -> None:
    assert admit(rules(), {}, ROOM, []) == []


def test_a_queue_that_nobody_knows_is_granted_nothing() -> None:
    assert admit(rules(), {}, ROOM, ["night_priority"]) == []


@given(
    st.sets(st.sampled_from(QUEUES)),
    st.sets(st.sampled_from(QUEUES)),
    st.fixed_dictionaries({name: st.integers(-5, 50) for name in QUEUES}),
)
def test_a_grant_needs_a_waiting_queue_that_is_not_paused_and_has_room(
    paused: set[str], waiting: set[str], room: dict[str, int]
) -> None:
    granted = admit(rules(*paused), {}, room, waiting)
    expected = [name for name in QUEUES if name in waiting and name not in paused and room[name] > 0]
    assert [grant.queue for grant in granted] == expected
    assert all(grant.tasks == room[grant.queue] for grant in granted)


def test_queues_take_turns_in_the_order_of_their_heads() -> None:
    rules = {name: QueueRules(name) for name in QUEUES}
    rooms = dict.fromkeys(QUEUES, 3)
    heads = ["background_priority", "urgent_priority", "background_priority", "low_priority"]
    assert admit_in_order(rules, {}, rooms, heads) == [
        Grant("background_priority", 2),
        Grant("urgent_priority", 1),
    ]


def test_in_turns_too_a_paused_queue_gets_nothing_and_a_full_one_no_more_than_its_room() -> None:
    rules = {name: QueueRules(name, paused=name == "urgent_priority") for name in QUEUES}
    rooms = dict.fromkeys(QUEUES, 2) | {"background_priority": 1}
    heads = ["urgent_priority", "background_priority", "background_priority", "low_priority"]
    assert admit_in_order(rules, {}, rooms, heads) == [
        Grant("background_priority", 1),
        Grant("low_priority", 1),
    ]


def test_where_waiting_counts_queues_take_turns_in_the_order_of_their_tasks() -> None:
    heads = ["low_priority", "urgent_priority", "low_priority", "medium_priority", "urgent_priority"]
    assert admit_in_order(rules(), {}, ROOM, heads) == [
        Grant("low_priority", 2),
        Grant("urgent_priority", 1),
        Grant("medium_priority", 1),
    ]


def test_taking_turns_passes_over_paused_queues_and_those_without_room() -> None:
    heads = ["low_priority", "high_priority", "low_priority", "urgent_priority", "medium_priority"]
    room = ROOM | {"low_priority": 1, "medium_priority": 0}
    assert admit_in_order(rules("high_priority"), {}, room, heads) == [
        Grant("low_priority", 1),
        Grant("urgent_priority", 1),
    ]
    assert admit_in_order(rules(), {}, ROOM, []) == []
    assert admit_in_order(rules(), {}, {}, []) == []


@given(
    st.sets(st.sampled_from(QUEUES)),
    st.lists(st.sampled_from(QUEUES), max_size=40),
    st.fixed_dictionaries({name: st.integers(-5, 20) for name in QUEUES}),
)
def test_taking_turns_keeps_to_every_room_and_to_the_largest_in_all(
    paused: set[str], heads: list[str], room: dict[str, int]
) -> None:
    granted = {grant.queue: grant.tasks for grant in admit_in_order(rules(*paused), {}, room, heads)}
    assert not granted.keys() & paused
    assert all(0 < tasks <= min(room[queue], heads.count(queue)) for queue, tasks in granted.items())
    assert sum(granted.values()) <= max(0, *room.values())
    fitting = [queue for queue in heads if queue not in paused and room[queue] > 0]
    assert bool(granted) == bool(fitting)


# What limits allow.


def test_a_queue_without_limits_has_any_room() -> None:
    assert queue_room(QueueRules("low_priority"), QueueUse(100, 100)) == (None, None)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 12),
    st.integers(0, 12),
    st.booleans(),
)
def test_room_is_what_every_limit_leaves_and_no_room_has_a_reason(
    concurrency: int, starts: int, at_work: int, started: int, paused: bool
) -> None:
    rule = QueueRules("low_priority", paused, None, RateLimit(starts, 60_000), concurrency)
    room, block = queue_room(rule, QueueUse(at_work, started, 77))
    left = max(0, min(concurrency - at_work, starts - started))
    assert room == (0 if paused else left)
    assert (block is None) == (room > 0)
    if block is not None and not paused:
        known = started >= starts
        assert block == (Block(Reason.RATE_LIMIT, 77) if known else Block(Reason.CONCURRENCY))


@given(
    st.floats(0.001, 1) | st.none(),
    st.integers(1, 3) | st.none(),
    st.lists(st.sampled_from("abcd"), max_size=30),
    st.dictionaries(
        st.sampled_from("abcd"),
        st.builds(
            HostUse, st.integers(0, 4), st.integers(0, 2000) | st.none(), st.integers(0, 2000) | st.none()
        ),
    ),
    st.integers(0, 10),
)
def test_what_is_picked_keeps_to_its_hosts_and_leaves_no_free_host_out(
    gap: float | None, most: int | None, hosts: list[str], uses: dict[str, HostUse], limit: int
) -> None:
    now = 1000
    rule = QueueRules("low_priority", host_gap=gap, host_concurrency=most)
    candidates = list(enumerate(hosts))
    chosen, blocked = pick(rule, uses, candidates, limit, now)
    assert chosen == sorted(chosen)
    assert len(chosen) <= limit
    taken = Counter(hosts[number] for number in chosen)
    for host, count in taken.items():
        use = uses.get(host, HostUse())
        assert use.held_until is None or use.held_until <= now
        if gap is not None:
            assert count == 1
            assert use.last_start_at is None or use.last_start_at + round(gap * 1000) <= now
        if most is not None:
            assert use.running + count <= most
    if len(chosen) < limit:
        left = {host for number, host in candidates if number not in set(chosen)}
        assert left == blocked.keys(), "whoever was passed over has a reason"
