"""What a backup says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup that was read from beginning to end and found sound.

    ``schema`` is the number of migrations it has had. ``wrong_counts`` are sentences about kept
    counts that already differed from the tasks when it was made.
    """

    engine: Literal["sqlite", "postgresql"]
    schema: int
    tasks: int
    wrong_counts: tuple[str, ...] = ()
