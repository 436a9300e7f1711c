"""Deliver articles to the webhook: one by one, by whichever daemon takes it first, again after a failure.

What is to be delivered is a row that the success of its task has committed, so nothing is posted that might yet be
undone, and nothing that is committed is forgotten: a daemon that dies between the post and its note leaves a lease
that ends, and whoever takes it over posts the same under the same key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from queuectl.domain.article_delivery import ArticleDelivery, next_try
from queuectl.domain.priority import level_of_score
from queuectl.domain.task import Task, batch_name, task_name
from queuectl.errors import PermanentError, QueuectlError, RetryableError
from queuectl.handlers.webhook import Webhook
from queuectl.settings import Settings
from queuectl.store import article_deliveries, articles, listing
from queuectl.store.articles import StoredArticle
from queuectl.store.database import Database
from queuectl.times import iso

_LEASE_BEYOND_TIMEOUT_MS = 30_000
_LONGEST_PROBLEM = 500


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended: ``problem`` is None if the article has arrived, ``next_try_at`` None if no other try comes.

    ``is_well`` tells whether the receiver has judged this article, so that others are worth a try at once; if it
    has not, ``asked`` may be the seconds for which it wants to be left alone.
    """

    delivery: ArticleDelivery
    problem: str | None
    next_try_at: int | None
    is_well: bool
    asked: float | None = None


class ArticleDeliveries:
    """One thread's share of the deliveries; ``publish_webhook`` has to be set.

    Raises:
        UnreachableError: by each method, if the database does not answer.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._address = settings.publish_webhook or ""
        self._with_text = settings.publish_webhook_text
        self._lease_ms = round(settings.fetch_timeout * 1000) + _LEASE_BEYOND_TIMEOUT_MS
        self._webhook = Webhook(
            settings.webhook_secret or "",
            allow_networks=settings.fetch_allow_networks,
            timeout=settings.fetch_timeout,
        )

    def take(self) -> ArticleDelivery | None:
        """Return a delivery that is due, which is the caller's alone until it ends or its lease does."""
        with self._database.writing() as transaction:
            return article_deliveries.take(transaction, self._lease_ms)

    def carry_out(self, delivery: ArticleDelivery) -> Tried:
        """Post the article, and note how that ended."""
        content = self._content(delivery)
        try:
            if content is not None:
                self._post(delivery, content)
        except PermanentError as error:
            return self.note(delivery, error.message, is_well=True)
        except RetryableError as error:
            return self.note(delivery, error.message, is_well=False, asked=error.retry_after)
        except QueuectlError as error:
            return self.note(delivery, error.message, is_well=False)
        return self.note(delivery, None, is_well=True)

    def note(
        self, delivery: ArticleDelivery, problem: str | None, *, is_well: bool, asked: float | None = None
    ) -> Tried:
        """Note how a try ended; after one that failed the next follows, or none any more."""
        problem = None if problem is None else problem[:_LONGEST_PROBLEM]
        with self._database.writing() as transaction:
            following = None if problem is None else next_try(delivery, transaction.now(), asked)
            article_deliveries.note(transaction, delivery, problem, following)
        return Tried(delivery, problem, following, is_well, asked)

    def _content(self, delivery: ArticleDelivery) -> bytes | None:
        """Return what to post; None if the task was removed in this moment, and its delivery with it."""
        with self._database.reading() as transaction:
            task = listing.task(transaction, delivery.task_id)
            stored = articles.of_task(transaction, delivery.task_id)
        if task is None or stored is None:
            return None
        content = posted(task, stored, delivery, with_text=self._with_text)
        # A lone half of a character, which JSON from elsewhere may have, has no other form than its escape.
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")

    def _post(self, delivery: ArticleDelivery, content: bytes) -> None:
        self._webhook.post(
            self._address,
            content,
            key=delivery.key,
            headers={"Content-Type": "application/json", "Queuectl-Event": "article.published"},
        )


def posted(
    task: Task, stored: StoredArticle, delivery: ArticleDelivery, *, with_text: bool
) -> dict[str, Any]:
    """Return what a webhook is told of an article; the same for each try, so that a receiver may compare."""
    article = stored.article
    content: dict[str, Any] = {
        "version": 1,
        "event": "article.published",
        "id": delivery.key,
        "task_id": task_name(task.id),
        "attempt": delivery.attempt,
        "batch_id": None if task.batch_id is None else batch_name(task.batch_id),
        "priority": level_of_score(task.priority_score).name,
        "url": task.url,
        "final_url": article.final_url,
        "title": article.title,
        "author": article.author,
        "account": article.account,
        "published_at": iso(article.published_at),
        "language": article.language,
        "stored_at": iso(stored.stored_at),
        "markdown_path": article.markdown_path,
        "html_path": article.html_path,
        "images": list(article.images),
        "metadata": task.metadata,
    }
    if with_text:
        content |= {"markdown": article.markdown, "html": article.html}
    return content
