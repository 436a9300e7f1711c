"""Make the values that tests of the core are about, with a default for whatever a test does not care about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from queuectl.domain.article import Article
from queuectl.domain.ending import Ending
from queuectl.domain.lifecycle import Move, State
from queuectl.domain.outcome import Verdict
from queuectl.domain.priority import level_of_score
from queuectl.domain.task import Claimed
from queuectl.domain.urls import accept
from queuectl.store import article_deliveries, articles, check, history, submission, tasks
from queuectl.store.database import Database, Transaction
from queuectl.store.submission import NewTask
from queuectl.store.tasks import InHand

NOW = 1_800_000_000_000
"""A moment in UTC milliseconds for tests that need no clock."""

NODE = "node-under-test"

_VERDICTS = {
    Move.SUCCEED: Verdict.SUCCEEDED,
    Move.RETRY: Verdict.FAILED,
    Move.BURY: Verdict.FAILED,
    Move.RELEASE: Verdict.INTERRUPTED,
    Move.CANCEL: Verdict.CANCELLED,
}

_ENDING_DEFAULTS: dict[Move, dict[str, Any]] = {
    Move.SUCCEED: {"result": "null"},
    Move.RETRY: {"due_at": NOW + 10_000, "error": "it failed"},
    Move.BURY: {"cause": "exhausted", "error": "it failed for good"},
    Move.RELEASE: {"charged": False, "error": "given back"},
    Move.CANCEL: {},
}


def claimed(**fields: Any) -> Claimed:
    """Return a claimed task as a daemon holds it."""
    work = Claimed(
        id=1,
        fence=1,
        attempt=1,
        released=0,
        crashes=0,
        url="https://example.com/a",
        handler="article",
        queue="medium_priority",
        priority_score=5,
        metadata="{}",
        timeout=None,
        memory_limit=None,
        max_retries=None,
        started_at=NOW,
        host="example.com",
        due_at=NOW,
    )
    return work._replace(**fields)


def an_article(**fields: Any) -> Article:
    """Return an article as the handler keeps it."""
    article = Article(
        url="https://example.com/a",
        final_url="https://example.com/a?full=1",
        title="茶 & tea",
        author="Ann",
        account=None,
        published_at=NOW - 1000,
        language="en",
        markdown="# 茶 & tea",
        html="<h1>茶 &amp; tea</h1>",
        images=("https://example.com/a.png", "https://example.com/茶.png"),
        markdown_path="1.md",
        html_path="1.html",
    )
    return replace(article, **fields)


def ending(work: Claimed, move: Move, **fields: Any) -> Ending:
    """Return the end of a run by one of the five moves that end one."""
    defaults = {**_ENDING_DEFAULTS[move], "verdict": _VERDICTS[move], "finished_at": NOW + 500}
    return Ending(work, move, **{**defaults, **fields})


def new_task(number: int = 1, *, score: int = 5, **fields: Any) -> NewTask:
    """Return a row to be inserted; its URL has ``number`` in it, and with a ``run_at`` it is scheduled."""
    url, host, key = accept(fields.pop("url", f"https://example.com/{number}"))
    run_at = fields.get("run_at")
    due_at = fields.pop("due_at", NOW if run_at is None else run_at)
    row = NewTask(
        url=url,
        url_key=key,
        host=host,
        handler="article",
        queue=level_of_score(score).queue,
        priority_score=score,
        state=(State.QUEUED if run_at is None else State.SCHEDULED).value,
        due_at=due_at,
        run_at=None,
        created_at=NOW,
        timeout=None,
        memory_limit=None,
        max_retries=None,
        batch_id=None,
        unique_key=None,
        metadata="{}",
    )
    return row._replace(**fields)


def submit(transaction: Transaction, *rows: NewTask) -> list[int]:
    """Insert rows one by one and return their numbers."""
    return [submission.insert(transaction, row) for row in rows]


def submit_copies(transaction: Transaction, rows: Iterable[NewTask]) -> int:
    """Insert rows as a batch and return the batch's number."""
    batch = submission.open_batch(transaction, None, 0, NOW)
    members = [row._replace(batch_id=batch) for row in rows]
    submission.insert_many(transaction, batch, members)
    submission.close_batch(transaction, batch, len(members))
    return batch


class _Undone(Exception):  # noqa: N818  it is how a transaction is undone
    pass


@contextmanager
def undone(database: Database) -> Iterator[Transaction]:
    """Run the body in a write transaction that fails at its end."""
    with suppress(_Undone), database.writing() as transaction:
        yield transaction
        raise _Undone


def finish(transaction: Transaction, endings: list[Ending], node: str = NODE) -> list[Ending]:
    """Record ends of runs as the daemon does: the moves and, for those that held, their history."""
    held = tasks.end(transaction, endings)
    if held:
        history.record(transaction, held, node)
    return held


def task_in(database: Database, state: State, number: int = 1, *, node: str = NODE, **fields: Any) -> int:
    """Submit a task, bring it into a state by the moves that lead there, and return its number.

    No other task of its queue may be queued meanwhile.
    """
    with database.writing() as transaction:
        if state is State.SCHEDULED:
            fields.setdefault("run_at", NOW + 60_000)
        row = new_task(number, **fields)
        (task,) = submit(transaction, row)
        match state:
            case State.SCHEDULED | State.QUEUED:
                pass
            case State.DISPATCHED:
                messages, _ = tasks.dispatch(transaction, row.queue, 1, node=node, now=NOW)
                assert [message.id for message in messages] == [task]
            case State.CANCELLED:
                assert tasks.cancel(transaction, [task], NOW) == {task: State.CANCELLED}
            case State.RUNNING:
                started(transaction, task, row.queue, node)
            case State.RETRYING:
                finish(transaction, [ending(started(transaction, task, row.queue, node), Move.RETRY)], node)
            case State.SUCCEEDED:
                finish(transaction, [ending(started(transaction, task, row.queue, node), Move.SUCCEED)], node)
            case State.DEAD:
                finish(transaction, [ending(started(transaction, task, row.queue, node), Move.BURY)], node)
    return task


def succeed_with_article(
    transaction: Transaction, number: int = 1, *, delivers: bool = True, **fields: Any
) -> int:
    """Let a task succeed with an article, by default one that is to be delivered, and return its number."""
    row = new_task(number, **fields)
    (task,) = submit(transaction, row)
    work = started(transaction, task, row.queue)
    ends = finish(transaction, [ending(work, Move.SUCCEED, article=an_article(url=row.url))])
    articles.save(transaction, ends)
    if delivers:
        article_deliveries.begin(transaction, ends)
    return task


def started(transaction: Transaction, task: int, queue: str, node: str = NODE) -> Claimed:
    """Start the one queued task of a queue and return it."""
    (work,), _ = tasks.start(transaction, queue, 1, node=node, now=NOW)
    assert work.id == task
    return work


def work_of(database: Database, task: int) -> Claimed:
    """Return a task as a daemon would hold it that had claimed it as it is now, whatever its state."""
    row = stored(database, task)
    fields = {name: row[name] for name in Claimed._fields if name in row}
    fields["started_at"] = fields["started_at"] or NOW
    return Claimed(**fields)


def held_by(database: Database, node: str = NODE) -> list[InHand]:
    """Return what a node has in hand."""
    with database.writing() as transaction:
        return tasks.in_hand(transaction, node)


def stored(database: Database, task: int) -> dict[str, Any]:
    """Return every column of a task."""
    return {row["id"]: row for row in all_rows(database, "tasks")}[task]


def all_rows(database: Database, table: str) -> list[dict[str, Any]]:
    """Return every row of a table, in the order of its first column, as mappings."""
    with database.reading() as transaction:
        cursor = transaction.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def counts_are_right(database: Database) -> bool:
    """Tell whether the kept counts agree with the tasks."""
    with database.reading() as transaction:
        return check.wrong_counts(transaction) == []


def states(database: Database) -> dict[int, State]:
    """Return the state of every task."""
    with database.reading() as transaction:
        return {number: State(state) for number, state in transaction.rows("SELECT id, state FROM tasks")}
