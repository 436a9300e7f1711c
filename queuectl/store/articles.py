"""The articles that tasks produced, stored in the transaction that records their success."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from queuectl.domain.article import Article
from queuectl.domain.ending import Ending
from queuectl.store.database import Row, Transaction

_FIELDS = (
    "task_id",
    "url",
    "final_url",
    "title",
    "author",
    "account",
    "published_at",
    "language",
    "markdown",
    "html",
    "images",
    "markdown_path",
    "html_path",
    "stored_at",
)
_COLUMNS = ", ".join(_FIELDS)


@dataclass(frozen=True, slots=True)
class StoredArticle:
    """An article with the number of its task and the time it was stored, in UTC milliseconds."""

    task_id: int
    stored_at: int
    article: Article


def save(transaction: Transaction, endings: Sequence[Ending]) -> int:
    """Store the articles among the endings; return how many there were."""
    stored = 0
    for ending in endings:
        article = ending.article
        if article is None:
            continue
        transaction.execute(
            f"INSERT INTO articles ({_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (task_id) DO UPDATE SET final_url = excluded.final_url, title = excluded.title,"
            " author = excluded.author, account = excluded.account, published_at = excluded.published_at,"
            " language = excluded.language, markdown = excluded.markdown, html = excluded.html,"
            " images = excluded.images, markdown_path = excluded.markdown_path, html_path = excluded.html_path,"
            " stored_at = excluded.stored_at",
            (
                ending.work.id,
                article.url,
                article.final_url,
                article.title,
                article.author,
                article.account,
                article.published_at,
                article.language,
                article.markdown,
                article.html,
                json.dumps(article.images, ensure_ascii=False),
                article.markdown_path,
                article.html_path,
                ending.finished_at,
            ),
        )
        stored += 1
    return stored


def latest(transaction: Transaction, limit: int) -> list[StoredArticle]:
    """Return the articles stored last, the newest first."""
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM articles ORDER BY stored_at DESC, task_id DESC LIMIT %s", (limit,)
    )
    return [_stored(row) for row in rows]


def of_node(
    transaction: Transaction, node: str, *, before: tuple[int, int], since: int, limit: int
) -> list[StoredArticle]:
    """Return articles that runs on a node produced and that were stored at or after ``since``, the newest first.

    ``before`` continues behind the (time, task) of the last one; times are UTC milliseconds.
    """
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM articles WHERE stored_at >= %s AND (stored_at, task_id) < (%s, %s)"
        " AND EXISTS (SELECT 1 FROM attempts WHERE attempts.task_id = articles.task_id AND node = %s)"
        " ORDER BY stored_at DESC, task_id DESC LIMIT %s",
        (since, *before, node, limit),
    )
    return [_stored(row) for row in rows]


def behind(transaction: Transaction, task: int, limit: int) -> list[StoredArticle]:
    """Return the articles of the tasks behind a number, in their order."""
    rows = transaction.rows(
        f"SELECT {_COLUMNS} FROM articles WHERE task_id > %s ORDER BY task_id LIMIT %s", (task, limit)
    )
    return [_stored(row) for row in rows]


def count(transaction: Transaction) -> int:
    """Return how many articles are stored."""
    return int(transaction.rows("SELECT COUNT(*) FROM articles")[0][0])


def of_task(transaction: Transaction, task: int) -> StoredArticle | None:
    """Return the article that a task produced."""
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM articles WHERE task_id = %s", (task,))
    return _stored(rows[0]) if rows else None


def _stored(row: Row) -> StoredArticle:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["images"] = tuple(json.loads(fields["images"]))
    return StoredArticle(fields.pop("task_id"), fields.pop("stored_at"), Article(**fields))
