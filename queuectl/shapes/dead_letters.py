"""Dead letters and their groups."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from queuectl.domain.dead_letter import DeadLetter, FailureGroup
from queuectl.domain.task import batch_name, task_name
from queuectl.times import iso


def letter_shape(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for programs."""
    return asdict(letter) | {
        "task_id": task_name(letter.task_id),
        "batch_id": None if letter.batch_id is None else batch_name(letter.batch_id),
        "died_at": iso(letter.died_at),
        "resurrected_as": None if letter.resurrected_as is None else task_name(letter.resurrected_as),
        "resurrected_at": iso(letter.resurrected_at),
    }


def group_shape(group: FailureGroup) -> dict[str, Any]:
    """Return a kind of failure for programs."""
    return {
        "failure": group.failure,
        "cause": group.cause,
        "shape": group.shape,
        "count": group.letters,
        "first_at": iso(group.first_at),
        "last_at": iso(group.last_at),
        "example": letter_shape(group.example),
        "resurrect": f"queuectl dead resurrect --failure {group.failure}",
    }
