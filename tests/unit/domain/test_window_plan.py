"""The window planner against exhaustive search: what it plans is right, what it refuses is impossible.

The rules are written down here a second time, as a check of a whole plan, and small problems are
searched through completely.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from queuectl.domain.window_board import Limit, Line
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


def problem(
    *tasks: Candidate, steps: int = 6, cap: int = 2, limits: tuple[Limit, ...] = (), **fields
) -> Problem:
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
            times[one] <= times[two]
            for one, two in itertools.permutations(times, 2)
            if tasks[one].score > tasks[two].score
        )
        and all(abs(one - two) >= apart for one, two in itertools.combinations(times.values(), 2))
        and all(_holds(limit, starts) for limit in given.limits)
        and all(
            _gap_is_kept(given, one, two)
            for one, two in itertools.permutations(starts, 2)
            if one[3] or two[3]
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


def every_plan(given: Problem, apart: int = 0, begun: Times | None = None) -> Iterator[Times]:
    """Return all plans there are; what breaks the rules with some of the tasks does so with all of them."""
    begun = begun or {}
    left = [each for each in given.tasks if each.id not in begun]
    if not left:
        yield begun
        return
    for at in sorted({*range(given.start, given.end, STEP), left[0].at}):
        times = {**begun, left[0].id: at}
        if keeps_the_rules(given, times, apart):
            yield from every_plan(given, apart, times)


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
    return problem(
        *tasks, steps=steps, cap=cap, limits=tuple(limits), others=present, gaps=between, held=held
    )


def apart_of(given: Problem) -> int:
    """Return how far apart the planner puts tasks, where it can."""
    return given.limits[0].period // given.limits[0].starts // 2


class TestAgainstExhaustiveSearch:
    """Small problems, searched through completely."""

    @settings(max_examples=80)
    @given(problems())
    def test_a_plan_keeps_the_rules_and_there_is_none_where_it_says_so(self, given: Problem) -> None:
        found = plan(given)
        if isinstance(found, Plan):
            assert keeps_the_rules(given, times_of(found))
        else:
            assert next(every_plan(given), None) is None

    @settings(max_examples=80)
    @given(problems(gaps=True))
    def test_the_same_holds_with_gaps_between_starts_on_a_host(self, given: Problem) -> None:
        found = plan(given)
        if isinstance(found, Plan):
            assert keeps_the_rules(given, times_of(found))
        else:
            assert next(every_plan(given), None) is None

    @settings(max_examples=80)
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
        again = replace(
            given, tasks=tuple(replace(each, at=times_of(found)[each.id]) for each in given.tasks)
        )
        assert moves(again, times_of(plan(again))) == 0

    @settings(max_examples=80)
    @given(problems(gaps=True))
    def test_every_relaxation_suffices_and_is_the_smallest(self, given: Problem) -> None:
        found = plan(given)
        assume(isinstance(found, Infeasible))
        assert isinstance(found, Infeasible)
        relaxation = found.relaxation
        ordered = sorted(given.tasks, key=lambda each: each.rank)

        if relaxation.end is not None and relaxation.end <= given.start + 14 * STEP:
            assert possible(replace(given, end=relaxation.end))
            assert not possible(replace(given, end=relaxation.end - STEP))
            assert isinstance(plan(replace(given, end=relaxation.end)), Plan)
        if relaxation.cap is not None:
            assert possible(with_cap(given, relaxation.cap))
            assert not possible(with_cap(given, relaxation.cap - 1))
        else:
            assert not possible(with_cap(given, 1000))
        if relaxation.leave_out is not None:
            kept = len(ordered) - relaxation.leave_out
            assert possible(replace(given, tasks=tuple(ordered[:kept])))
            assert not possible(replace(given, tasks=tuple(ordered[: kept + 1])))
        else:
            assert not possible(replace(given, tasks=tuple(ordered[:1])))

    @settings(max_examples=80)
    @given(problems(gaps=True))
    def test_a_limit_is_named_exactly_if_there_is_a_plan_without_it(self, given: Problem) -> None:
        found = plan(given)
        assume(isinstance(found, Infeasible))
        assert isinstance(found, Infeasible)
        without = {
            CAP: with_cap(given, 1000),
            HOST_GAP: replace(given, gaps={}),
            HOST_HELD: replace(given, held={}),
        }
        if len(given.limits) > 1:
            without["rate_limit"] = replace(given, limits=given.limits[:1])
        assert set(found.binding) == {name for name, relaxed in without.items() if possible(relaxed)}


def possible(given: Problem) -> bool:
    """Tell whether there is any plan."""
    return next(every_plan(given), None) is not None


def with_cap(given: Problem, cap: int) -> Problem:
    return replace(given, limits=(replace(given.limits[0], starts=cap), *given.limits[1:]))


class TestPlans:
    """What plans look like."""

    def test_tasks_that_wait_are_spread_evenly_over_the_window(self) -> None:
        found = times_of(plan(problem(*(task(number) for number in range(1, 4)), steps=9)))
        assert found == {1: NOON, 2: NOON + 3 * STEP, 3: NOON + 6 * STEP}

    def test_as_many_fit_as_the_cap_times_the_hours(self) -> None:
        many = [task(number) for number in range(50)]
        given = problem(*many, steps=60, cap=5)
        found = times_of(plan(given))
        assert Counter((at - NOON) // HOUR for at in found.values()) == dict.fromkeys(range(10), 5)
        assert keeps_the_rules(given, found)
        assert isinstance(plan(problem(*many, task(51), steps=60, cap=5)), Infeasible)

    def test_higher_scores_come_first_whatever_their_present_order(self) -> None:
        found = times_of(plan(problem(task(1, 3, 0), task(2, 8, 5), task(3, 5, 2), steps=12)))
        assert found[2] < found[3] < found[1]

    def test_what_stands_well_stays_and_the_rest_fills_the_emptiest_stretch(self) -> None:
        found = times_of(plan(problem(task(1, at=1), task(2, at=3), task(3), steps=12)))
        assert (found[1], found[2]) == (NOON + STEP, NOON + 3 * STEP)
        assert found[3] == NOON + 8 * STEP

    def test_a_bunch_at_one_moment_is_spread_though_the_cap_would_allow_it(self) -> None:
        found = times_of(plan(problem(*(task(number, at=0) for number in range(4)), steps=12, cap=6)))
        assert sorted(found.values()) == [NOON, NOON + 3 * STEP, NOON + 6 * STEP, NOON + 9 * STEP]

    def test_a_bunch_stays_where_nothing_else_is_possible(self) -> None:
        found = times_of(plan(problem(*(task(number, at=0) for number in range(3)), steps=1, cap=3)))
        assert set(found.values()) == {NOON}

    def test_other_starts_before_and_after_the_window_count_too(self) -> None:
        around = (other(-1), other(6))
        found = times_of(plan(problem(task(1), task(2), steps=6, cap=2, others=around)))
        assert sorted(found.values()) == [NOON, NOON + 5 * STEP]

    def test_hosts_take_turns_where_each_wants_a_gap(self) -> None:
        gaps = {"medium_priority": 2 * STEP}
        tasks = [task(1, host="a"), task(2, host="a"), task(3, host="b"), task(4, host="b")]
        found = times_of(plan(problem(*tasks, steps=4, cap=10, gaps=gaps)))
        assert found == {1: NOON, 3: NOON + STEP, 2: NOON + 2 * STEP, 4: NOON + 3 * STEP}

    def test_an_hour_that_is_too_full_already_takes_no_more(self) -> None:
        found = plan(problem(task(1), steps=6, cap=1, others=(other(0), other(0), other(5))))
        assert isinstance(found, Infeasible)
        assert (found.binding, found.relaxation.cap, found.relaxation.leave_out) == ((CAP,), 4, None)

    @example(seed=1)
    @given(seed=st.integers(0, 1_000))
    @settings(max_examples=3)
    def test_many_tasks_keep_the_rules_too(self, seed: int) -> None:
        dice = random.Random(seed)
        tasks = [
            task(number, dice.choice([8, 6, 5, 3]), dice.randint(-200, 200), dice.choice("abcdefgh"))
            for number in range(400)
        ]
        given = replace(
            problem(*tasks, steps=300, cap=20, gaps={"low_priority": STEP}),
            step=1_000,
            others=tuple(other(dice.randint(-6, 300)) for _ in range(30)),
        )
        assert keeps_the_rules(given, times_of(plan(given)))


def test_ten_thousand_tasks_are_planned() -> None:
    """In seconds; what grew with the square of their number would not end in the time of a test."""
    tasks = [
        task(number, [8, 5, 3][number % 3], number % 300 - 150, f"h{number % 40}") for number in range(10_000)
    ]
    given = replace(problem(*tasks, steps=600, cap=120, gaps={"low_priority": 5_000}), step=1_000)
    assert len(times_of(plan(given))) == 10_000


@pytest.mark.parametrize("most", [1, 2, 3, 7])
@given(
    present=st.lists(st.integers(0, 60), max_size=12),
    later=st.lists(st.integers(0, 60), max_size=6),
    at=st.integers(-20, 80),
)
def test_a_line_forbids_exactly_what_would_be_one_start_too_many(
    most: int, present: list[int], later: list[int], at: int
) -> None:
    line = Line(most, 10, present)
    for each in later:
        line.add(each)

    def allowed(moment: int) -> bool:
        starts = sorted([*present, *later])
        groups = zip(starts, starts[most - 1 :], strict=False)
        return all(max(last, moment) - min(first, moment) >= 10 for first, last in groups)

    assert line.after(at) == next(moment for moment in itertools.count(at) if allowed(moment))
    assert line.before(at) == next(moment for moment in itertools.count(at, -1) if allowed(moment))
