"""A key that a program gives to a submission, so that sending it again, for whatever reason, submits nothing twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from queuectl.clock import now_ms
from queuectl.domain.batch import BatchReceipt
from queuectl.domain.task import batch_name
from queuectl.errors import KeyReusedError
from queuectl.store import listing, submission_keys
from queuectl.store.database import Transaction
from queuectl.store.submission_keys import KeptSubmission


@dataclass(frozen=True, slots=True)
class SubmissionKey:
    """The key's hash and the hash of what is submitted with it.

    It is kept in the transaction that submits, so whoever does not know whether that was committed sends the same
    again; it is forgotten with the tasks of its time.
    """

    id: str
    content: str

    @staticmethod
    def of(owner: str, key: str, content: bytes) -> SubmissionKey:
        """Return the key that ``owner`` gave to a content; others may use the same key for something else."""
        digest = hashlib.sha256(f"{len(owner)}:{owner}:{key}".encode()).hexdigest()
        return SubmissionKey(digest, hashlib.sha256(content).hexdigest())

    def claim(self, transaction: Transaction) -> KeptSubmission | None:
        """Take the key for this transaction, or return what it has led to before.

        Raises:
            KeyReusedError: it was used for another content.
        """
        former = submission_keys.claim(transaction, self.id, self.content, now_ms())
        if former is not None and former.content != self.content:
            raise self._reused()
        return former

    def keep(self, transaction: Transaction, *, task: int | None = None, batch: int | None = None) -> None:
        """Note what came of it."""
        submission_keys.keep(transaction, self.id, task=task, batch=batch)

    def task_of(self, former: KeptSubmission) -> int:
        """Return the task that it has led to before.

        Raises:
            KeyReusedError: it was no task.
        """
        if former.task is None:
            raise self._reused()
        return former.task

    def receipt_of(self, transaction: Transaction, former: KeptSubmission) -> BatchReceipt:
        """Return the receipt of the batch that it has led to before; its rejected lines are not kept.

        Raises:
            KeyReusedError: it was a task.
        """
        if former.task is not None:
            raise self._reused()
        found = None if former.batch is None else listing.batch(transaction, former.batch)
        name = None if former.batch is None else batch_name(former.batch)
        return BatchReceipt(name, 0 if found is None else found.submitted, 0, 0)

    @staticmethod
    def _reused() -> KeyReusedError:
        return KeyReusedError(
            "the key of this submission was used for another one already",
            hint="use a new key for new content",
        )
