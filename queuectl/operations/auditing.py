"""The one way by which verbs change something for a person: with the line in the audit that says so.

The line is part of the transaction that does it, so neither is ever there without the other. Submissions of
single tasks are no such verbs: they are the work itself, and their rows say all there is to say.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from queuectl.domain.visible import visible
from queuectl.operations.audit_key import audit_key
from queuectl.settings import Settings
from queuectl.store.audit import Note
from queuectl.store.database import Database, Transaction

_LONGEST_NAME = 200
_LONGEST_TARGET = 1_000
_LONGEST_VALUES = 4_000
_VALUES = 20
_UNDOABLE_ON_TASKS = {"cancel", "clear-queue", "reprioritize", "undo"}

_actor: ContextVar[tuple[str, str] | None] = ContextVar("queuectl_actor", default=None)
_latest: ContextVar[int | None] = ContextVar("queuectl_operation", default=None)


@contextmanager
def acting_as(who: str, host: str) -> Iterator[None]:
    """Let verbs in the body be recorded as this person's, at this machine or address."""
    token = _actor.set((who, host))
    try:
        yield
    finally:
        _actor.reset(token)


def actor() -> tuple[str, str]:
    """Return who acts in this thread, and at which machine or address."""
    return _actor.get() or (_user(), socket.gethostname())


def latest_operation() -> int | None:
    """Return the number of the operation that this thread recorded last, None if there was none."""
    return _latest.get()


class Operation:
    """One command of a person: its lines carry one number, however many transactions it takes."""

    def __init__(
        self, database: Database, settings: Settings, verb: str, target: str, *, undoes: int | None = None
    ) -> None:
        self.number: int | None = None
        self._database = database
        self._settings = settings
        self._key: bytes | None = None
        self.keeps = settings.undo_days > 0
        self._verb = verb
        self._target = visible(target, _LONGEST_TARGET)
        self._undoes = undoes
        _latest.set(None)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Run the body in one write transaction; what it notes is written and committed with it.

        Raises:
            DatabaseUnreachableError: the connection is lost; whether a commit under way happened is unknown.
            StorageError: the file or its disk refuses.
        """
        with self._database.writing() as transaction:
            yield transaction
        if transaction.note is not None:
            self.number = self.number or transaction.note.operation
            _latest.set(self.number)

    def note(
        self,
        transaction: Transaction,
        things: int = 1,
        *,
        target: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        kept: Mapping[str, Any] | None = None,
        created: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Have the line written for what this transaction changes; without a call there is none.

        ``target`` is for what has its name only now. ``before`` and ``after`` must not hold secrets.
        ``kept`` is what it takes to undo it, and may; ``created`` are ranges of numbers of new tasks.

        Raises:
            StorageError: the audit's key cannot be used.
        """
        self._key = self._key or audit_key(self._settings)
        who, host = actor()
        transaction.note = Note(
            self._key,
            visible(who, _LONGEST_NAME),
            visible(host, _LONGEST_NAME),
            self._verb,
            self._target if target is None else visible(target, _LONGEST_TARGET),
            things,
            _compact(before),
            _compact(after),
            self._undoes,
            self.number or 0,
            keeps_tasks=self.keeps and self._verb in _UNDOABLE_ON_TASKS,
            kept=json.dumps(kept) if self.keeps and kept is not None else None,
            created=tuple(created) if self.keeps else (),
        )

    def note_tasks(self, transaction: Transaction, done: Mapping[int, str], *, scores: bool = False) -> None:
        """The same for tasks and their new states, or for their new scores; for none there is no line."""
        if not done:
            return
        former = transaction.former
        before = counted(each.score if scores else each.state.value for each in former)
        after = counted((each.given_score for each in former) if scores else map(str, done.values()))
        if scores:
            before, after = {"scores": before}, {"scores": after}
        self.note(transaction, len(done), before=before, after=after, kept=transaction.kept)


def counted(values: Iterable[object]) -> dict[str, Any]:
    """Return how often each value is there, the most frequent first and only so many."""
    return {str(value): number for value, number in Counter(values).most_common(_VALUES)}


def _compact(values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    text = json.dumps(values, ensure_ascii=True, separators=(",", ":"))
    return text if len(text) <= _LONGEST_VALUES else json.dumps({"too_long": len(text)})


def _user() -> str:
    """Return the account that this process runs under, and who became it by sudo."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    other = os.environ.get("SUDO_USER")
    return f"{name} (sudo by {other})" if other and other != name else name
