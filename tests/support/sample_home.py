"""A home whose tasks are in every state, without a daemon: what golden screens and pictures show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from queuectl.clock import now_ms
from queuectl.domain.lifecycle import Move
from queuectl.operations.opening import open_database
from queuectl.settings import load
from queuectl.store import nodes, tasks
from queuectl.store.database import Transaction
from queuectl.store.nodes import NodeReport
from tests.support.cli import CommandLine
from tests.support.factories import NODE, ending, finish
from tests.support.guard import guard

_AGO_MS = 30 * 60_000 + 30_000
"""Half an hour and half a minute, so that an age reads much the same until the last command has run."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?|\d\d:\d\d:\d\d|\b\d?\d:\d\d\b")
_PLACE = re.compile(r"sqlite:/+[^\s\x1b]+")
_SOON = re.compile(r"\bin \d+(\.\d)? s")
_AGE = re.compile(r"\b3\d min( \d\d s)?")
_STEADY = "2027-01-25 10:30:00"


def steady(text: str, database: str) -> str:
    """Return what a command wrote, with steady times of the same length, and a name for the database's file."""
    text = _MOMENT.sub(lambda found: _steady_moment(found[0]), _AGE.sub(_steady_age, text))
    return _PLACE.sub(database, _SOON.sub("in 5 s", text))


def _steady_age(found: re.Match[str]) -> str:
    return "30 min 30 s" if found[1] else "30 min"


def _steady_moment(moment: str) -> str:
    if "-" in moment:
        return _STEADY[: len(moment)]
    return "10:30:00" if moment.count(":") == 2 else "30:30"[-len(moment) :]


@contextmanager
def sample_home(title: str = "Reading a rain gauge") -> Iterator[CommandLine]:
    """Make the home, in which a waiting task has the given title, and remove it in the end."""
    home = guard.new_folder()
    cli = CommandLine(home)
    lines: list[dict[str, object]] = [
        {"url": "https://example.com/文章/雨水花园", "metadata": {"title": "雨水花园 🌧 手记"}},
        {"url": "https://example.com/rain-gauge", "metadata": {"title": title}},
        {"url": "https://example.com/lens", "priority": "urgent", "metadata": {"title": "灯塔的透镜"}},
        {"url": "https://example.com/sourdough-week", "priority": "urgent"},
        {"url": "https://example.com/gone", "priority": "urgent"},
        {"url": "https://example.com/night-train/" + "carriage/" * 20, "priority": "urgent"},
        {"url": "https://example.com/bookshop", "priority": "low"},
        {"url": "https://example.com/market", "priority": "high", "schedule": "in 119 minutes"},
        {"url": "https://example.com/unwanted", "priority": "low"},
    ]
    cli("batch", "-", "--name", "每日文章", given="\n".join(json.dumps(line) for line in lines)).ok()
    cli("cancel", "9").ok()
    cli("queue", "set", "low", "rate_limit=150/h", "host_gap=2").ok()
    cli("queue", "pause", "low").ok()
    database = open_database(load(home=home, environ={}).settings)
    with database.writing() as transaction:
        _live_through(transaction, now_ms() - _AGO_MS)
    database.close()
    try:
        yield cli
    finally:
        guard.remove_folder(home)


def _live_through(transaction: Transaction, at: int) -> None:
    """Bring the tasks of the urgent queue into their states, and let everything have happened at a moment."""
    transaction.execute(
        "UPDATE tasks SET due_at = %s + id, created_at = %s + id WHERE state = 'queued'", (at, at)
    )
    transaction.execute("UPDATE tasks SET finished_at = %s WHERE finished_at IS NOT NULL", (at,))
    transaction.execute("UPDATE batches SET created_at = %s", (at,))
    works, _ = tasks.start(transaction, "urgent_priority", 4, node=NODE, now=at)
    _, good, gone, busy = sorted(works, key=lambda work: work.id)
    error = "the server answered 404 Not Found"
    later, took = at + 4 * 3_600_000, at + 1_250
    ends = [
        ending(good, Move.SUCCEED, finished_at=took),
        ending(
            gone,
            Move.BURY,
            finished_at=took,
            cause="permanent",
            error=error,
            traceback=f"PermanentError: {error}",
        ),
        ending(busy, Move.RETRY, finished_at=took, error="the server answered 503", due_at=later),
    ]
    assert finish(transaction, ends) == ends
    # Recent, so that there is a pace, but not of the last minute, which would soon be over.
    transaction.execute("UPDATE attempts SET recorded_at = %s", (at + _AGO_MS - 120_000,))
    node = NodeReport(
        id=NODE, host="here", pid=77, version="0.1.0", started_at=at, workers=4, running=1, transport="in-process",
        transport_up=1, per_minute=12.5, progress=json.dumps({"3": [0.5, "提取正文"]}), handlers='["article"]',
        kinds='{"article": "process"}', held_back="[]",
        role="all",
        caps="{}",
    )  # fmt: skip
    nodes.save(transaction, node, 600_000)
