"""The verbs on the deliveries of articles to the webhook: look at them, and have articles delivered again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queuectl.domain.article_delivery import ArticleDelivery, DeliveryCounts
from queuectl.domain.task import task_name, task_number
from queuectl.errors import ArticleNotFoundError, RefusedError
from queuectl.operations.auditing import Operation
from queuectl.operations.verbs import Verbs
from queuectl.store import article_deliveries

_GROUP = 1_000
_NOTED = 20


class DeliveryControl(Verbs):
    """A part of ``QueueManager``."""

    def get_article_delivery(self, task_id: str | int) -> ArticleDelivery | None:
        """Return how far the delivery of a task's article to the webhook is; None if none was to be made.

        Raises:
            TaskNotFoundError: this is no task id.
        """
        number = task_number(task_id)
        with self._database.reading() as transaction:
            return article_deliveries.of_task(transaction, number)

    def list_article_deliveries(self, limit: int = 50) -> list[ArticleDelivery]:
        """Return the deliveries that wait or were given up, those of the newest tasks first."""
        with self._database.reading() as transaction:
            return article_deliveries.not_delivered(transaction, limit)

    def count_article_deliveries(self) -> DeliveryCounts:
        """Return how many deliveries wait, fail, and were given up."""
        with self._database.reading() as transaction:
            return article_deliveries.count(transaction)

    def deliver_articles(self, task_ids: Iterable[str | int]) -> list[str]:
        """Have the daemon deliver the articles of these tasks to the webhook, all or none; return their ids.

        An article that was delivered before is delivered again under the same idempotency key.

        Raises:
            TaskNotFoundError: one of them is no task id.
            ArticleNotFoundError: one of them has no article; nothing is delivered.
            RefusedError: no webhook is configured.
        """
        self._check_webhook()
        numbers = sorted({task_number(each) for each in task_ids})
        names = [task_name(number) for number in numbers]
        operation = self._operation("articles deliver", ", ".join(names[:_NOTED]))
        with operation.writing() as transaction:
            begun: set[int] = set()
            for start in range(0, len(numbers), _GROUP):
                begun.update(article_deliveries.begin_again(transaction, numbers[start : start + _GROUP]))
            missing = [number for number in numbers if number not in begun]
            if missing:
                raise ArticleNotFoundError(
                    f"{task_name(missing[0])} has no article; nothing is delivered",
                    hint=f"see: queuectl show {task_name(missing[0])}",
                )
            if numbers:
                operation.note(transaction, len(numbers))
        return names

    def deliver_failed_articles(self) -> list[str]:
        """Have the daemon deliver, now, what could not be delivered so far; return the tasks' ids.

        Raises:
            RefusedError: no webhook is configured.
        """
        self._check_webhook()
        operation = self._operation("articles deliver", "what failed")
        done: list[int] = []
        while group := self._deliver_group(operation, after=done[-1] if done else 0):
            done += group
        return [task_name(number) for number in done]

    def _deliver_group(self, operation: Operation, after: int) -> Sequence[int]:
        with operation.writing() as transaction:
            failed = article_deliveries.failed_ones(transaction, _GROUP, after)
            if failed:
                article_deliveries.begin_again(transaction, failed)
                operation.note(transaction, len(failed))
        return failed

    def _check_webhook(self) -> None:
        if self.settings.publish_webhook is None:
            raise RefusedError(
                "no webhook is configured, so no article can be delivered",
                hint="set publish_webhook and webhook_secret; see: queuectl config show",
            )
