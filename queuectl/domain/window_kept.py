"""Which tasks keep the time they have: as many as can be found, and never one less than could be added.

A longest series of present times in which scores never rise is looked for first: no plan can keep
more. Out of it fall those that a limit forbids, then as many as the others need to find room. What
fell out is tried again one by one. With few such tasks every choice is compared, so that the number
of moves is the smallest there is; with many, only as many choices are tried as seconds allow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

from queuectl.domain.window_order import Candidate, Kept, Placing, Problem, latest_places, place_all

_PLACES_TRIED = 40_000
"""About how many places are looked for in all, which takes a second or two."""

_FEWEST_TRIES = 24


def choose_kept(problem: Problem, apart: int = 0) -> Kept | None:
    """Return the tasks that keep their times while the others still find places; None if they never do."""
    earliest = place_all(problem, Kept(), apart)
    if earliest.stuck is not None:
        return None
    latest = latest_places(problem, Kept(), apart, [task for task, _ in earliest.places])
    search = _Search(problem, apart, _reachable(problem, earliest.places, latest))
    kept = search.loosened(_in_order(search.standing))
    exact = search.largest(kept)
    return exact if exact is not None else search.completed(kept)


def _reachable(
    problem: Problem, earliest: Sequence[tuple[Candidate, int]], latest: Sequence[int]
) -> Iterator[Candidate]:
    """Return the tasks whose present time leaves all higher scores room before it and all lower ones after it."""
    highest_by_score: dict[int, int] = {}  # until when the tasks above a score need at least
    lowest_by_score: dict[int, int] = {}  # from when the tasks below a score need at the latest
    at, score = problem.start, None
    for task, place in earliest:
        if task.score != score:
            highest_by_score[task.score], score = at, task.score
        at = place
    at, score = problem.end - 1, None
    for (task, _), place in zip(reversed(earliest), reversed(latest), strict=True):
        if task.score != score:
            lowest_by_score[task.score], score = at, task.score
        at = place
    for task in problem.tasks:
        if highest_by_score[task.score] <= task.at <= lowest_by_score[task.score]:
            yield task


class _Search:
    """The standing tasks of a problem, which could keep their times each for itself, and the tries left."""

    def __init__(self, problem: Problem, apart: int, reachable: Iterable[Candidate]) -> None:
        self._problem = problem
        self._apart = apart
        self._tries = max(_FEWEST_TRIES, _PLACES_TRIED // max(1, len(problem.tasks)))
        board = problem.board()
        self.standing = sorted((task for task in reachable if board.fits(task, task.at)), key=_by_time)

    def loosened(self, wanted: Sequence[Candidate]) -> Kept:
        """Return what is left of the wanted tasks when enough of them make room."""
        kept = Kept(self._compatible(wanted))
        patience = self._tries // 2
        while kept.tasks and self._tries > 0:
            self._tries -= 1
            placing = place_all(self._problem, kept, self._apart)
            if placing.stuck is None:
                return kept
            kept = _with_room(kept, placing, gently=self._tries > patience)
        return Kept()

    def largest(self, found: Kept) -> Kept | None:
        """Return a largest choice, by trying all that are larger than the one found; None if they are too many."""
        if len(found.tasks) == len(self.standing):
            return found
        if 2 ** len(self.standing) > self._tries:
            return None
        for size in range(len(self.standing), len(found.tasks), -1):
            for choice in combinations(self.standing, size):
                kept = self._valid(choice)
                if kept is not None:
                    return kept
        return found

    def completed(self, kept: Kept) -> Kept:
        """Return the choice with every further task that can keep its time too, as long as there are tries."""
        board = self._problem.board(kept.tasks, self._apart)
        for task in sorted(self.standing, key=lambda task: task.rank):
            low, high = kept.bounds(self._problem, task.score)
            if task.id in kept.ids or not low <= task.at <= high or not board.fits(task, task.at):
                continue
            if self._tries <= 0:
                break
            wider = self._valid([*kept.tasks, task])
            if wider is not None:
                kept = wider
                board.put(task, task.at)
        return kept

    def _valid(self, choice: Sequence[Candidate]) -> Kept | None:
        kept = Kept(choice)
        if not _scores_never_rise(kept.tasks) or len(self._compatible(kept.tasks)) < len(choice):
            return None
        self._tries -= 1
        return kept if place_all(self._problem, kept, self._apart).stuck is None else None

    def _compatible(self, tasks: Sequence[Candidate]) -> list[Candidate]:
        """Return those that may stand together, the earlier before the later."""
        board = self._problem.board((), self._apart)
        together = []
        for task in tasks:
            if board.fits(task, task.at):
                board.put(task, task.at)
                together.append(task)
        return together


def _by_time(task: Candidate) -> tuple[int, int, int]:
    return task.at, -task.score, task.id


def _scores_never_rise(tasks: Sequence[Candidate]) -> bool:
    return all(one.score >= other.score for one, other in pairwise(tasks))


def _in_order(standing: Sequence[Candidate]) -> list[Candidate]:
    """Return a longest series of tasks in whose order of time scores never rise (by patience sorting)."""
    ends: list[int] = []  # for each length, the lowest negated score that a series of it can end with
    piles: list[int] = []  # and the place of the task that ends it
    before: list[int | None] = []
    for place, task in enumerate(standing):
        length = bisect_right(ends, -task.score)
        before.append(piles[length - 1] if length else None)
        ends[length : length + 1] = [-task.score]
        piles[length : length + 1] = [place]
    series: list[Candidate] = []
    last = piles[-1] if piles else None
    while last is not None:
        series.append(standing[last])
        last = before[last]
    return series[::-1]


def _with_room(kept: Kept, placing: Placing, *, gently: bool) -> Kept:
    """Return the kept tasks without some that stand in the way of the score that is stuck.

    Gently, that is at most half as many as found no place: every time given up also widens a stretch.
    """
    assert placing.stuck is not None  # noqa: S101  for the type checker: only then is room needed
    behind, before = kept.places(placing.stuck)
    lower, higher = kept.tasks[before:], kept.tasks[: behind or before]
    side = lower or higher
    number = max(1, min(placing.left // 2, len(side) // 4) if gently else placing.left)
    if lower:  # those that stand early
        return Kept(kept.tasks[:before] + lower[number:])
    return Kept(higher[: max(0, len(higher) - number)] + kept.tasks[len(higher) :])  # those that stand late
