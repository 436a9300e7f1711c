"""One tick: the steps of the pump's transaction, and what it remembers of the database from one to the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from queuectl.clock import monotonic, now_ms
from queuectl.domain.admission import Grant, QueueRules, admit, admit_in_order
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move
from queuectl.domain.priority import QUEUES
from queuectl.domain.task import Claimed
from queuectl.errors import QueuectlError
from queuectl.store import articles, counters, history, nodes, queues, tasks
from queuectl.store.database import Transaction
from queuectl.store.tasks import START, Message, Place
from queuectl_daemon.endings import never_began
from queuectl_daemon.flights import Key
from queuectl_daemon.kinds import NO_CAPS, KindRoom

logger = logging.getLogger("queuectl.daemon")

_DUE_GROUP = 1_000


_MOST_STEPS = 32
"""Takes from one queue in one tick, where caps allow only a few tasks at once; the next tick goes on."""

_LONG_SEARCH_SECONDS = 0.005
_REST = 4.0  # times the duration of a long search

Line = tuple[str, tuple[str, ...]]
"""A queue without the tasks of these handlers."""


class UnrecordableError(Exception):
    """The database refuses what a run reported."""


@dataclass(slots=True)
class View:
    """What the pump knows of the database.

    ``waiting`` are the queues that may hold queued tasks, ``places`` how far each has been taken:
    a scan that starts there does not pass over the remains of tasks taken before. Both are only
    true until somebody else changes something, and are therefore forgotten at every look, as are the
    lines that were ``searched`` in vain. ``resting`` says until when a line that is long to search
    is left alone. With ``aging`` the queues take turns by the ranks of their tasks.
    """

    aging: bool = False
    rules: dict[str, QueueRules] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=lambda: set(QUEUES))
    places: dict[Line, Place] = field(default_factory=dict)
    searched: set[Line] = field(default_factory=set)
    resting: dict[Line, float] = field(default_factory=dict)
    next_due: int | None = 0
    strangers: frozenset[Key] = frozenset()

    @property
    def paused(self) -> list[str]:
        """The queues of which nothing may start."""
        return [name for name, rule in self.rules.items() if rule.paused]

    def forget(self) -> None:
        """Look at every queue from its beginning again."""
        self.waiting = set(QUEUES)
        self.places = {}
        self.searched = set()


@dataclass(slots=True)
class Tick:
    """One transaction's steps; what they did is acted on after the commit."""

    transaction: Transaction
    node: str
    view: View
    kinds: KindRoom = NO_CAPS
    recorded: list[Ending] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    dispatched: list[Message] = field(default_factory=list)
    cancels: list[Key] = field(default_factory=list)
    revoked: list[Key] = field(default_factory=list)
    articles: int = 0
    wanted_workers: int | None = None
    has_more: bool = False

    def compare(self, known: Collection[Key]) -> None:
        """Compare what this node runs with what the database says that it runs.

        A run that the database does not know is revoked: another node took this one for dead, and
        the task runs elsewhere or has ended. What only the database knows is given back when it is
        seen a second time: its claim was committed after the connection had been given up.
        """
        held = {(each.work.id, each.work.fence): each for each in tasks.in_hand(self.transaction, self.node)}
        ended = {(each.work.id, each.work.fence) for each in self.recorded}
        strangers = frozenset(held.keys() - known)
        lost = [never_began(held[key].work) for key in strangers & self.view.strangers]
        if lost:
            history.record(self.transaction, tasks.end(self.transaction, lost), self.node)
        self.view.strangers = strangers
        self.revoked = [key for key in known if key not in held and key not in ended]
        for task, _ in self.revoked:
            logger.warning(
                "task_%d was taken from this node; its run here is ended", task, extra={"task_id": task}
            )

    def reconcile(self, known: Collection[Key]) -> None:
        """Give back what this node holds without knowing: its messages, and claims whose commit went unheard."""
        tasks.release_dispatched(self.transaction, node=self.node)
        held = tasks.in_hand(self.transaction, self.node)
        unknown = [never_began(each.work) for each in held if (each.work.id, each.work.fence) not in known]
        if unknown:
            history.record(self.transaction, tasks.end(self.transaction, unknown), self.node)

    def record(self, endings: Sequence[Ending]) -> None:
        """Record the ends of runs.

        Raises:
            UnrecordableError: the database refuses something that one of the runs reported.
        """
        if not endings:
            return
        try:
            self.recorded = tasks.end(self.transaction, endings)
            history.record(self.transaction, self.recorded, self.node)
            self.articles = articles.save(self.transaction, self.recorded)
        except QueuectlError:
            raise
        except Exception as error:
            raise UnrecordableError from error

    def claim(self, messages: Sequence[tuple[int, int]]) -> None:
        """Claim the tasks whose messages have come."""
        if messages:
            self.claimed = tasks.claim(self.transaction, messages, node=self.node, now=now_ms())
            self.kinds.count(self.claimed)

    def promote(self, *, looking: bool) -> None:
        """Send due tasks to their queues, and learn when the next one falls due."""
        view, now = self.view, now_ms()
        retries = [
            each.due_at for each in self.recorded if each.move is Move.RETRY and each.due_at is not None
        ]
        if view.next_due is not None and view.next_due <= now:
            if tasks.due(self.transaction, now, _DUE_GROUP):
                view.forget()
            view.next_due = tasks.next_due(self.transaction)
        elif looking:
            view.next_due = tasks.next_due(self.transaction)
        elif retries:
            view.next_due = min(retries if view.next_due is None else [*retries, view.next_due])

    def look(self, *, running: bool) -> None:
        """Read what people may have changed: rules, workers, where tasks wait, and which runs they want to end."""
        self.view.rules = queues.rules(self.transaction)
        self.view.waiting &= counters.queued(self.transaction)
        self.wanted_workers = nodes.wanted_workers(self.transaction, self.node)
        if running:
            self.cancels = nodes.hear_cancel_requests(self.transaction, self.node)

    def start(self, rooms: dict[str, int]) -> None:
        """Claim queued tasks for this node's own workers."""
        self._take(rooms, self._start)

    def dispatch(self, rooms: dict[str, int]) -> None:
        """Dispatch queued tasks to the shared lists."""
        self._take(rooms, self._dispatch)

    def _take(self, rooms: dict[str, int], take: Callable[[str, int], int]) -> None:
        for grant in self._grants(rooms):
            limit = min(grant.tasks, rooms[grant.queue])
            if limit <= 0:
                continue
            taken = take(grant.queue, limit)
            if taken < limit and not self.kinds.full:
                self.view.waiting.discard(grant.queue)
            for queue in QUEUES[QUEUES.index(grant.queue) :]:
                rooms[queue] -= taken

    def _grants(self, rooms: dict[str, int]) -> list[Grant]:
        view = self.view
        if not view.aging:
            return admit(view.rules, {}, rooms, view.waiting)
        open_queues = sorted(name for name in view.waiting if not view.rules[name].paused)
        heads = queues.heads(self.transaction, open_queues, max(rooms.values()))
        return admit_in_order(view.rules, {}, rooms, heads)

    def _start(self, queue: str, limit: int) -> int:
        taken = 0
        for _ in range(_MOST_STEPS):
            line = (queue, self.kinds.full)
            step = self.kinds.most(limit - taken)
            begun = self._start_from(line, step)
            self.kinds.count(begun)
            self.claimed += begun
            taken += len(begun)
            if taken == limit or len(begun) < step:
                return taken
        self.has_more = True
        return taken

    def _start_from(self, line: Line, limit: int) -> list[Claimed]:
        """Start tasks of a queue without some handlers, unless there were none or they are long to find."""
        view, began = self.view, monotonic()
        queue, full = line
        if line in view.searched or began < view.resting.get(line, 0.0):
            return []
        begun, view.places[line] = tasks.start(
            self.transaction,
            queue,
            limit,
            node=self.node,
            now=now_ms(),
            after=view.places.get(line, START),
            without=full,
        )
        if len(begun) < limit:
            view.searched.add(line)
        took = monotonic() - began
        if full and took > _LONG_SEARCH_SECONDS:
            view.resting[line] = began + took * (1 + _REST)
        return begun

    def _dispatch(self, queue: str, limit: int) -> int:
        line = (queue, ())
        after = self.view.places.get(line, START)
        sent, self.view.places[line] = tasks.dispatch(
            self.transaction, queue, limit, node=self.node, now=now_ms(), after=after
        )
        self.dispatched += sent
        return len(sent)
