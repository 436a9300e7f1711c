"""One tick: the steps of the pump's transaction; what they did is acted on after its commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from queuectl.clock import now_ms
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.task import Claimed
from queuectl.errors import QueuectlError
from queuectl.store import article_deliveries, articles, history, hosts, nodes, queues, ready, tasks
from queuectl.store.database import Transaction
from queuectl.store.ending_rows import run_of
from queuectl.store.failures import is_refusal
from queuectl.store.hosts import HostNote
from queuectl_daemon.endings import never_began
from queuectl_daemon.flights import Key
from queuectl_daemon.task_logs import TaskLogs, Unsaved
from queuectl_daemon.view import View

logger = logging.getLogger("queuectl.daemon")

_DUE_GROUP = 1_000


class UnrecordableError(Exception):
    """The database refuses what a run reported."""


@dataclass(slots=True)
class Tick:
    """One transaction's steps; what they did is acted on after the commit."""

    transaction: Transaction
    node: str
    view: View
    recorded: list[Ending] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    held: dict[str, Ending] = field(default_factory=dict)
    became_limited: list[str] = field(default_factory=list)
    revoked: list[Key] = field(default_factory=list)
    articles: int = 0
    said: Unsaved | None = None
    wanted_workers: int | None = None

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

    def record(self, endings: Sequence[Ending], *, delivers: bool = False) -> None:
        """Record the ends of runs; ``delivers`` has their articles delivered to the webhook.

        Raises:
            UnrecordableError: the database refuses something that one of the runs reported.
        """
        if not endings:
            return
        try:
            self.recorded = tasks.end(self.transaction, endings)
            history.record(self.transaction, self.recorded, self.node)
            self.articles = articles.save(self.transaction, self.recorded)
            if delivers and self.articles:
                article_deliveries.begin(self.transaction, self.recorded)
            self._hold()
        except QueuectlError:
            raise
        except Exception as error:
            if not is_refusal(error):
                raise  # the ends wait until the database is well
            raise UnrecordableError from error

    def _hold(self) -> None:
        """Leave the hosts alone that want it."""
        for ending in self.recorded:
            if ending.hold_until is not None:
                known = self.held.get(ending.work.host)
                if known is None or (known.hold_until or 0) < ending.hold_until:
                    self.held[ending.work.host] = ending

    def keep_logs(self, logs: TaskLogs, endings: Sequence[Ending], *, live: bool) -> None:
        """Write what the runs that have ended logged, and from time to time what the others have so far."""
        self.said = logs.unsaved(map(run_of, endings), live=live)
        if self.said is not None:
            self.said.save(self.transaction)

    def claim(self, messages: Sequence[tuple[int, int]]) -> None:
        """Claim the tasks whose messages have come, but none that must not start now."""
        if messages:
            self.claimed = tasks.claim(
                self.transaction,
                messages,
                node=self.node,
                now=now_ms(),
                held=self.view.holds.keys() | self.held.keys(),
                limited=self.view.limited,
            )

    def promote(self, *, looking: bool) -> None:
        """Send due tasks to their queues, and learn when the next one falls due."""
        view, now = self.view, now_ms()
        retries = [
            each.due_at for each in self.recorded if each.move is Move.RETRY and each.due_at is not None
        ]
        if view.next_due is not None and view.next_due <= now:
            if tasks.due(self.transaction, now, _DUE_GROUP):
                view.forget()
            view.next_due = ready.next_due(self.transaction)
        elif retries and not looking:
            view.next_due = min(retries if view.next_due is None else [*retries, view.next_due])

    def look(self, cancel: Callable[[int, int], None] | None) -> None:
        """Read what people and hosts may have changed: rules, holds, workers, where tasks wait, which runs are to end.

        What a queue with new limits has dispatched goes back: it must not start past them. ``cancel``, where
        anything can be cancelled, is called at once: who wants it has committed that already, and is told
        by this tick's commit that no run begins any more.
        """
        seen = queues.seen_at_a_look(self.transaction, self.node)
        self.wanted_workers = seen.wanted_workers
        self.became_limited = self.view.learn(seen.rules)
        if self.became_limited:
            tasks.release_dispatched(self.transaction, queues=self.became_limited)
        self.view.holds = {} if seen.longest_hold is None else self._holds()
        self.view.waiting &= seen.waiting | self.transaction.tally.entered(State.QUEUED)
        self.view.next_due = seen.next_due
        if cancel is not None:
            for task, fence in nodes.hear_cancel_requests(self.transaction, self.node):
                cancel(task, fence)

    def _holds(self) -> dict[str, int]:
        now = self.transaction.now()
        ahead = now_ms() - now
        return {host: until + ahead for host, until in hosts.held(self.transaction, now).items()}

    def keep_holds(self) -> None:
        """Keep in mind which hosts have asked to be left alone in this very tick."""
        for host, ending in self.held.items():
            self.view.holds[host] = max(self.view.holds.get(host, 0), ending.hold_until or 0)

    def note_hosts(self, last_starts: dict[str, int]) -> None:
        """Write what has happened to hosts, in one statement, so that no two nodes wait for each other."""
        if self.view.keeps_gaps and self.claimed:
            last_starts = (
                dict.fromkeys((work.host for work in self.claimed), self.transaction.now()) | last_starts
            )
        if not self.held and not last_starts:
            return
        ahead = self.transaction.now() - now_ms() if self.held else 0
        notes = {host: HostNote(last_start_at=at) for host, at in last_starts.items()}
        for host, ending in self.held.items():
            until = (ending.hold_until or 0) + ahead
            notes[host] = HostNote(last_starts.get(host), until, ending.error)
        hosts.note(self.transaction, notes)
