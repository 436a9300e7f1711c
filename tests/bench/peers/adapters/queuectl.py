"""queuectl on SQLite, on PostgreSQL, and on PostgreSQL with Redis: one daemon with eight threads.

Always durable: every task, attempt and result is committed to the disk before anything follows from it.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence

from queuectl.domain.task import ArticleTask
from queuectl.handlers.contract import Context, HandlerTask
from queuectl.operations.manager import QueueManager
from queuectl.settings import load
from tests.bench.peers import work as kinds
from tests.bench.peers.serving import LOW, NORMAL, URGENT, Adapter, script, serve

_PRIORITIES = {URGENT: "urgent", NORMAL: "medium", LOW: "low"}
_HANDLERS = "tests.bench.peers.adapters.queuectl"
_HOSTS = 1_000


def noop(task: HandlerTask, context: Context) -> None:
    """Do nothing but note that it was done."""
    kinds.noop(_name(task))


def stamp(task: HandlerTask, context: Context) -> None:
    """Note when the task began."""
    kinds.stamp(_name(task))


def brief(task: HandlerTask, context: Context) -> None:
    """Take five milliseconds."""
    kinds.brief(_name(task))


def nap(task: HandlerTask, context: Context) -> None:
    """Take twenty milliseconds, and note both ends."""
    kinds.nap(_name(task))


def _name(task: HandlerTask) -> str:
    return task.url.rpartition("/")[2]


class WithQueuectl(Adapter):
    """A home of its own, the Python interface, and the daemon without its web page."""

    command = (script("queuectl"), "--help")

    def prepare(self) -> None:
        """Write the settings and open the database."""
        lines = [f"workers = {self.place.slots}"]
        if self.place.postgres:
            lines.append(f'database_url = "{self.place.postgres}"')
        if self.place.redis:
            lines.append(f'redis_url = "{self.place.redis}"')
        for kind in kinds.KINDS:
            lines += [f"[handlers.{kind}]", f'callable = "{_HANDLERS}:{kind}"', 'isolation = "thread"']
        (self.place.folder / "queuectl.toml").write_text("\n".join(lines))
        self._manager = QueueManager(load(home=self.place.folder, environ={}).settings)

    def submit(self, work: str, name: str, level: str) -> None:
        """Submit one task."""
        self._manager.submit_task(_url(name), _PRIORITIES[level], handler=work)

    def submit_many(self, work: str, names: Sequence[str], level: str) -> None:
        """Submit a batch."""
        self._manager.submit_batch(_tasks(work, names), _PRIORITIES[level])

    def workers(self) -> Sequence[Sequence[str]]:
        """Return the daemon's command."""
        words = ("-m", "queuectl_daemon", "--home", str(self.place.folder), "--no-web")
        return [[sys.executable, *words]]


def _tasks(work: str, names: Sequence[str]) -> Iterator[ArticleTask]:
    return (ArticleTask(_url(name), handler=work) for name in names)


def _url(name: str) -> str:
    return f"https://site-{zlib.crc32(name.encode()) % _HOSTS}.example/articles/2024/07/{name}"


if __name__ == "__main__":
    serve(WithQueuectl)
