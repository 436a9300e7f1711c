"""Those who use the queue: they submit, cancel, send back, pause and plan, and write down what they were told."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from queuectl.domain.schedule import CatchUp, NewSchedule
from queuectl.domain.task import ArticleTask, task_number
from queuectl.errors import ConflictError, DatabaseUnreachableError, QueuectlError
from queuectl.operations.manager import QueueManager
from queuectl.operations.scheduler import Scheduler
from queuectl.operations.submission_key import SubmissionKey
from queuectl.store import nodes
from tests.simulation.site import Site
from tests.simulation.world import EPOCH_MS, Actor

PRIORITIES = ("urgent", "high", "medium", "low", "background")
_CATCH_UPS: tuple[CatchUp, ...] = ("latest", "all", "none")
_PLANS: tuple[list[str], ...] = (
    [], [], [], [], [], ["fail"], ["fail", "fail"], ["fail"] * 12, ["refuse"], ["crash"], ["crash"] * 4, ["hang"],
    ["later"], ["hold"],
)  # fmt: skip


class Client:
    """One program that calls the verbs; ``key`` is its own name for a call."""

    def __init__(self, site: Site, name: str) -> None:
        self._site = site
        self._name = name
        self._actor = Actor(name, "client")
        self.chance: random.Random = site.weather.stream(f"client {name}")
        self.manager = QueueManager(site.settings, site.database())
        self._calls = 0
        self.known: list[int] = []

    def call(self, verb: str, action: Callable[[], list[int]], **said: Any) -> list[int] | None:
        """Make a call, and write down that it was made and what came of it; None if it failed or is unknown."""
        self._calls += 1
        row = {"verb": verb, "key": f"{self._name}-{self._calls}"} | said
        self._note("invoke", row)
        try:
            ids = action()
        except ConflictError:
            self._note("fail", row)
        except DatabaseUnreachableError:
            self._note("unknown", row)
        except QueuectlError as error:
            self._note("fail", row | {"why": error.message})
        else:
            self._note("ok", row | {"ids": ids})
            self._site.wake()
            return ids
        return None

    def _note(self, event: str, row: dict[str, Any]) -> None:
        self._site.client.append({"event": event} | row | {"at": self._site.world.now})
        self._site.world.tell(f"{event} {row}")

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        self._site.world.after(seconds, self._actor, action)


class Submitter(Client):
    """Submits a share of the tasks over a while, alone, in batches, with and without keys."""

    def __init__(self, site: Site, name: str, tasks: int, seconds: float) -> None:
        super().__init__(site, name)
        self._left = tasks
        self._pause = seconds / max(1, tasks)
        self._urls = 0
        self.later(0.01, self._go_on)

    def _go_on(self) -> None:
        if self._left <= 0:
            return
        batch = self.chance.random() < 0.15
        count = min(self._left, self.chance.randint(2, 20) if batch else 1)
        self._left -= count
        self.later(self._pause * count * self.chance.uniform(0.2, 1.8), self._go_on)
        if batch:
            self._batch(count)
        elif self.chance.random() < 0.15:
            self._once()
        else:
            task = self._task()
            said = {"urls": [task.url], "count": 1} | self._postponed(task)
            self._submitted(self.call("submit", lambda: [self._submit(task)], **said))

    def _postponed(self, task: ArticleTask) -> dict[str, Any]:
        """Give some tasks a time to start at, and say so where nobody's clock is moved."""
        if self.chance.random() > 0.15:
            return {}
        wait = self.chance.choice([200, 1_000, 6_000])
        at = self._site.world.true_ms() + wait
        task.publish_at = datetime.fromtimestamp(at / 1000, UTC)
        return {} if self._site.clocks_move else {"due": (at - EPOCH_MS) * 1_000_000}

    def _submit(self, task: ArticleTask, once: SubmissionKey | None = None) -> int:
        return task_number(self.manager.submit_task(task, once=once))

    def _once(self) -> None:
        """Submit with a key until there is an answer, as a careful program does."""
        task = self._task()
        key = SubmissionKey.of("client", task.url, task.url.encode())
        said = {"urls": [task.url], "count": 1, "idempotency": task.url}
        self._submitted(self.call("submit", lambda: [self._submit(task, key)], **said))
        if self.chance.random() < 0.7:
            again = lambda: self._submitted(self.call("submit", lambda: [self._submit(task, key)], **said))  # noqa: E731
            self.later(self.chance.uniform(0.0, 2.0), again)

    def _batch(self, count: int) -> None:
        tasks = [self._task() for _ in range(count)]
        urls = [task.url for task in tasks]
        self._submitted(self.call("submit", lambda: self._submit_batch(tasks), urls=urls, count=count))

    def _submit_batch(self, tasks: list[ArticleTask]) -> list[int]:
        self.manager.submit_batch(tasks)
        numbers = dict(self._site.shared.execute_sql("SELECT url, id FROM tasks ORDER BY id DESC").fetchall())
        return [numbers[task.url] for task in tasks]

    def _submitted(self, ids: list[int] | None) -> None:
        self.known += ids or []

    def _task(self) -> ArticleTask:
        self._urls += 1
        seconds = self.chance.choice([0.001, 0.005, 0.02, 0.05, 0.2, 1.0])
        if self._site.duel and self.chance.random() < 0.3:
            seconds = self.chance.uniform(2.0, 6.0)  # long enough to run when a node comes back that was away
        plan = self.chance.choice(_PLANS)
        metadata = {"seconds": seconds, "plan": [] if "hold" in plan and self._site.orderly else plan}
        return ArticleTask(
            f"http://h{self.chance.randrange(4)}.test/{self._name}/{self._urls}",
            priority=self.chance.choice(PRIORITIES),
            metadata=metadata,
            handler=self.chance.choice(["work", "work", "loop"]),
            max_retries=self.chance.choice([None, None, 0, 2]),
        )


class Operator(Client):
    """Changes what the submitters have submitted, and the queues."""

    def __init__(self, site: Site, submitters: list[Submitter], seconds: float) -> None:
        super().__init__(site, "operator")
        self._submitters = submitters
        self._until = site.world.now + round(seconds * 1e9)
        self.scheduler = Scheduler(site.settings, site.database())
        self._paused: set[str] = set()
        if site.orderly:
            return
        self._limit()
        if self.chance.random() < 0.5:
            self.later(0.05, self._plan)
        self.later(0.5, self._go_on)

    def _limit(self) -> None:
        """Give a queue limits before anything runs, so that they hold for the whole run."""
        if self.chance.random() < 0.5:
            return
        queue, starts = self.chance.choice(PRIORITIES), self.chance.randint(2, 6)
        wish: dict[str, object] = {"rate_limit": f"{starts}/s"} if self.chance.random() < 0.6 else {}
        limit: dict[str, Any] = {"queue": f"{queue}_priority"}
        if wish:
            limit |= {"starts": starts, "period_ms": 1_000}
        else:
            limit["concurrency"] = self.chance.randint(1, 3)
            wish = {"concurrency": limit["concurrency"]}
        self._site.weather.calm = True
        self.manager.update_queue_config(queue, wish)
        self._site.weather.calm = False
        self._site.limits.append(limit)

    def _plan(self) -> None:
        """Plan schedules, which read their source every minute, and some in the hour that Berlin skips."""
        for number, (cron, zone) in enumerate((("* * * * *", "UTC"), ("*/2 1-3 * * *", "Europe/Berlin"))):
            catch_up = self.chance.choice(_CATCH_UPS)
            schedule = NewSchedule(
                name=f"s{number}", source=f"file:///s{number}", cron=cron, zone=zone, priority_score=5,
                handler="work", metadata={}, only_new=False, catch_up=catch_up, overlap="allow",
            )  # fmt: skip
            self.call("schedule", lambda schedule=schedule: [0] * (not self.scheduler.add(schedule)))  # type: ignore[misc]

    def _go_on(self) -> None:
        if self._site.world.now > self._until:
            return
        self.later(self.chance.uniform(0.1, 1.5), self._go_on)
        deed = self.chance.choice(
            [self._cancel, self._cancel, self._retry, self._pause, self._move, self._resurrect]
        )
        deed()

    def _some(self) -> int | None:
        known = [number for each in self._submitters for number in each.known]
        return self.chance.choice(known) if known else None

    def _cancel(self) -> None:
        number = self._some()
        if number is None:
            return
        told = self.call(
            "ask to cancel", lambda: [task_number(self.manager.cancel_task(number).id)], ids=[number]
        )
        if told and self._was_heard(number):
            row = {"verb": "cancel", "key": f"operator-heard-{self._calls}", "ids": told}
            self._note("ok", row)

    def _was_heard(self, number: int) -> bool:
        """Tell whether no daemon has yet to hear of it: one that does not answer may still begin a run."""
        try:
            with self.manager._database.reading() as transaction:
                return not nodes.have_not_heard(transaction, [number])
        except QueuectlError:
            return False

    def _retry(self) -> None:
        number = self._some()
        if number is not None:
            self.call("requeue", lambda: [task_number(self.manager.retry_task(number).id)], ids=[number])

    def _move(self) -> None:
        number = self._some()
        if number is not None:
            score = self.chance.randint(0, 12)
            self.call(
                "reprioritize", lambda: [task_number(self.manager.reprioritize_task(number, score=score).id)],
                ids=[number],
            )  # fmt: skip

    def _pause(self) -> None:
        queue = self.chance.choice(PRIORITIES)
        if queue in self._paused:
            self._paused.discard(queue)
            self.call("resume", lambda: [0] * (not self.manager.resume_queue(queue)))
        else:
            self._paused.add(queue)
            self.call("pause", lambda: [0] * (not self.manager.pause_queue(queue)))

    def _resurrect(self) -> None:
        letters = self._site.shared.execute_sql("SELECT id, url FROM dead_letters ORDER BY id").fetchall()
        if letters:
            letter, url = self.chance.choice(letters)
            again = lambda: [task_number(self.manager.resurrect_from_dead_letter(letter, again=True))]  # noqa: E731
            self.call("resurrect", again, urls=[url], count=1)
