"""While a kind of work is at its cap, a queue in which only that waits is not read again by every take."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest

from queuectl.clock import monotonic
from queuectl.settings import Isolation
from queuectl.store import queues, ready
from queuectl.store.database import Database, Transaction
from queuectl.store.ordering import apply_aging
from queuectl.store.ready import START, Candidate, Place
from queuectl_daemon import taking as taking_module
from queuectl_daemon.kinds import KindRoom
from queuectl_daemon.punctuality import Punctuality
from queuectl_daemon.taking import Taking
from queuectl_daemon.tick import Tick
from queuectl_daemon.view import View, line_of
from queuectl_daemon.window import room
from tests.support.factories import NODE, new_task, submit

KINDS: dict[str, Isolation] = {"page": "process", "note": "thread"}
QUEUE, LINE = "low_priority", line_of("low_priority", ["page"])


class Node:
    """A node with a free worker and no room for processes, and from where its takes have read the queue."""

    def __init__(self, database: Database, *, aging: bool) -> None:
        self._database = database
        self.view = View(aging=aging)
        self.read_from: list[Place] = []

    def take(self) -> list[int]:
        """Take what one tick takes, and return the numbers of the tasks."""
        no_room = KindRoom({"process": 0}, lambda work: KINDS[work.handler], KINDS)
        with self._database.writing() as transaction:
            Tick(transaction, NODE, self.view).look(None)
            taking = Taking(transaction, NODE, self.view, Punctuality(), no_room)
            rooms = room(1, {})
            taking.start(rooms, dict(rooms))
        return [work.id for work in taking.claimed]


@pytest.fixture(params=[False, True], ids=["by level", "by rank"])
def node(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> Node:
    """Give a node, without aging and with it, beside tasks for which it has no room."""
    if request.param:
        apply_aging(database, 5)
    with database.writing() as transaction:
        submit(transaction, *(new_task(number, score=3, handler="page") for number in range(20)))
    node = Node(database, aging=request.param)
    monkeypatch.setattr(ready, "candidates", noting_candidates(node, ready.candidates))
    monkeypatch.setattr(queues, "heads", noting_heads(node, queues.heads))
    return node


def noting_candidates(node: Node, read: Callable[..., list[Candidate]]) -> Callable[..., list[Candidate]]:
    def candidates(
        transaction: Transaction, queue: str, limit: int, *, after: Place, **options: Sequence[str]
    ) -> list[Candidate]:
        if queue == QUEUE:
            node.read_from.append(after)
        return read(transaction, queue, limit, after=after, **options)

    return candidates


def noting_heads(
    node: Node, read: Callable[..., tuple[list[str], set[str]]]
) -> Callable[..., tuple[list[str], set[str]]]:
    def heads(
        transaction: Transaction, after: dict[str, Place], limit: int, **options: Sequence[str]
    ) -> tuple[list[str], set[str]]:
        node.read_from += [place for queue, place in after.items() if queue == QUEUE]
        return read(transaction, after, limit, **options)

    return heads


def test_what_was_read_in_vain_is_not_read_again_until_the_next_look(node: Node) -> None:
    assert node.take() == []
    assert node.read_from == [START]
    assert node.take() == []
    assert node.read_from == [START]


def test_after_a_look_only_what_has_come_since_is_read(node: Node, database: Database) -> None:
    assert node.take() == []
    assert LINE in node.view._rests, "it is known how long that took"
    node.view._rests[LINE] = math.inf  # as if it had taken very long
    node.view.forget()
    assert node.take() == []
    assert len(node.read_from) == 2
    assert node.read_from[1] > START
    with database.writing() as transaction:
        (other,) = submit(transaction, new_task(50, score=3, handler="note"))
    node.view.forget()
    assert node.take() == [other]
    assert START not in node.read_from[1:]


def test_a_reading_that_is_long_ago_is_done_anew(node: Node) -> None:
    assert node.take() == []
    node.view._rests[LINE] = -math.inf
    node.view.forget()
    assert node.take() == []
    assert node.read_from == [START, START]


def test_a_long_way_past_what_was_taken_is_not_gone_at_every_look(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking_module, "_LONG_WAY_SECONDS", 0.0)  # as behind somebody's old snapshot
    with database.writing() as transaction:
        first, second, third = submit(transaction, *(new_task(number, score=3) for number in range(3)))
    view = View()

    def take() -> list[int]:
        with database.writing() as transaction:
            Tick(transaction, NODE, view).look(None)
            taking = Taking(transaction, NODE, view, Punctuality())
            taking.start(room(1, {}), room(1, {}))
        return [work.id for work in taking.claimed]

    assert take() == [first]
    assert view._rests[QUEUE] > monotonic(), "it is known how long the way was"
    view._rests[QUEUE] = math.inf
    with database.writing() as transaction:
        (before_them,) = submit(transaction, new_task(9, score=4))
    view.forget()
    assert take() == [second], "it goes on from where it was"
    view._rests[QUEUE] = -math.inf
    view.forget()
    assert take() == [before_them]
    assert take() == [third]
