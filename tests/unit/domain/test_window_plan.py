"""The window planner against exhaustive search: what it plans is right, what it refuses is impossible.

The rules are written down here a second time, as a check of a whole plan, and small problems are
searched through completely.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from queuectl.domain.window_board import Limit
from queuectl.domain.window_order import Candidate, Other, Problem
from queuectl.domain.window_plan import CAP, HOST_GAP, HOST_HELD, Infeasible, Plan, plan

STEP = 600_000  # ten minutes: an hour has six places
HOUR = 6 * STEP
NOON = 1_800_000_000_000 // HOUR * HOUR
QUEUES = {8: "high_priority", 5: "medium_priority", 6: "medium_priority", 3: "low_priority"}

Times = dict[int, int]


def task(number: int, score: int = 5, at: int = -1, host: str = "a") -> Candidate:
    """Return a task that is due ``at`` steps after noon."""
    return Candidate(number, score, QUEUES[score], host, NOON + at * STEP)


def other(at: int, score: int = 5, host: str = "z") -> Other:
    return Other(NOON + at * STEP, QUEUES[score], host)


def problem(*tasks: Candidate, steps: int = 6, cap: int = 2, limits: tuple[Limit, ...] = (), **fields) -> Problem:
    """Return a window that begins at noon and is so many steps long."""
    limits = (Limit(CAP, cap, HOUR), *limits)
    return Problem(tuple(tasks), NOON, NOON + steps * STEP, limits, step=STEP, **fields)


def keeps_the_rules(given: Problem, times: Times, apart: int = 0) -> bool:
    """Check a plan by the rules as the documentation states them."""
    tasks = {each.id: each for each in given.tasks}
    starts = [(at, tasks[number].queue, tasks[number].host, True) for number, at in times.items()]
    starts += [(each.at, each.queue, each.host, False) for each in given.others]
    return (
        all(given.start <= at < given.end for at in times.values())
        and all(at >= given.held.get(tasks[number].host, 0) for number, at in times.items())
        and all(
            times[one.id] <= times[two.id] for one in given.tasks for two in given.tasks if one.score > two.score
        )
        and all(abs(one - two) >= apart for one, two in itertools.combinations(times.values(), 2))
        and all(_holds(limit, starts) for limit in given.limits)
        and all(
            _gap_is_kept(given, one, two) for one, two in itertools.permutations(starts, 2) if one[3] or two[3]
        )
    )


def _holds(limit: Limit, starts: list) -> bool:
    counted = sorted((at, chosen) for at, queue, _, chosen in starts if limit.queue in (None, queue))
    windows = [[each for each in counted if at <= each[0] < at + limit.period] for at, _ in counted]
    return all(len(window) <= limit.starts for window in windows if any(chosen for _, chosen in window))


def _gap_is_kept(given: Problem, earlier: tuple, later: tuple) -> bool:
    if earlier[2] != later[2] or earlier[0] > later[0]:
        return True
    gap = given.gaps.get(later[1], 0)
    if earlier[0] == later[0]:
        gap = max(gap, given.gaps.get(earlier[1], 0))
    return later[0] - earlier[0] >= gap


def every_plan(given: Problem, apart: int = 0) -> Iterator[Times]:
    """Return all plans there are."""
    grid = range(given.start, given.end, STEP)
    choices = [sorted({*grid, each.at}) for each in given.tasks]
    for times in itertools.product(*choices):
        named = {each.id: at for each, at in zip(given.tasks, times, strict=True)}
        if keeps_the_rules(given, named, apart):
            yield named


def moves(given: Problem, times: Times) -> int:
    return sum(times[each.id] != each.at for each in given.tasks)


def times_of(found: Plan | Infeasible) -> Times:
    assert isinstance(found, Plan), found
    return {placed.task.id: placed.at for placed in found.places}


@st.composite
def problems(draw: st.DrawFn, *, gaps: bool = False, others: bool = True) -> Problem:
    steps = draw(st.integers(1, 8))
    count = draw(st.integers(1, 4))
    hosts = st.sampled_from(["a", "b"] if gaps else ["a"])
    tasks = [
        task(number, draw(st.sampled_from(sorted(QUEUES))), draw(st.integers(-3, steps + 1)), draw(hosts))
        for number in range(1, count + 1)
    ]
    around = draw(st.lists(st.integers(-6, steps + 6), max_size=4)) if others else []
    present = tuple(other(at, draw(st.sampled_from(sorted(QUEUES))), draw(hosts)) for at in around)
    limits = draw(
        st.lists(
            st.builds(
                Limit,
                st.just("rate_limit"),
                st.integers(1, 2),
                st.sampled_from([2 * STEP, 7 * STEP]),
                st.sampled_from(["medium_priority", "high_priority", None]),
            ),
            max_size=1,
        )
    )
    between = {}
    if gaps:
        lengths = st.sampled_from([STEP, 2 * STEP, 3 * STEP, 3 * STEP // 2])
        between = draw(st.dictionaries(st.sampled_from(sorted(set(QUEUES.values()))), lengths, min_size=1))
    held = {"a": NOON + 2 * STEP} if gaps and draw(st.integers(0, 4)) == 0 else {}
    cap = draw(st.integers(1, 4))
    return problem(*tasks, steps=steps, cap=cap, limits=tuple(limits), others=present, gaps=between, held=held)


def apart_of(given: Problem) -> int:
    """Return how far apart the planner puts tasks, where it can."""
    return given.limits[0].period // given.limits[0].starts // 2


class TestAgainstExhaustiveSearch:
    """Small problems, searched through completely."""

    @settings(max_examples=150)
    @given(problems())
    def test_a_plan_keeps_the_rules_and_there_is_none_where_it_says_so(self, given: Problem) -> None:
        found = plan(given)
        if isinstance(found, Plan):
            assert keeps_the_rules(given, times_of(found))
        else:
            assert next(every_plan(given), None) is None

    @settings(max_examples=150)
    @given(problems(gaps=True))
    def test_the_same_holds_with_gaps_between_starts_on_a_host(self, given: Problem) -> None:
        found = plan(given)
        if isinstance(found, Plan):
            assert keeps_the_rules(given, times_of(found))
        else:
            assert next(every_plan(given), None) is None

    @settings(max_examples=100)
    @given(problems())
    def test_as_few_tasks_move_as_can_be(self, given: Problem) -> None:
        found = plan(given)
        assume(isinstance(found, Plan))
        fewest = min((moves(given, each) for each in every_plan(given, apart_of(given))), default=None)
        if fewest is None:
            fewest = min(moves(given, each) for each in every_plan(given))
        assert moves(given, times_of(found)) == fewest

    @settings(max_examples=60)
    @given(problems(gaps=True))
    def test_a_second_plan_moves_nothing(self, given: Problem) -> None:
        found = plan(given)
        assume(isinstance(found, Plan))
        again = replace(given, tasks=tuple(replace(each, at=times_of(found)[each.id]) for each in given.tasks))
        assert moves(again, times_of(plan(again))) == 0
