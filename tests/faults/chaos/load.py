"""The load of a run: tasks of many kinds, submitted one by one and in batches while things break."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from queuectl.domain.task import ArticleTask, task_number
from queuectl.errors import QueuectlError, UnreachableError
from queuectl.operations.manager import QueueManager
from queuectl.operations.submission_key import SubmissionKey
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.faults.chaos.stage import Stage

_MIX: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (70, "work", {}),
    (10, "work", {"seconds": 0.01}),
    (6, "work", {"failing": [1]}),
    (2, "work", {"failing": [1, 2]}),
    (2, "refuse", {}),
    (3, "p_work", {}),
    (1, "p_work", {"failing": [1]}),
    (2, "p_keep_article", {}),
    (3, "a_nap", {"seconds": 0.005}),
)
_MOST_CALLS = 2_000  # of one submitter, however few of them are answered
_PAUSE_WHILE_AWAY = 0.1
_PAUSE = 0.02  # seconds at the longest between two submissions
_SAME_AGAIN = 6  # times that a submission with a key is sent until it is answered


class Load:
    """Submitters, each with a connection and a thread of its own; ``finish`` waits for them.

    Without ``within`` they are as fast as they can be, else they spread their tasks over so many seconds.
    """

    def __init__(self, stage: Stage, tasks: int, *, within: float | None = None, submitters: int = 2) -> None:
        self._stage = stage
        self._pace = tasks / within if within else None
        self.failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(number, tasks // submitters), name="load", daemon=True)
            for number in range(submitters)
        ]
        for each in self._threads:
            each.start()

    def finish(self, *, within: float = 90.0) -> None:
        """Wait until all has been submitted.

        Raises:
            AssertionError: A submission hangs, or has raised what none should raise.
        """
        for each in self._threads:
            each.join(within)
            assert not each.is_alive(), "a submission hangs"
        if self.failure is not None:
            raise AssertionError(f"a submission has raised {self.failure!r}") from self.failure

    def _run(self, number: int, tasks: int) -> None:
        chance = self._stage.draw.chance(f"load {number}")
        try:
            with self._opened() as manager:
                left = tasks
                for call in range(_MOST_CALLS + tasks):
                    accepted = self._submit(manager, chance, left, f"http://h{call % 7}.test/{number}/{call}")
                    left -= accepted
                    if left <= 0:
                        return
                    pause = chance.uniform(0, _PAUSE) if accepted else _PAUSE_WHILE_AWAY
                    if self._pace:
                        pause = max(pause, accepted * len(self._threads) / self._pace)
                    self._stage.let_pass(pause)
        except BaseException as error:  # noqa: BLE001  shown by the run's own thread
            self.failure = error

    def _opened(self) -> QueueManager:
        """Return a manager as soon as the database answers."""

        def opened() -> QueueManager | None:
            try:
                return QueueManager(self._stage.site.settings)
            except UnreachableError:
                return None

        manager = wait_until(opened, within=60, describing="the database to answer")
        assert manager is not None
        return manager

    def _submit(self, manager: QueueManager, chance: Random, left: int, url: str) -> int:
        """Submit one or many, and return how many were accepted."""
        roll = chance.random()
        if roll < 0.5:
            count = min(left, chance.choice((5, 20, 60)))
            return self._submit_batch(manager, list(self._tasks(chance, url, count)))
        (task,) = self._tasks(chance, url, 1)
        if roll < 0.6 and not self._stage.draw.has("clock steps"):
            return self._submit_for_later(manager, task, chance.uniform(0.1, 0.6))
        if roll < 0.75:
            return self._submit_until_answered(manager, task, url)
        return self._submit_one(manager, task)

    def _tasks(self, chance: Random, url: str, count: int) -> Iterator[ArticleTask]:
        weights = [each[0] for each in _MIX]
        queues: tuple[str | None, ...] = ("urgent", "high", "medium", "medium", "medium", "background")
        for place in range(count):
            _, handler, facts = chance.choices(_MIX, weights)[0]
            queue = "low" if self._stage.draw.is_limited and chance.random() < 0.03 else chance.choice(queues)
            metadata = {"witness": str(self._stage.site.witness.path)} | facts
            yield ArticleTask(f"{url}/{place}", handler=handler, priority=queue, metadata=metadata)

    def _submit_batch(self, manager: QueueManager, tasks: list[ArticleTask]) -> int:
        client = self._stage.client
        key = client.invoke("submit", urls=[each.url for each in tasks])
        try:
            batch = manager.submit_batch(tasks)
        except QueuectlError as error:
            return self._refused(key, error)
        # Which tasks it has is read when everything is quiet.
        ids: list[int] = []
        self._stage.client.rows.append(
            {"event": "ok", "verb": "submit", "key": key, "ids": ids, "at": monotonic_ns()}
        )
        self._stage.batches.append((batch, ids, len(tasks)))
        return len(tasks)

    def _submit_one(self, manager: QueueManager, task: ArticleTask, **facts: Any) -> int:
        options = facts.pop("options", {})
        key = self._stage.client.invoke("submit", urls=[task.url], **facts)
        try:
            name = manager.submit_task(task, **options)
        except QueuectlError as error:
            return self._refused(key, error)
        self._stage.client.ok(key, [task_number(name)], **facts)
        self._stage.numbers.append(task_number(name))
        return 1

    def _submit_for_later(self, manager: QueueManager, task: ArticleTask, seconds: float) -> int:
        due = monotonic_ns() + int(seconds * 1e9)
        options = {"publish_at": datetime.now(UTC) + timedelta(seconds=seconds)}
        return self._submit_one(manager, task, due=due, options=options)

    def _submit_until_answered(self, manager: QueueManager, task: ArticleTask, url: str) -> int:
        options = {"once": SubmissionKey.of("chaos", url, url.encode())}
        for _ in range(_SAME_AGAIN):
            if self._submit_one(manager, task, idempotency=url, options=options):
                return 1
            self._stage.let_pass(_PAUSE_WHILE_AWAY)
        return 0

    def _refused(self, key: str, error: QueuectlError) -> int:
        """Note what is known of a submission that has raised: where the database is away that is nothing."""
        if isinstance(error, UnreachableError):
            self._stage.client.unknown(key)
        else:
            self._stage.client.fail(key)
        return 0
