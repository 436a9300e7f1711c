"""Why a task does not run: the reasons in order, its place in the line, and the earliest moment it could start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from queuectl.domain.sentence import Sentence
from queuectl.domain.task import Task

POSITION_BOUND = 10_000
"""Up to this many tasks before it are counted exactly within its own queue."""


class Cause(StrEnum):
    """What a reason is about; in the order in which those without a known end are told."""

    NO_DAEMON = "no_daemon"
    PAUSED = "paused"
    HOST_HELD = "host_held"
    CONCURRENCY = "concurrency"
    KIND = "kind"
    HOST_CONCURRENCY = "host_concurrency"
    RATE_LIMIT = "rate_limit"
    HOST_GAP = "host_gap"
    NOT_DUE = "not_due"
    BACK_OFF = "back_off"
    CLOCK = "clock"
    AHEAD = "ahead"
    WORKERS = "workers"
    ON_ITS_WAY = "on_its_way"
    NO_HANDLER = "no_handler"
    CANCEL_REQUESTED = "cancel_requested"
    RUNNING = "running"
    ENDED = "ended"


_ORDER = {cause: place for place, cause in enumerate(Cause)}


class Certainty(StrEnum):
    """How well the earliest start is known."""

    NOW = "now"  # nothing keeps it
    KNOWN = "known"  # every reason ends at a known moment
    ESTIMATE = "estimate"  # the recent pace was asked too
    AT_LEAST = "at_least"  # not before that moment, and a reason without a known end may keep it longer


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One thing that keeps a task from starting, or that a person should know about it.

    ``until`` is when it ends, in UTC milliseconds, if that is known or ``estimated``; ``command`` changes it.
    Only ``binding`` ones keep the task from starting.
    """

    cause: Cause
    said: Sentence
    until: int | None = None
    estimated: bool = False
    command: str | None = None
    binding: bool = True

    @property
    def message(self) -> str:
        """What it is, in English."""
        return str(self.said)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task does not run at the moment ``at``; times are UTC milliseconds.

    ``reasons`` begin with what binds longest. ``position`` is how many queued tasks come before it, or,
    with ``position_is_least``, the number that there are more of; None if it is not in the line.
    ``earliest_start`` is None for a task that runs or has ended.
    """

    task: Task
    at: int
    reasons: tuple[WaitReason, ...]
    position: int | None = None
    position_is_least: bool = False
    earliest_start: int | None = None
    certainty: Certainty | None = None

    @property
    def startable(self) -> bool:
        """Whether a daemon takes it at its next look."""
        return self.certainty is Certainty.NOW


def ranked(reasons: Iterable[WaitReason]) -> tuple[WaitReason, ...]:
    """Return reasons in order: those without a known end, then the latest end first, then what does not bind."""
    return tuple(sorted(reasons, key=_rank))


def _rank(reason: WaitReason) -> tuple[bool, bool, int, int]:
    until = 0 if reason.until is None else -reason.until
    return not reason.binding, reason.until is not None, until, _ORDER[reason.cause]


def earliest(reasons: Sequence[WaitReason], now: int) -> tuple[int, Certainty]:
    """Return the earliest moment at which all that binds is over, and how well it is known."""
    binding = [reason for reason in reasons if reason.binding]
    if not binding:
        return now, Certainty.NOW
    moment = max([now, *(reason.until for reason in binding if reason.until is not None)])
    if any(reason.until is None for reason in binding):
        return moment, Certainty.AT_LEAST
    deciding = [reason for reason in binding if (reason.until or 0) >= moment]
    if any(reason.estimated for reason in deciding) or not deciding:
        return moment, Certainty.ESTIMATE
    return moment, Certainty.KNOWN
