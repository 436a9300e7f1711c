"""What is going on: the whole system at one moment, running tasks, and dead letters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from queuectl.clock import now_ms
from queuectl.domain.admission import Block, QueueRules, QueueUse, queue_room
from queuectl.domain.batch import Batch, BatchStatus
from queuectl.domain.dead_letter import (
    DeadLetter,
    DeadLetterSelection,
    FailureGroup,
    dead_letter_number,
    no_such_letter,
)
from queuectl.domain.event import Event
from queuectl.domain.lifecycle import State
from queuectl.domain.queue_limits import LIMITS
from queuectl.domain.selection import Selection
from queuectl.domain.status import (
    DEAD_LETTERS_COUNTED,
    EndedRun,
    NodeStatus,
    QueueStatus,
    RealtimeStatus,
    Recent,
    RunningTask,
)
from queuectl.domain.task import Task, task_number
from queuectl.domain.task_log import LogPart
from queuectl.errors import BatchNotFoundError
from queuectl.operations import batches
from queuectl.operations.glance import look_ahead, look_back
from queuectl.operations.opening import open_database
from queuectl.operations.task_queries import no_such_task
from queuectl.settings import Settings, load
from queuectl.store import (
    articles,
    counters,
    dead_letters,
    history,
    listing,
    nodes,
    queues,
    schedules,
    starts,
    task_logs,
)
from queuectl.store.articles import StoredArticle
from queuectl.store.database import Database

if TYPE_CHECKING:
    from queuectl.domain.explanation import Explanation
    from queuectl.domain.health import Health
    from queuectl.domain.statistics import Statistics, Step, Subject
    from queuectl.operations.events import EventStream
    from queuectl.operations.forecast import Simulation, WhatIf

_SHOWN_PROBLEMS = 10


class Monitor:
    """Read what the database knows, without a daemon; at most, what is left for the statistics is added up."""

    def __init__(self, settings: Settings | None = None, database: Database | None = None) -> None:
        self.settings = settings or load().settings
        self._database: Database = open_database(self.settings) if database is None else database

    def close(self) -> None:
        """Close this thread's connection."""
        self._database.close()

    def get_realtime_status(self) -> RealtimeStatus:
        """Return queues, states, daemons and services as they are now; its cost does not grow with the tasks."""
        from queuectl.operations.recent import recent, told_of_15  # lists and single tasks need none of it

        now = now_ms()
        with self._database.reading() as transaction:
            counts = counters.read(transaction)
            rules = queues.rules(transaction)
            oldest = {name: queues.oldest_due(transaction, name) for name in rules}
            known = nodes.every(transaction)
            letters = dead_letters.count(transaction, DeadLetterSelection(limit=DEAD_LETTERS_COUNTED + 1))
            shared_now = transaction.now()
            uses = starts.uses(transaction, rules.values(), shared_now)
            troubled = schedules.problems(transaction, _SHOWN_PROBLEMS)
            pace = history.pace(transaction, shared_now)
            lately = recent(transaction, shared_now)
        pace = told_of_15(pace, lately, shared_now)
        return RealtimeStatus(
            at=now,
            queues=tuple(
                _queue_status(
                    rule,
                    uses[name],
                    counts,
                    oldest=oldest[name],
                    now=now,
                    ahead=now - shared_now,
                    lately=lately.get(name, Recent()),
                )
                for name, rule in rules.items()
            ),
            nodes=tuple(_node_status(node, shared_now) for node in known),
            database=self._database.shown,
            transport="redis" if self.settings.redis_url else "in-process",
            dead_letters=letters,
            pace=pace,
            schedule_problems=tuple(troubled),
        )

    def get_health(self, status: RealtimeStatus | None = None) -> Health:
        """Return how well the system is: a score from 100 down to 0, and each check with what mends it.

        It is judged by a ``status`` that has been read already, or by one of now. A database that does not
        answer is a finding like any other.
        """
        from queuectl.operations.health import measure_health  # status needs none of it

        read = self.get_realtime_status if status is None else lambda: status
        return measure_health(self._database, self.settings, read)

    def explain(self, task_id: str | int) -> Explanation:
        """Return why a task does not run, what comes before it, and when it could start at the earliest.

        It asks the rules that dispatch follows; its cost does not grow with the tasks.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        from queuectl.operations.explain import explain  # status needs none of it

        number = task_number(task_id)
        with self._database.reading() as transaction:
            found = explain(transaction, self.settings, number)
        if found is None:
            raise no_such_task(number)
        return found

    def running(self, limit: int = 20) -> list[RunningTask]:
        """Return tasks at work with what their handlers last said, the newest first."""
        now = now_ms()
        with self._database.reading() as transaction:
            found = listing.tasks(transaction, Selection(states=(State.RUNNING,), limit=limit))
            said = _progress(known=nodes.every(transaction))
        return [
            RunningTask(task, max(0, now - (task.started_at or now)), *said.get(task.id, (None, None)))
            for task in found
        ]

    def simulate(self, what_if: WhatIf | None = None) -> Simulation:
        """Return when everything would be done as it is, and with a change; nothing is changed by asking.

        Raises:
            InvalidInputError: a change is none.
            QueueNotFoundError: a limit is for a queue that does not exist.
        """
        from queuectl.operations.forecast import forecast  # status needs none of it

        return forecast(self._database, self.settings, what_if)

    def next_tasks(self, limit: int = 20) -> list[Task]:
        """Return waiting tasks: first those that may start, in the order of their start, then those due later.

        At most ``limit`` of each queue and ``limit`` of those due later; the cost does not grow with the tasks.
        """
        with self._database.reading() as transaction:
            return look_ahead(transaction, limit)

    def recent_ends(self, limit: int = 20) -> list[EndedRun]:
        """Return what ended last, the last first: tasks, and failed runs that are to be repeated."""
        with self._database.reading() as transaction:
            return look_back(transaction, limit)

    def get_dead_letter_queue(
        self, limit: int = 50, selection: DeadLetterSelection | None = None
    ) -> list[DeadLetter]:
        """Return dead letters that match and have not been resurrected, the newest first."""
        with self._database.reading() as transaction:
            return dead_letters.find(transaction, selection or DeadLetterSelection(), limit)

    def group_dead_letters(
        self, selection: DeadLetterSelection | None = None, limit: int = 50
    ) -> list[FailureGroup]:
        """Return the same by cause and kind of error, the most frequent first."""
        with self._database.reading() as transaction:
            return dead_letters.groups(transaction, selection or DeadLetterSelection(), limit)

    def get_dead_letter(self, dead_letter_id: int | str) -> DeadLetter:
        """Return one dead letter.

        Raises:
            DeadLetterNotFoundError: there is none with this number.
        """
        number = dead_letter_number(dead_letter_id)
        with self._database.reading() as transaction:
            found = dead_letters.one(transaction, number)
        if found is None:
            raise no_such_letter(number)
        return found

    def list_batches(self, limit: int = 50) -> list[BatchStatus]:
        """Return batches with their progress, the newest first, without their failures and next due times."""
        with self._database.reading() as transaction:
            return batches.list_batches(transaction, limit)

    def get_batch_status(self, batch_id: str | int) -> BatchStatus:
        """Return how far a batch is; its cost does not grow with the batch.

        Raises:
            BatchNotFoundError: there is none with this id.
        """
        with self._database.reading() as transaction:
            return batches.batch_status(transaction, batch_id)

    def get_batch(self, number: int) -> Batch:
        """Return a batch.

        Raises:
            BatchNotFoundError: there is none with this number.
        """
        with self._database.reading() as transaction:
            found = listing.batch(transaction, number)
        if found is None:
            raise BatchNotFoundError(f"there is no batch batch_{number}", hint="see: queuectl batches")
        return found

    def get_task_log(self, task_id: str | int, after: tuple[int, int] = (0, -1)) -> list[LogPart]:
        """Return what a task's handler logged, by run; only the parts behind (fence, number of the first line).

        Of a long run the beginning and the end are kept, 32 KiB each. A running task's lines come about once
        a second.

        Raises:
            TaskNotFoundError: there is no such task.
        """
        number = task_number(task_id)
        with self._database.reading() as transaction:
            if not listing.states_of(transaction, [number]):
                raise no_such_task(number)
            return task_logs.read(transaction, number, after)

    def get_events(
        self, selection: Selection | None = None, limit: int = 50, since: int | None = None
    ) -> list[Event]:
        """Return the last events of the tasks that match, the first of them first.

        ``since``, in UTC milliseconds, bounds the events' own times; the selection's bounds those of the
        submissions.
        """
        from queuectl.operations.events import latest  # status needs none of it

        return latest(self._database, selection or Selection(), limit, since)

    def follow_events(self, selection: Selection | None = None) -> EventStream:
        """Return the stream of events from now on; call its ``poll`` now and then."""
        from queuectl.operations.events import EventStream  # status needs none of it

        return EventStream(self._database, selection or Selection())

    def get_statistics(
        self,
        start: datetime | int,
        end: datetime | int,
        *,
        step: Step | Literal["minute", "hour", "day"] | None = None,
        by: Subject | Literal["queue", "host"] | None = None,
    ) -> Statistics:
        """Return what happened in a period: counts, waits, run times and failures, by queue or host and in steps.

        The moments have a zone, or are UTC milliseconds. The counts outlive the tasks; what has been
        committed at this moment is in them.

        Raises:
            InvalidInputError: the period ends before it begins, or has more steps than anybody can read.
        """
        from queuectl.operations.statistics import read_statistics  # status needs none of it

        return read_statistics(self._database, self.settings, start, end, step=step, by=by)

    def get_article(self, task: int) -> StoredArticle | None:
        """Return the article that a task produced, if it produced one."""
        with self._database.reading() as transaction:
            return articles.of_task(transaction, task)


def get_monitor(settings: Settings | None = None) -> Monitor:
    """Return a monitor of the configured installation."""
    return Monitor(settings)


def _queue_status(
    rule: QueueRules,
    use: QueueUse,
    counts: Mapping[tuple[str, State], int],
    *,
    oldest: int | None,
    now: int,
    ahead: int,
    lately: Recent,
) -> QueueStatus:
    by_state: dict[str, Any] = {state.value: counts.get((rule.name, state), 0) for state in State}
    wait = None if oldest is None else max(0, now - oldest)
    limits = {key: getattr(rule, key) for key in LIMITS}
    _, block = queue_room(rule, use)
    if block is not None and block.until is not None:
        block = Block(block.reason, block.until + ahead)
    return QueueStatus(
        name=rule.name,
        paused=rule.paused,
        oldest_wait_ms=wait,
        block=block,
        recent=lately,
        **by_state,
        **limits,
    )


def _node_status(node: nodes.NodeRecord, now: int) -> NodeStatus:
    return NodeStatus(
        id=node.id,
        host=node.host,
        pid=node.pid,
        version=node.version,
        started_at=node.started_at,
        heartbeat_at=node.heartbeat_at,
        workers=node.workers,
        running=node.running,
        transport=node.transport,
        transport_up=bool(node.transport_up),
        per_minute=node.per_minute,
        alive=node.lease_until > now,
        kinds=json.loads(node.kinds),
        role=node.role,
    )


def _progress(known: list[nodes.NodeRecord]) -> dict[int, tuple[float | None, str | None]]:
    said: dict[int, tuple[float | None, str | None]] = {}
    for node in known:
        for number, (fraction, note) in json.loads(node.progress).items():
            said[int(number)] = (fraction, note)
    return said
