"""Read the audit: list what people did, show one operation, and verify that nobody has touched the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from queuectl.domain.audit import AuditLine, Head, Verdict, examine, key_name, may_be_number
from queuectl.domain.visible import visible
from queuectl.errors import InvalidInputError, NotFoundError
from queuectl.operations.audit_key import key_path, present_key
from queuectl.operations.verbs import Verbs
from queuectl.store import audit
from queuectl.store.audit import AuditSelection, Summary
from queuectl.store.database import Database

_LONGEST_LIST = 10_000
_SHOWN_LINES = 50


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: ``key`` names the key of this machine, None if it has none; ``head`` is the noted end."""

    verdict: Verdict
    head: Head | None
    key: str | None
    key_file: Path

    @property
    def complete(self) -> bool:
        """Whether every seal could be checked."""
        return not self.verdict.unchecked


class AuditTrail(Verbs):
    """The record of what people did; nothing here changes anything, and no daemon is needed."""

    def operations(self, selection: AuditSelection | None = None, limit: int = 50) -> list[Summary]:
        """Return the operations that match, the newest first.

        Raises:
            InvalidInputError: the limit is less than one or more than ten thousand.
        """
        if not 1 <= limit <= _LONGEST_LIST:
            raise InvalidInputError(f"the limit {limit} is not between 1 and {_LONGEST_LIST}")
        wanted = selection or AuditSelection()
        # Names were made visible before they were recorded.
        who, verb = (None if text is None else visible(text) for text in (wanted.who, wanted.verb))
        with self._database.reading() as transaction:
            return audit.operations(transaction, replace(wanted, who=who, verb=verb), limit)

    def operation(self, number: int) -> tuple[Summary, list[AuditLine]]:
        """Return the operation that a line belongs to, and the first of its lines.

        Raises:
            NotFoundError: there is no such line.
        """
        if may_be_number(number):
            with self._database.reading() as transaction:
                first = audit.operation_of(transaction, number)
                found = audit.operations(transaction, AuditSelection(operation=first or number), 1)
                if found:
                    return found[0], audit.lines_of(transaction, found[0].first.number, _SHOWN_LINES)
        raise NotFoundError(f"the audit has no line {number}", hint="see: queuectl audit list")

    def verify(self, anchor: str | None = None) -> Verification:
        """Read the whole record and look for lines that were changed, removed, added or exchanged.

        ``anchor`` is a number and a hash with a colon between, as the daemon writes them to its log once an hour:
        with one that was kept elsewhere, the record cannot have been cut off before it without being found out.

        Raises:
            InvalidInputError: the anchor has another form.
            StorageError: the key cannot be read.
        """
        known = None if anchor is None else read_anchor(anchor)
        key = present_key(self.settings)
        with self._database.reading() as transaction:
            head = audit.head(transaction)
            verdict = examine(audit.walk(transaction), head, key, known)
        return Verification(verdict, head, None if key is None else key_name(key), key_path(self.settings))


def read_anchor(text: str) -> tuple[int, str]:
    """Return the number and the hash that an anchor holds.

    Raises:
        InvalidInputError: it has another form.
    """
    number, _, digest = text.strip().partition(":")
    right = number.isascii() and number.isdigit() and len(number) <= 18 and len(digest) == 64
    if not right or set(digest) - set("0123456789abcdef"):
        raise InvalidInputError(
            f"{text[:100]!r} is no anchor", hint="give NUMBER:HASH as the daemon's log has it: audit anchor …"
        )
    return int(number), digest


def present_anchor(database: Database) -> str | None:
    """Return the number and hash of the end of the record as one word, None while it is empty or spoilt."""
    with database.reading() as transaction:
        head = audit.head(transaction)
    return f"{head.number}:{head.hash}" if head is not None and head.number else None
