"""The deliveries of articles to the webhook: each begins in the transaction that stores its article.

Whoever takes one moves its next try to the end of his lease; that moment and the number of the try are what his
later word must match.
"""

from __future__ import annotations

from collections.abc import Sequence

from queuectl.domain.article_delivery import ArticleDelivery, DeliveryCounts
from queuectl.domain.ending import Ending
from queuectl.store.database import Row, Transaction
from queuectl.store.rows import placeholders

_COLUMNS = "task_id, attempt, begun_at, tries, next_try_at, problem, delivered_at"
_RUNS = (("vid", "bigint"), ("vattempt", "bigint"))


def begin(transaction: Transaction, endings: Sequence[Ending]) -> None:
    """Have the articles among the ends of runs delivered, from the commit on."""
    runs = [(each.work.id, each.work.attempt) for each in endings if each.article is not None]
    values, params = transaction.database.values(_RUNS, runs)
    clock = transaction.database.clock()
    transaction.execute(
        f"INSERT INTO article_deliveries ({_COLUMNS}) SELECT vid, vattempt, {clock}, 0, {clock}, NULL, NULL"
        f" FROM {values} WHERE true ON CONFLICT (task_id) DO NOTHING",
        params,
    )


def begin_again(transaction: Transaction, ids: Sequence[int]) -> list[int]:
    """Have the articles of these tasks delivered, whether they were before or not; return which have one."""
    now = transaction.now()
    rows = transaction.rows(
        f"INSERT INTO article_deliveries ({_COLUMNS}) SELECT articles.task_id, attempt, %s, 0, %s, NULL, NULL"
        " FROM articles JOIN tasks ON tasks.id = articles.task_id"
        f" WHERE tasks.state = 'succeeded' AND tasks.id IN ({placeholders(ids)}) ORDER BY tasks.id"
        " ON CONFLICT (task_id) DO UPDATE SET begun_at = excluded.begun_at, tries = 0,"
        " next_try_at = excluded.next_try_at, problem = NULL RETURNING task_id",
        (now, now, *ids),
    )
    return [number for (number,) in rows]


def failed_ones(transaction: Transaction, limit: int, after: int = 0) -> list[int]:
    """Return the tasks behind a number whose article's delivery has failed, given up or not, in their order."""
    rows = transaction.rows(
        "SELECT task_id FROM article_deliveries WHERE problem IS NOT NULL AND task_id > %s ORDER BY task_id LIMIT %s",
        (after, limit),
    )
    return [number for (number,) in rows]


def due(transaction: Transaction, limit: int) -> int:
    """Return how many deliveries may be taken now, at most ``limit``."""
    rows = transaction.rows(
        "SELECT COUNT(*) FROM (SELECT 1 FROM article_deliveries WHERE next_try_at <= %s LIMIT %s) AS due",
        (transaction.now(), limit),
    )
    return int(rows[0][0])


def take(transaction: Transaction, lease_ms: int) -> ArticleDelivery | None:
    """Take the delivery that has been due for the longest, for so many milliseconds; None if none is."""
    now = transaction.now()
    chosen = (
        "SELECT task_id FROM article_deliveries WHERE next_try_at <= %s ORDER BY next_try_at, task_id LIMIT 1"
        + transaction.database.locking()
    )
    rows = transaction.rows(
        "UPDATE article_deliveries SET next_try_at = %s, tries = tries + 1"
        f" WHERE task_id {transaction.database.any_of(chosen)} RETURNING {_COLUMNS}",
        (now + lease_ms, now),
    )
    return ArticleDelivery(*rows[0]) if rows else None


def note(
    transaction: Transaction, taken: ArticleDelivery, problem: str | None, next_try_at: int | None
) -> bool:
    """Note how a try ended: without a problem it has arrived. False if it is not the taker's any more."""
    ended = transaction.rows(
        "UPDATE article_deliveries SET problem = %s, next_try_at = %s,"
        " delivered_at = CASE WHEN %s = 1 THEN %s ELSE delivered_at END"
        " WHERE task_id = %s AND tries = %s AND next_try_at = %s RETURNING task_id",
        (
            problem,
            next_try_at,
            1 if problem is None else 0,
            transaction.now(),
            taken.task_id,
            taken.tries,
            taken.next_try_at,
        ),
    )
    return bool(ended)


def of_task(transaction: Transaction, task: int) -> ArticleDelivery | None:
    """Return how far the delivery of a task's article is, if there is one."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM article_deliveries WHERE task_id = %s", (task,))
    return ArticleDelivery(*rows[0]) if rows else None


def not_delivered(transaction: Transaction, limit: int) -> list[ArticleDelivery]:
    """Return the deliveries that wait or were given up, those of the newest tasks first."""
    # Two selections, because each has an index of its own and SQLite would take neither for both.
    rows: list[Row] = transaction.rows(
        f"SELECT {_COLUMNS} FROM article_deliveries WHERE next_try_at IS NOT NULL"
        f" UNION ALL SELECT {_COLUMNS} FROM article_deliveries WHERE problem IS NOT NULL AND next_try_at IS NULL"
        " ORDER BY task_id DESC LIMIT %s",
        (limit,),
    )
    return [ArticleDelivery(*row) for row in rows]


def latest_problem(transaction: Transaction) -> str | None:
    """Return why the delivery of the newest task that has not arrived has failed, if one has."""
    rows = transaction.rows(
        "SELECT problem FROM article_deliveries WHERE problem IS NOT NULL ORDER BY task_id DESC LIMIT 1"
    )
    return str(rows[0][0]) if rows else None


def count(transaction: Transaction) -> DeliveryCounts:
    """Count what has not arrived."""
    ((waiting,),) = transaction.rows("SELECT COUNT(*) FROM article_deliveries WHERE next_try_at IS NOT NULL")
    ((failing, given_up, since),) = transaction.rows(
        "SELECT COUNT(next_try_at), COUNT(*) - COUNT(next_try_at),"
        " MIN(CASE WHEN next_try_at IS NOT NULL THEN begun_at END) FROM article_deliveries WHERE problem IS NOT NULL"
    )
    return DeliveryCounts(waiting, failing, given_up, since)
