"""Who is compared: each tool in each of its settings, and which servers it needs for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.peers.serving import DURABLE, FAST

QUEUECTL = "queuectl"


@dataclass(frozen=True, slots=True)
class Contender:
    """A tool in one of its settings; ``peer`` names its adapter, its pinned packages and its environment."""

    title: str
    peer: str
    settings: str
    variant: str = ""
    redis: bool = False
    postgres: bool = False

    @property
    def name(self) -> str:
        """The title with the settings, by which its figures are kept."""
        return f"{self.title}, {self.settings}"

    @property
    def is_queuectl(self) -> bool:
        """Whether this is the project itself."""
        return self.peer == QUEUECTL


def _both(
    title: str, peer: str, variant: str = "", *, redis: bool = False, postgres: bool = False
) -> Sequence[Contender]:
    return [Contender(title, peer, settings, variant, redis, postgres) for settings in (FAST, DURABLE)]


BASE = Contender("bare Dramatiq", "dramatiq", FAST, redis=True)
"""Whom the others are put in proportion to."""

CONTENDERS: Sequence[Contender] = (
    Contender("queuectl on SQLite", QUEUECTL, DURABLE),
    Contender("queuectl on PostgreSQL", QUEUECTL, DURABLE, postgres=True),
    Contender("queuectl on PostgreSQL + Redis", QUEUECTL, DURABLE, redis=True, postgres=True),
    *_both("bare Dramatiq", "dramatiq", redis=True),
    *_both("Celery, 2 processes", "celery", "prefork", redis=True),
    *_both("Celery, 8 threads", "celery", "threads", redis=True),
    *_both("RQ, 8 processes", "rq", redis=True),
    *_both("Huey on Redis", "huey", redis=True),
    Contender("Huey on SQLite", "huey", DURABLE),
    *_both("Taskiq", "taskiq", redis=True),
    *_both("Procrastinate", "procrastinate", postgres=True),
    *_both("PgQueuer, single tasks", "pgqueuer", "1", postgres=True),
    *_both("PgQueuer, 100 at once", "pgqueuer", "100", postgres=True),
    *_both("BullMQ", "bullmq", redis=True),
)

PEERS = tuple(dict.fromkeys(each.peer for each in CONTENDERS))
"""The tools by their short names, queuectl first."""


def chosen(peers: Sequence[str]) -> Sequence[Contender]:
    """Return the contenders of these tools, or all of them.

    Raises:
        ValueError: There is no such tool.
    """
    unknown = sorted(set(peers) - set(PEERS))
    if unknown:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return [each for each in CONTENDERS if not peers or each.peer in peers]
