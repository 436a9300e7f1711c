"""Priorities: the five levels, their queues and scores, and the key that tasks are ordered by."""

from __future__ import annotations

from dataclasses import dataclass

from queuectl.errors import InvalidInputError, QueueNotFoundError


@dataclass(frozen=True, slots=True)
class Level:
    """One of the five named priorities, with the queue that holds it and its score."""

    name: str
    queue: str
    score: int


LEVELS = (
    Level("urgent", "urgent_priority", 10),
    Level("high", "high_priority", 8),
    Level("medium", "medium_priority", 5),
    Level("low", "low_priority", 3),
    Level("background", "background_priority", 1),
)
"""The levels from the most to the least urgent; the order in which queues are served."""

QUEUES = tuple(level.queue for level in LEVELS)
DEFAULT = LEVELS[2]
SCORE_LIMIT = 1_000_000
"""Scores lie between minus and plus this number."""

_BY_NAME = {level.name: level for level in LEVELS} | {level.queue: level for level in LEVELS}


def level_named(name: object) -> Level:
    """Return the level with this name or queue name; case and outer spaces do not count.

    Raises:
        InvalidInputError: no level has that name.
    """
    level = _level(name)
    if level is None:
        names = ", ".join(each.name for each in LEVELS)
        raise InvalidInputError(
            f"unknown priority {name!r}", hint=f"choose one of {names}, or give a number with --score"
        )
    return level


def level_of_score(score: int) -> Level:
    """Return the nearest level at or below ``score``; below the lowest it is the lowest."""
    for level in LEVELS:
        if score >= level.score:
            return level
    return LEVELS[-1]


def queue_named(name: object) -> str:
    """Return the full queue name for a full or short one.

    Raises:
        QueueNotFoundError: no queue has that name.
    """
    level = _level(name)
    if level is None:
        raise QueueNotFoundError(f"there is no queue {name!r}", hint=f"the queues are {', '.join(QUEUES)}")
    return level.queue


def _level(name: object) -> Level | None:
    return _BY_NAME.get(name.strip().lower()) if isinstance(name, str) else None


def checked_score(score: object) -> int:
    """Return ``score`` as an integer within the limits.

    Raises:
        InvalidInputError: it is not a whole number or out of range.
    """
    if isinstance(score, bool) or not isinstance(score, int):
        raise InvalidInputError(
            f"the priority score {score!r} is not a whole number", hint="give a number such as 15"
        )
    if abs(score) > SCORE_LIMIT:
        raise InvalidInputError(
            f"the priority score {score} is out of range", hint=f"stay within ±{SCORE_LIMIT}"
        )
    return score


def rank(score: int, due_at: int, aging_minutes: float | None) -> int:
    """Return the first key of the order in which tasks start; the smallest starts first.

    Without aging it is the score alone, and the due time breaks ties. With aging, each
    ``aging_minutes`` of waiting weigh as much as one point of score. Because every task ages at
    the same speed, the order of two tasks never changes, so the key can be stored once.
    """
    return rank_by_point(score, due_at, point_of(aging_minutes))


def point_of(aging_minutes: float | None) -> int | None:
    """Return how many milliseconds of waiting weigh as much as one point of score; None without aging."""
    return round(aging_minutes * 60_000) if aging_minutes else None


def rank_by_point(score: int, due_at: int, point: int | None) -> int:
    """Return the rank where a point of score weighs ``point`` milliseconds of waiting."""
    return -score if point is None else due_at - score * point
