"""The record of a task that will not run again unless a person says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why and when a task was given up; ``cause`` is one word, ``error`` what the last attempt said."""

    id: int
    task_id: int
    queue: str
    url: str
    handler: str
    cause: str
    error: str | None
    attempts: int
    died_at: int
