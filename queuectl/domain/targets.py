"""What a verb was about, in the words of the command line, and without what may be secret in an address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from shlex import quote

from queuectl.domain.dead_letter import DeadLetterSelection
from queuectl.domain.selection import Selection
from queuectl.domain.task import batch_name, task_name

_NAMED = 20
_LONGEST_WORD = 200
_LOGIN = re.compile(r"(?<=//)[^/@\s]*@")


def selected_tasks(selection: Selection) -> str:
    """Return the selectors of a selection in a fixed order."""
    words = [task_name(number) for number in selection.ids[:_NAMED]]
    words += _more(len(selection.ids))
    words += _option("--state", ",".join(sorted(selection.states)))
    return " ".join([*words, *_common(selection)]) or "--all"


def selected_letters(selection: DeadLetterSelection) -> str:
    """Return the same for dead letters."""
    words = [str(number) for number in selection.ids[:_NAMED]]
    words += _more(len(selection.ids))
    words += _option("--cause", selection.cause)
    words += _option("--failure", selection.failure)
    return " ".join([*words, *_common(selection)]) or "--all"


def _common(selection: Selection | DeadLetterSelection) -> Iterable[str]:
    yield from _option("--queue", ",".join(sorted(selection.queues)))
    yield from _option("--batch", None if selection.batch is None else batch_name(selection.batch))
    yield from _option("--host", selection.host)
    yield from _option("--url", None if selection.url is None else public_address(selection.url))
    yield from _option("--error", selection.error)
    yield from _option("--since", _moment(selection.since))
    yield from _option("--until", _moment(selection.until))
    yield from _option("--limit", None if selection.limit is None else str(selection.limit))


def public_address(text: str) -> str:
    """Return an address, or a part of one, without login and query, which are where its secrets are."""
    place, mark, _ = text.partition("?")
    return _LOGIN.sub("***@", place) + ("?…" if mark else "")


def _more(count: int) -> list[str]:
    return [f"and {count - _NAMED} more"] if count > _NAMED else []


def _option(name: str, value: str | None) -> list[str]:
    return [f"{name} {quote(value[:_LONGEST_WORD])}"] if value else []


def _moment(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
