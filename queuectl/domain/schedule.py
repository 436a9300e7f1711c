"""What a schedule is, how its ticks ended, and what there is to say about both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

CatchUp = Literal["latest", "all", "none"]
Overlap = Literal["skip", "allow"]
Outcome = Literal["submitted", "skipped", "refused", "failed"]

CATCH_UP: tuple[CatchUp, ...] = get_args(CatchUp)
OVERLAP: tuple[Overlap, ...] = get_args(Overlap)


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule to be stored.

    ``only_new`` submits only URLs that the source has not had before; None leaves it to the source: feeds do,
    lists do not. ``catch_up`` says which of the ticks count that nobody could fire in time, ``overlap`` whether
    a tick counts while tasks of the last one are open.
    """

    name: str
    source: str
    cron: str
    zone: str
    priority_score: int
    handler: str = "article"
    metadata: dict[str, Any] = field(default_factory=dict)
    only_new: bool | None = None
    catch_up: CatchUp = "latest"
    overlap: Overlap = "skip"


@dataclass(frozen=True, slots=True)
class Schedule(NewSchedule):
    """A schedule as it is stored; times are UTC milliseconds.

    ``good_entries`` is how many acceptable URLs the source had when it was last good; ``etag`` and
    ``last_modified`` are what its server said then. ``problem`` is what is wrong since ``problem_since``.
    """

    id: int = 0
    paused: bool = False
    created_at: int = 0
    next_tick_at: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    good_entries: int | None = None
    problem: str | None = None
    problem_since: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """One firing of a schedule, for the moment ``tick_at``; times are UTC milliseconds.

    ``known`` counts URLs that the source had before, ``missed`` the earlier ticks that this one stands for
    (counted up to 1,000). ``by_hand`` ticks are those that a person asked for.
    """

    schedule_id: int
    tick_at: int
    fired_at: int
    outcome: Outcome
    accepted: int = 0
    duplicates: int = 0
    known: int = 0
    invalid: int = 0
    missed: int = 0
    by_hand: bool = False
    batch_id: int | None = None
    node: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleProblem:
    """A schedule that needs a person, and since when (UTC milliseconds)."""

    name: str
    problem: str
    since: int
