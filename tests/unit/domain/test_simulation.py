"""Virtual time keeps the rules of the real one: order, limits, hosts; and nothing waits without a reason."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queuectl.domain.admission import NO_HOST_USE, HostUse, QueueRules
from queuectl.domain.forecast import AtWork, Situation, Waiting
from queuectl.domain.lane import gap_start, rate_start
from queuectl.domain.priority import LEVELS, QUEUES, rank_by_point
from queuectl.domain.rate import RateLimit
from queuectl.domain.run_times import Run, RunTimes
from queuectl.domain.simulation import chance_of, simulate
from tests.support.factories import NOW

NOTHING_RECORDED = RunTimes((), assumed_ms=1_000)
SCORES = {level.queue: level.score for level in LEVELS}


def waiting(
    number: int, queue: str = "medium_priority", due: int = 0, took: int = 1_000, host: str = "a"
) -> Waiting:
    """Return a task that is due ``due`` milliseconds from now."""
    return Waiting(number, queue, host, "article", -SCORES[queue], NOW + due, took)


def situation(*tasks: Waiting, rules: dict[str, dict[str, Any]] | None = None, **fields: Any) -> Situation:
    limits = rules or {}
    made = {name: QueueRules(name, **limits.get(name, {})) for name in QUEUES}
    return Situation(NOW, made, tasks, **fields)


def starts(given: Situation) -> dict[int, int]:
    """Return the starts in milliseconds from now."""
    return {task: at - NOW for task, at in simulate(given, NOTHING_RECORDED).starts.items()}


class TestOrder:
    """Who starts before whom."""

    def test_the_more_urgent_queue_goes_first_and_then_who_was_due_first(self) -> None:
        tasks = [
            waiting(1, "low_priority", -9),
            waiting(2, "high_priority", -2),
            waiting(3, "high_priority", -5),
            waiting(4, "urgent_priority", 500),
        ]
        assert starts(situation(*tasks)) == {3: 0, 4: 1_000, 2: 2_000, 1: 3_000}

    def test_nothing_starts_before_it_is_due(self) -> None:
        assert starts(situation(waiting(1, due=400), waiting(2, due=-400, took=100), workers=4)) == {
            1: 400,
            2: 0,
        }

    def test_so_many_run_at_a_time_as_there_are_workers(self) -> None:
        found = starts(situation(*(waiting(number) for number in range(7)), workers=3))
        assert sorted(found.values()) == [0, 0, 0, 1_000, 1_000, 1_000, 2_000]

    def test_what_runs_keeps_its_worker_until_it_ends(self) -> None:
        work = AtWork(9, "medium_priority", "a", "article", NOW - 400)
        assert starts(situation(waiting(1), at_work=[work])) == {1: 600}
        long = AtWork(9, "medium_priority", "a", "article", NOW - 5_000)
        assert starts(situation(waiting(1), at_work=[long])) == {1: 0}

    def test_with_aging_who_waits_long_overtakes(self) -> None:
        point = 60_000
        tasks = [
            replace(waiting(number, queue, due), rank=rank_by_point(SCORES[queue], NOW + due, point))
            for number, queue, due in (
                (1, "high_priority", -1),
                (2, "background_priority", -8 * point),
                (3, "background_priority", -6 * point),
            )
        ]
        assert starts(situation(*tasks, aging=True)) == {2: 0, 1: 1_000, 3: 2_000}


class TestLimits:
    """The rules of queues and hosts."""

    def test_a_rate_limit_counts_the_starts_before_now(self) -> None:
        rules = {"medium_priority": {"rate_limit": RateLimit(2, 10_000)}}
        recent = {"medium_priority": [NOW - 9_000, NOW - 20_000]}
        tasks = [waiting(number, took=10) for number in range(4)]
        found = starts(situation(*tasks, rules=rules, starts=recent, workers=9))
        guard = 200  # a fiftieth of the period, within which a start may happen after it was granted
        assert found == {0: 0, 1: 1_000, 2: 10_000 + guard, 3: 11_000 + guard}

    def test_concurrency_leaves_workers_to_other_queues(self) -> None:
        rules = {"high_priority": {"concurrency": 1}}
        tasks = [waiting(1, "high_priority"), waiting(2, "high_priority"), waiting(3, "low_priority")]
        assert starts(situation(*tasks, rules=rules, workers=2)) == {1: 0, 3: 0, 2: 1_000}

    def test_a_host_gap_lets_other_hosts_pass(self) -> None:
        rules = {"medium_priority": {"host_gap": 5.0}}
        tasks = [waiting(1, took=10), waiting(2, took=10), waiting(3, took=10, host="b")]
        known = {"b": HostUse(0, NOW - 2_000)}
        guard = 100  # a fiftieth of the gap, within which a start may happen after it was granted
        assert starts(situation(*tasks, rules=rules, hosts=known)) == {1: 0, 3: 3_000, 2: 5_000 + guard}

    def test_a_kind_at_its_cap_lets_other_kinds_pass(self) -> None:
        kinds = {"article": "process", "index": "process", "poll": "async"}
        tasks = [
            replace(waiting(number, took=took), handler=handler)
            for number, (handler, took) in enumerate(
                [
                    ("article", 1_000),
                    ("index", 300),
                    ("article", 500),
                    ("index", 100),
                    ("poll", 50),
                    ("odd", 50),
                ]
            )
        ]
        work = AtWork(9, "medium_priority", "a", "poll", NOW - 400)
        capped = situation(*tasks, at_work=[work], kinds=kinds, caps={"process": 2, "async": 1}, workers=9)
        assert starts(capped) == {0: 0, 1: 0, 5: 0, 2: 300, 4: 600, 3: 800}

    def test_a_host_that_must_wait_leaves_the_room_of_its_kind_to_others(self) -> None:
        tasks = [waiting(1, host="a"), waiting(2, host="b")]
        work = AtWork(9, "medium_priority", "c", "article", NOW - 9_000)
        known = {"a": HostUse(0, None, NOW + 3_600_000)}
        found = starts(
            situation(
                *tasks,
                at_work=[work],
                hosts=known,
                kinds={"article": "thread"},
                caps={"thread": 1},
                workers=9,
            )
        )
        assert found[2] < 10_000
        assert found[1] == 3_600_000

    def test_caps_of_kinds_go_together_with_limits_of_hosts(self) -> None:
        rules = {name: {"host_concurrency": 1} for name in QUEUES}
        tasks = [
            replace(waiting(number, queue, took=took, host=host), handler=handler)
            for number, (queue, handler, host, took) in enumerate(
                [
                    ("high_priority", "page", "a", 1_000),
                    ("high_priority", "note", "a", 100),
                    ("medium_priority", "page", "b", 400),
                    ("medium_priority", "note", "b", 100),
                    ("low_priority", "page", "c", 100),
                ]
            )
        ]
        found = starts(
            situation(*tasks, rules=rules, kinds={"page": "process"}, caps={"process": 1}, workers=9)
        )
        assert found == {0: 0, 3: 0, 1: 1_000, 2: 1_000, 4: 1_400}

    def test_a_held_host_waits_until_its_hold_ends(self) -> None:
        known = {"a": HostUse(0, None, NOW + 7_000)}
        assert starts(situation(waiting(1), waiting(2, host="b"), hosts=known)) == {2: 0, 1: 7_000}

    def test_a_full_host_waits_for_an_end_there(self) -> None:
        rules = {"medium_priority": {"host_concurrency": 1}}
        tasks = [waiting(1, took=3_000), waiting(2), waiting(3, host="b", took=500)]
        assert starts(situation(*tasks, rules=rules, workers=5)) == {1: 0, 3: 0, 2: 3_000}

    def test_a_paused_queue_never_ends_and_the_others_do(self) -> None:
        given = situation(
            waiting(1), waiting(2, "low_priority"), waiting(3), rules={"medium_priority": {"paused": True}}
        )
        found = simulate(given, NOTHING_RECORDED)
        by_name = {queue.name: queue for queue in found.queues}
        assert (by_name["medium_priority"].never, by_name["medium_priority"].ends_at) == (2, None)
        assert by_name["low_priority"].ends_at == NOW + 1_000
        assert (found.ends_at, found.start_of(1), found.start_of(2)) == (None, None, NOW)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    maybe = st.one_of(st.none(), st.integers(1, 3))
    rules = {}
    for name in QUEUES[:3]:
        rate = draw(maybe)
        rules[name] = {
            "concurrency": draw(maybe),
            "rate_limit": None if rate is None else RateLimit(rate, 5_000),
            "host_gap": draw(st.sampled_from([None, 0.7, 2.0])),
            "host_concurrency": draw(maybe),
        }
    tasks = [
        waiting(
            number,
            draw(st.sampled_from(QUEUES[:3])),
            draw(st.integers(-3_000, 3_000)),
            draw(st.integers(1, 2_000)),
            draw(st.sampled_from("abc")),
        )
        for number in range(draw(st.integers(0, 14)))
    ]
    return situation(*tasks, rules=rules, workers=draw(st.integers(1, 4)))


@settings(max_examples=150)
@given(situations())
def test_every_task_starts_and_no_limit_is_broken_at_any_moment(given: Situation) -> None:
    found = simulate(given, NOTHING_RECORDED).starts
    tasks = {task.id: task for task in given.waiting}
    assert found.keys() == tasks.keys()
    runs = [(at, at + (tasks[number].took or 0), tasks[number]) for number, at in sorted(found.items())]
    runs.sort(key=lambda run: run[0])
    for at, _, task in runs:
        rule = given.rules[task.queue]
        running = [each for start, end, each in runs if start <= at < end]
        assert at >= task.due_at
        assert len(running) <= given.workers
        if rule.concurrency is not None:
            assert sum(each.queue == task.queue for each in running) <= rule.concurrency
        if rule.host_concurrency is not None and task is max(
            (each for each in running if each.host == task.host), key=lambda each: (found[each.id], each.id)
        ):
            same = [each for each in running if each.host == task.host and given.rules[each.queue] == rule]
            assert len(same) <= rule.host_concurrency
        if rule.rate_limit is not None:
            window = [s for s, _, each in runs if each.queue == task.queue and at <= s < at + 5_000]
            assert len(window) <= rule.rate_limit.starts
        if rule.host_gap is not None:
            before = [s for s, _, each in runs if each.host == task.host and each is not task and s <= at]
            same_moment = [s for s in before if s == at]
            assert all(at - s >= rule.host_gap * 1000 for s in before if s < at)
            assert len(same_moment) <= 1 or given.workers > 1


@settings(max_examples=60)
@given(situations())
def test_without_limits_no_worker_idles_while_a_task_is_due(given: Situation) -> None:
    free = replace(given, rules={name: QueueRules(name) for name in QUEUES})
    found = simulate(free, NOTHING_RECORDED).starts
    ends = {task.id: found[task.id] + (task.took or 0) for task in given.waiting}
    for task in given.waiting:
        if found[task.id] > max(task.due_at, NOW):
            just_before = found[task.id] - 1
            busy = sum(found[each] <= just_before < ends[each] for each in found)
            assert busy == given.workers


class TestRunTimes:
    """What is learnt from recorded runs."""

    def test_the_runs_of_the_queue_and_handler_count_then_wider_ones(self) -> None:
        runs = [Run("low_priority", "article", 100)] * 5 + [Run("low_priority", "report", 900)] * 5
        times = RunTimes([*runs, Run("high_priority", "page", 7)], assumed_ms=1)
        assert times.at_quantile("low_priority", "article", 0.99) == 100
        assert times.at_quantile("high_priority", "report", 0.0) == 900
        assert times.at_quantile("low_priority", "unknown", 0.99) == 900
        assert times.at_quantile("urgent_priority", "unknown", 0.0) == 7
        assert RunTimes((), assumed_ms=42).at_quantile("low_priority", "article", 0.5) == 42
        assert (times.recorded, times.mean_ms("low_priority")) == (11, 500)

    def test_what_runs_long_already_ends_like_those_that_ran_longer(self) -> None:
        times = RunTimes([Run("q", "h", took) for took in (10, 20, 30, 40, 50)], assumed_ms=1)
        assert times.at_quantile("q", "h", 0.0, beyond=30) == 40
        assert times.at_quantile("q", "h", 0.99, beyond=30) == 50
        assert times.at_quantile("q", "h", 0.5, beyond=70) == 70

    def test_the_chances_of_tasks_are_even(self) -> None:
        tenths: dict[int, int] = defaultdict(int)
        for number in range(1, 10_001):
            tenths[int(chance_of(number) * 10)] += 1
        assert all(abs(count - 1_000) < 20 for count in tenths.values())

    def test_the_same_situation_gives_the_same_forecast(self) -> None:
        times = RunTimes([Run("medium_priority", "article", took) for took in range(5, 500)], assumed_ms=1)
        given = situation(*(replace(waiting(number), took=None) for number in range(200)), workers=3)
        assert simulate(given, times) == simulate(given, times)
        ends = simulate(given, times).ends_at
        assert ends is not None
        assert ends - NOW == pytest.approx(200 * 252 / 3, rel=0.03)


def test_tasks_that_stand_for_several_end_when_all_would() -> None:
    rules = {"low_priority": {"rate_limit": RateLimit(10, 60_000)}}
    many = [waiting(number, QUEUES[number % 4], took=100) for number in range(2_000)]
    every = simulate(situation(*many, rules=rules, workers=4), NOTHING_RECORDED)
    tenth = [task for task in many if task.id // 4 % 10 == 0]
    sampled = simulate(situation(*tenth, rules=rules, workers=4, weight=10), NOTHING_RECORDED)
    for one, other in zip(every.queues[:4], sampled.queues[:4], strict=True):
        assert one.tasks == other.tasks
        assert one.ends_at is not None
        assert other.ends_at is not None
        assert other.ends_at - NOW == pytest.approx(one.ends_at - NOW, rel=0.1)


def test_a_hundred_thousand_tasks_are_followed() -> None:
    """In seconds; what grew with the square of their number would not end in the time of a test."""
    tasks = [
        waiting(number, QUEUES[number % 5], number % 3_000 * 100 - 100_000, took=300, host=f"h{number % 97}")
        for number in range(100_000)
    ]
    rules: dict[str, dict[str, Any]] = {
        "low_priority": {"host_gap": 0.5},
        "high_priority": {"rate_limit": RateLimit(9_000, 3_600_000)},
    }
    assert len(simulate(situation(*tasks, rules=rules, workers=16), NOTHING_RECORDED).starts) == 100_000


@settings(max_examples=150)
@given(
    st.integers(1, 4),
    st.lists(st.integers(-12_000, 300), max_size=6),
    st.one_of(st.none(), st.sampled_from([0.3, 2.0, 20.0])),
    st.integers(0, 9),
)
def test_what_an_explanation_says_of_one_limit_is_what_a_forecast_says(
    allowed: int, before: list[int], gap: float | None, ahead: int
) -> None:
    limits = {"rate_limit": RateLimit(allowed, 10_000), "host_gap": gap}
    recent = sorted(NOW + at for at in before)[-allowed:]
    tasks = [waiting(number, took=0, host=f"h{number}") for number in range(ahead + 1)]
    queue = "medium_priority"
    given = situation(*tasks, rules={queue: limits}, starts={queue: recent}, workers=ahead + 1)
    found = simulate(given, NOTHING_RECORDED)
    assert found.start_of(ahead) == rate_start(given.rules[queue], recent, ahead, NOW)

    same = [replace(each, host="a") for each in tasks]
    use = HostUse(0, NOW + before[0], NOW + before[-1]) if before else NO_HOST_USE
    rules = {queue: {"host_gap": gap or 1.0}}
    given = situation(*same, rules=rules, hosts={"a": use}, workers=ahead + 1)
    found = simulate(given, NOTHING_RECORDED)
    assert found.start_of(ahead) == gap_start(given.rules[queue], use, ahead, NOW)
