"""The stage of one crash point, and the two forms that a scenario has: a command, and something a daemon does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from queuectl.domain.task import ArticleTask, task_number
from queuectl.store.database import Database
from tests.faults.recording import record_moves
from tests.support.clients import ClientLog
from tests.support.daemon import Daemon, Installation
from tests.support.forker import Forker
from tests.support.guard import guard
from tests.support.redis import RedisServer


@dataclass
class Props:
    """What all points of a run share: the process that forks, a database file to begin with, a Redis if asked for."""

    forker: Forker
    pristine: bytes
    redis: Callable[[], RedisServer]


@dataclass
class Stage:
    """A home of its own, in which one crash happens."""

    props: Props
    site: Installation
    client: ClientLog = field(default_factory=ClientLog)
    known: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def built(cls, props: Props, *, migrated: bool = True, **settings: Any) -> Stage:
        """Return a stage with an empty database whose changes of states are recorded."""
        home = guard.new_folder()
        if migrated:
            (home / "queuectl.db").write_bytes(props.pristine)
        site = Installation(home, **{"workers": 4, "grace_period": 5} | settings)
        site.daemon = Daemon(site, props.forker)
        if migrated:
            database = Database(site.settings.database_url)
            record_moves(database)
            database.close()
        return cls(props, site)

    def close(self) -> None:
        """End and remove all of it."""
        self.site.close()
        guard.remove_folder(self.site.home)

    def submit(self, count: int, handler: str = "work", **metadata: Any) -> list[int]:
        """Submit tasks as one batch that is answered."""
        urls = [f"http://stage.test/{len(self.client.rows)}/{number}" for number in range(count)]
        key = self.client.invoke("submit", urls=urls)
        facts = {"witness": str(self.site.witness.path)} | metadata
        batch = self.site.manager.submit_batch(
            ArticleTask(url, handler=handler, metadata=facts) for url in urls
        )
        rows = self.site.rows("SELECT id FROM tasks WHERE batch_id = %s ORDER BY id", task_number_of(batch))
        self.client.ok(key, [number for (number,) in rows])
        return [number for (number,) in rows]

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        ((number,),) = self.site.rows(f"SELECT COUNT(*) FROM {table}")
        return int(number)


def task_number_of(name: str) -> int:
    """Return the number of a batch or a task."""
    return task_number(f"task_{name.rpartition('_')[2]}")


class Scenario:
    """Something that may be cut short anywhere."""

    name: str
    settings: ClassVar[dict[str, Any]] = {}

    def build(self, props: Props) -> Stage:
        """Return the stage with what is there before."""
        return Stage.built(props, **self.settings)

    def prepare(self, stage: Stage) -> None:
        """Put there what the scenario needs, before anybody follows."""


class CommandScenario(Scenario, ABC):
    """A command is killed where no daemon runs."""

    @abstractmethod
    def words(self, stage: Stage) -> list[str]:
        """Return the command's words, and write down what is about to be asked for."""

    @abstractmethod
    def judge_command(self, stage: Stage, out: str, *, killed: bool) -> None:
        """Write down what the command has told, look for half a thing, and do again what was not done."""

    def command(self, stage: Stage, words: list[str], *, held: bool = False) -> tuple[Any, Path]:
        """Fork a command and return it with the file of its output."""
        out = stage.site.home / f"out-{len(list(stage.site.home.glob('out-*')))}"
        return stage.props.forker.command(stage.site.home, self._all(stage, words), out, held=held), out

    def done_again(self, stage: Stage, words: list[str]) -> str:
        """Run a command to its end, and return its output."""
        process, out = self.command(stage, words)
        status = process.wait(60)
        assert status == 0, f"{words} ended with {status}: {out.read_text()}"
        return out.read_text()

    @staticmethod
    def _all(stage: Stage, words: list[str]) -> list[str]:
        return [*words, "--home", str(stage.site.home)]


class DaemonScenario(Scenario, ABC):
    """A daemon that is ready is killed in the middle of what ``act`` gives it to do."""

    def prepare_running(self, stage: Stage) -> None:
        """Give the daemon what it is to be in the middle of, before anybody follows."""

    @abstractmethod
    def act(self, stage: Stage) -> None:
        """Give the daemon its work; it is followed already."""

    def has_ended(self, stage: Stage) -> bool:
        """Tell whether the daemon has done all of it."""
        return stage.site.open_tasks() == []
