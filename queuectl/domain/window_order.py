"""In which order tasks take their places in a window, and whether all of them find one.

Tasks with a higher score come first. Among equal scores the tasks whose host is free take turns, the
host that will be kept busy longest before the others; where no host asks for a gap, that is the
present order. Each takes the earliest place, so without gaps what does not fit in this way fits in no
way. With gaps that is so for a few tasks, of which every order of hosts is tried; among many, another
order of hosts may rarely fit a little more.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, permutations, product
from math import prod

from queuectl.domain.window_board import Board, Limit

Rank = tuple[int, int, int]

_FEW = 6
_FEW_WAYS = 200
"""All orders of hosts are tried for groups of at most so many tasks, and so many orders in all."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that may get another time; ``at`` is when it is due to start now."""

    id: int
    score: int
    queue: str
    host: str
    at: int

    @property
    def rank(self) -> Rank:
        """The present order: score, then time, then number."""
        return (-self.score, self.at, self.id)


@dataclass(frozen=True, slots=True)
class Other:
    """A start that counts and stays where it is: planned, or past and still within a limit's period."""

    at: int
    queue: str
    host: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be planned: tasks to be placed from ``start`` to before ``end``, and what limits them.

    ``gaps`` are the milliseconds before a start on the same host, by queue; ``held`` the moment
    before which a host is to be left alone. New times are whole multiples of ``step``.
    """

    tasks: tuple[Candidate, ...]
    start: int
    end: int
    limits: tuple[Limit, ...]
    others: tuple[Other, ...] = ()
    gaps: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    step: int = 1_000

    def board(self, kept: Iterable[Candidate] = (), apart: int = 0) -> Board:
        """Return a board with the other starts and the kept tasks on it."""
        present = [(other, other.at) for other in self.others]
        board = Board(self.limits, self.gaps, self.held, present, step=self.step, apart=apart)
        for task in kept:
            board.put(task, task.at)
        return board


class Kept:
    """The tasks that keep their times: in the order of these, in which scores never rise."""

    def __init__(self, tasks: Iterable[Candidate] = ()) -> None:
        self.tasks = sorted(tasks, key=lambda task: (task.at, -task.score, task.id))
        self.ids = {task.id for task in self.tasks}
        self._scores = [-task.score for task in self.tasks]

    def places(self, score: int) -> tuple[int, int]:
        """Return behind how many kept tasks a task of this score has to stand at least, and may at most."""
        return bisect_left(self._scores, -score), bisect_right(self._scores, -score)

    def bounds(self, problem: Problem, score: int) -> tuple[int, int]:
        """Return the first and the last moment that a task of this score may take."""
        behind, before = self.places(score)
        low = self.tasks[behind - 1].at if behind else problem.start
        high = self.tasks[before].at if before < len(self.tasks) else problem.end - 1
        return low, high


@dataclass(slots=True)
class Placing:
    """The places found, in order; ``stuck`` is the score of which ``left`` tasks found none, if any."""

    places: list[tuple[Candidate, int]] = field(default_factory=list)
    stuck: int | None = None
    left: int = 0


def place_all(problem: Problem, kept: Kept, apart: int = 0) -> Placing:
    """Give every task that is not kept the earliest place, in order, until one finds none.

    Where it matters whose host goes first and there are only a few ways, all of them are tried.
    """
    placing = _place_in_turns(problem, kept, apart)
    if placing.stuck is not None:
        for sequence in _sequences(problem, kept):
            other = _place(problem, kept, apart, sequence)
            if other.stuck is None:
                return other
    return placing


def last_place(problem: Problem) -> int | None:
    """Return the earliest moment at which the last task can start, the window's end aside; None if never."""
    endless = replace(problem, end=2**62)
    placings = [_place_in_turns(endless, Kept(), 0)]
    placings += [_place(endless, Kept(), 0, sequence) for sequence in _sequences(endless, Kept())]
    return min((each.places[-1][1] for each in placings if each.stuck is None), default=None)


def _place_in_turns(problem: Problem, kept: Kept, apart: int) -> Placing:
    board = problem.board(kept.tasks, apart)
    placing = Placing()
    tails = Counter[str]()  # how long the tasks that are left on a host will keep it
    for task in problem.tasks:
        if board.knows_hosts and task.id not in kept.ids:
            tails[task.host] += board.gap(task)
    at = problem.start
    for score, group in _groups(problem.tasks, kept):
        low, high = kept.bounds(problem, score)
        at = max(at, low)
        placed = 0
        for task, place in _turns(board, group, at, tails):
            if place > high:
                placing.stuck, placing.left = score, len(group) - placed
                return placing
            board.put(task, place)
            placing.places.append((task, place))
            at, placed = place, placed + 1
    return placing


def _place(problem: Problem, kept: Kept, apart: int, sequence: Sequence[Candidate]) -> Placing:
    board = problem.board(kept.tasks, apart)
    placing = Placing()
    at = problem.start
    for number, task in enumerate(sequence):
        low, high = kept.bounds(problem, task.score)
        at = board.earliest(task, max(at, low))
        if at > high:
            placing.stuck, placing.left = task.score, len(sequence) - number
            return placing
        board.put(task, at)
        placing.places.append((task, at))
    return placing


def _sequences(problem: Problem, kept: Kept) -> Iterator[list[Candidate]]:
    """Return every order in which hosts can take turns among equal scores; none if there are many, or one."""
    if not problem.gaps and not problem.held:
        return
    ways: list[list[list[Candidate]]] = []
    for _, group in _groups(problem.tasks, kept):
        if len(group) > _FEW:
            return
        by_host = sorted(task.host for task in group)
        queues = {host: [task for task in group if task.host == host] for host in by_host}
        orders = sorted(set(permutations(by_host)))
        ways.append([_one_way(order, queues) for order in orders])
    if 1 < prod(map(len, ways)) <= _FEW_WAYS:
        for way in product(*ways):
            yield [task for group in way for task in group]


def _one_way(order: Sequence[str], queues: Mapping[str, Sequence[Candidate]]) -> list[Candidate]:
    left = {host: iter(tasks) for host, tasks in queues.items()}
    return [next(left[host]) for host in order]


def latest_places(problem: Problem, kept: Kept, apart: int, sequence: Sequence[Candidate]) -> list[int]:
    """Return the latest places of tasks that follow each other in this order, given that there are places."""
    board = problem.board(kept.tasks, apart)
    latest: list[int] = []
    at = problem.end - 1
    for task in reversed(sequence):
        _, high = kept.bounds(problem, task.score)
        at = board.latest(task, min(at, high))
        board.put(task, at)
        latest.append(at)
    return latest[::-1]


def _groups(tasks: Iterable[Candidate], kept: Kept) -> Iterator[tuple[int, list[Candidate]]]:
    """Return the tasks that are not kept by score, the highest first, each in its present order."""
    moving = sorted((task for task in tasks if task.id not in kept.ids), key=lambda task: task.rank)
    for score, group in groupby(moving, key=lambda task: task.score):
        yield score, list(group)


def _turns(
    board: Board, group: Sequence[Candidate], at: int, tails: Counter[str]
) -> Iterator[tuple[Candidate, int]]:
    """Yield tasks of one score with their earliest places; each is to be put on the board before the next."""
    if not board.knows_hosts:
        for task in group:
            at = board.earliest(task, at)
            yield task, at
        return
    hosts: dict[str, deque[Candidate]] = {}
    for task in group:
        hosts.setdefault(task.host, deque()).append(task)
    ready: list[tuple[int, Rank, str]] = []
    busy = [(at, host) for host in hosts]  # until when a host can certainly take no start
    heapq.heapify(busy)
    while ready or busy:
        free = board.earliest_anywhere(group[0], at)
        while busy and busy[0][0] <= free:
            _, host = heapq.heappop(busy)
            heapq.heappush(ready, (-tails[host], hosts[host][0].rank, host))
        if not ready:
            at = busy[0][0]
            continue
        _, _, host = heapq.heappop(ready)
        place = board.earliest(hosts[host][0], at)
        if place > free:
            heapq.heappush(busy, (place, host))
            continue
        task = hosts[host].popleft()
        tails[host] -= board.gap(task)
        at = place
        yield task, place
        if hosts[host]:
            heapq.heappush(busy, (place + board.gap(task), host))
