"""One thing that happened to one task, as the stream of events tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A move of a task at a moment in UTC milliseconds.

    ``kind`` is the move's name; ``start`` stands for the claim, with which an attempt begins. ``why`` is
    the error that led to the move, or what a person changed.
    """

    at: int
    kind: str
    task: int
    queue: str
    attempt: int | None = None
    node: str | None = None
    why: str | None = None
