"""What the answers of the interface share: times as people write them, confirmations, and an end in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from queuectl.clock import monotonic
from queuectl.errors import InvalidInputError
from queuectl.operations.submission_key import SubmissionKey
from queuectl.times import parse_duration, parse_moment
from queuectl_daemon.web.problems import Problem
from queuectl_daemon.web.routes import Call

LONGEST_SECONDS = 20.0
"""After this time an action on many things stops between two groups, and says that it did."""

_LONGEST_KEY = 200


def moment(call: Call, text: str | None) -> datetime | None:
    """Return the time that a text means: a time, or a delay such as ``90m``.

    Raises:
        InvalidInputError: it means none.
    """
    if text is None:
        return None
    try:
        return parse_moment(text, call.zone)
    except InvalidInputError:
        try:
            return datetime.now(UTC) + parse_duration(text)
        except (InvalidInputError, OverflowError):
            pass
        raise


def in_time(call: Call) -> Callable[[], bool]:
    """Return what tells an action on many things to stop: too long, or the daemon ends."""
    deadline = monotonic() + LONGEST_SECONDS
    stopping = call.desk.workers.stopping
    return lambda: stopping.is_set() or monotonic() > deadline


def confirmed(matched: int, confirm: int | None, what: str) -> None:
    """Check that whoever asks knows how much it is about.

    Raises:
        Problem: it was not said, or it is more.
    """
    if confirm is not None and matched <= confirm:
        return
    said = "and it was not said how many may be" if confirm is None else f"and only {confirm:,} may be"
    raise Problem(
        409,
        "not_confirmed",
        f"{matched:,} {what} match, {said}",
        hint=f'look with "dry_run": true, then send "confirm": {matched}',
        facts={"matched": matched},
    )


def submission_key(call: Call) -> SubmissionKey | None:
    """Return the key of a submission, if its request has one.

    Raises:
        InvalidInputError: it is none.
    """
    keys = call.request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0]
    if len(keys) > 1 or not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidInputError(
            f"the Idempotency-Key is not 1 to {_LONGEST_KEY} visible ASCII characters", hint="use a UUID"
        )
    return SubmissionKey.of(call.identity.name, key, call.request.url.path.encode() + b"\n" + call.content)
