"""Spread tasks over a window of time: evenly, within every limit, with few moves; or say what is in the way.

The rules of a plan, all of them hard:

- every new time lies in the window, from its start up to but not including its end;
- every limit holds in every sliding period that contains one of the times, other starts counted;
- on one host the gap that a task's queue asks for is kept before it;
- a task with a higher score never comes after one with a lower score.

Among the plans that keep the rules one is chosen in which as many tasks as can be found keep the
time they have (``window_kept`` says how they are found); the others are spread evenly between them.
Two of the chosen tasks stand at least half the cap's pace apart, for example 6 minutes at 5 an hour,
unless no plan could keep that. Pure functions; times are UTC milliseconds.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from queuectl.domain.window_kept import choose_kept
from queuectl.domain.window_order import Candidate, Kept, Problem, last_place, latest_places, place_all

CAP = "cap"
HOST_GAP = "host_gap"
HOST_HELD = "host_held"


@dataclass(frozen=True, slots=True)
class Placed:
    """A task with the time that the plan gives it."""

    task: Candidate
    at: int

    @property
    def moved(self) -> bool:
        """Whether that is another time than the task has now."""
        return self.at != self.task.at


@dataclass(frozen=True, slots=True)
class Plan:
    """A time for every task, the earliest first."""

    places: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The smallest change of each kind that alone makes a plan possible; None if no change of that kind does.

    ``end`` is a later end of the window (UTC milliseconds), ``cap`` a higher cap, ``leave_out`` how
    many of the tasks that come last would have to be left out.
    """

    end: int | None
    cap: int | None
    leave_out: int | None


@dataclass(frozen=True, slots=True)
class Infeasible:
    """There is no plan: the limits of which each alone is in the way (none if only several together are)."""

    binding: tuple[str, ...]
    relaxation: Relaxation


def plan(problem: Problem) -> Plan | Infeasible:
    """Return a plan, or what is in the way of one; the first limit of the problem is the cap."""
    cap = problem.limits[0]
    for apart in (cap.period // cap.starts // 2, 0):
        kept = choose_kept(problem, apart)
        if kept is not None:
            return Plan(_spread(problem, kept, apart))
    return Infeasible(_binding(problem), _relaxation(problem))


def _spread(problem: Problem, kept: Kept, apart: int) -> tuple[Placed, ...]:
    """Put the tasks that move as near to even places as the rules allow.

    The latest places show how far each may go back without leaving a later one without a place, so
    that the first that is possible from the even place on, or else the latest, can always be taken.
    """
    sequence = [task for task, _ in place_all(problem, kept, apart).places]
    latest = latest_places(problem, kept, apart, sequence)
    board = problem.board(kept.tasks, apart)
    places = [Placed(task, task.at) for task in kept.tasks]
    at = problem.start
    for task, wished, last in zip(sequence, _even(problem, kept, sequence), latest, strict=True):
        low, _ = kept.bounds(problem, task.score)
        at = min(board.earliest(task, max(at, low, wished)), last)
        board.put(task, at)
        places.append(Placed(task, at))
    return tuple(sorted(places, key=lambda placed: (placed.at, placed.task.rank)))


def _even(problem: Problem, kept: Kept, sequence: Sequence[Candidate]) -> list[int]:
    """Return an even place for each task: the stretches between kept tasks are filled where they are emptiest."""
    edges = [problem.start, *(task.at for task in kept.tasks), problem.end]
    filled: dict[int, int] = defaultdict(int)
    stretches: list[int] = []
    for score, group in groupby(sequence, key=lambda task: task.score):
        first, last = kept.places(score)
        emptiest = [(-_pace(edges, place, filled[place]), place) for place in range(first, last + 1)]
        heapq.heapify(emptiest)
        chosen = []
        for _ in group:
            _, place = emptiest[0]
            filled[place] += 1
            chosen.append(place)
            heapq.heapreplace(emptiest, (-_pace(edges, place, filled[place]), place))
        stretches += sorted(chosen)
    wished: list[int] = []
    for place, members in groupby(stretches):
        count = len(list(members))
        pace = _pace(edges, place, filled[place] - 1)
        skipped = 1 if place else 0  # a kept task stands at the beginning of every stretch but the first
        wished += [edges[place] + round((number + skipped) * pace) for number in range(count)]
    return wished


def _pace(edges: Sequence[int], place: int, present: int) -> float:
    """Return how far apart starts would be in a stretch with one more than those present."""
    return (edges[place + 1] - edges[place]) / (present + (2 if place else 1))


def _feasible(problem: Problem) -> bool:
    return place_all(problem, Kept()).stuck is None


def _binding(problem: Problem) -> tuple[str, ...]:
    found = [
        limit.name
        for place, limit in enumerate(problem.limits)
        if _feasible(replace(problem, limits=problem.limits[:place] + problem.limits[place + 1 :]))
    ]
    if _feasible(replace(problem, gaps={})):
        found.append(HOST_GAP)
    if _feasible(replace(problem, held={})):
        found.append(HOST_HELD)
    return tuple(found)


def _relaxation(problem: Problem) -> Relaxation:
    return Relaxation(_later_end(problem), _higher_cap(problem), _to_leave_out(problem))


def _later_end(problem: Problem) -> int | None:
    """Return the end just after the earliest moment of the last start; the planner itself confirms it."""
    last = last_place(problem)
    if last is None or not _feasible(replace(problem, end=last + problem.step)):
        return None
    return last + problem.step


def _higher_cap(problem: Problem) -> int | None:
    def fits(starts: int) -> bool:
        return _feasible(
            replace(problem, limits=(replace(problem.limits[0], starts=starts), *problem.limits[1:]))
        )

    return _smallest(fits, problem.limits[0].starts + 1, len(problem.tasks) + len(problem.others) + 1)


def _to_leave_out(problem: Problem) -> int | None:
    ordered = sorted(problem.tasks, key=lambda task: task.rank)

    def fits(count: int) -> bool:
        return _feasible(replace(problem, tasks=tuple(ordered[: len(ordered) - count])))

    return _smallest(fits, 1, len(ordered) - 1)


def _smallest(fits: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the smallest number in a range that fits, given that with one number every larger one fits too."""
    if low > high or not fits(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return low
