"""The health: what costs how many points, and that the score is their sum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.admission import Block, Reason
from queuectl.domain.article_delivery import DeliveryCounts
from queuectl.domain.health import (
    Disk,
    Health,
    HealthCheck,
    Lag,
    Level,
    Limits,
    Surroundings,
    assess,
    unreachable,
)
from queuectl.domain.schedule import ScheduleProblem
from queuectl.domain.status import NodeStatus, QueueStatus, RealtimeStatus, Recent

NOW = 1_800_000_000_000
GIB = 1024**3
NODE = NodeStatus("a", "here", 7, "1", NOW - 60_000, NOW, 8, 0, "redis", True, 0.0, True)
LIMITS = Limits()


def status(*queues: QueueStatus, nodes: tuple[NodeStatus, ...] = (NODE,), **fields: Any) -> RealtimeStatus:
    return RealtimeStatus(NOW, queues, nodes, "sqlite:///x", "redis", **fields)


def queue(name: str = "high_priority", **fields: Any) -> QueueStatus:
    return QueueStatus(name, **{"paused": False} | fields)


def found(state: RealtimeStatus, around: Surroundings | None = None, limits: Limits = LIMITS) -> Health:
    return assess(state, around or Surroundings((Disk("/home", 50 * GIB),)), limits)


def check(health: Health, name: str) -> HealthCheck:
    return next(each for each in health.checks if each.name == name)


def test_a_system_in_order_has_all_points() -> None:
    health = found(status(queue()))
    assert (health.score, health.level, health.penalties) == (100, Level.OK, ())


def test_no_daemon_is_worse_when_tasks_wait() -> None:
    idle = found(status(queue(), nodes=()))
    assert (idle.score, idle.level) == (80, Level.WARNING)
    busy = found(status(queue(queued=3), nodes=()))
    assert (busy.score, busy.level) == (50, Level.CRITICAL)
    assert check(busy, "daemon").detail == "none is running and 3 tasks wait"
    assert check(busy, "daemon").mend == "queuectl daemon start"


def test_a_silent_daemon_is_named_beside_a_living_one() -> None:
    silent = replace(NODE, id="b", host="there", alive=False, heartbeat_at=NOW - 120_000)
    health = found(status(queue(), nodes=(NODE, silent)))
    assert check(health, "daemon").detail == "the one on there (pid 7) is silent since 2 min"
    assert health.score == 80


def test_daemons_that_all_do_the_same_half_are_told_of() -> None:
    worker, scheduler = replace(NODE, role="worker"), replace(NODE, id="b", role="scheduler", workers=0)
    workers = check(found(status(queue(queued=3), nodes=(worker, worker))), "roles")
    assert (workers.level, workers.points, workers.value) == (Level.WARNING, 20, 1)
    assert workers.mend == "queuectl daemon start --role scheduler"
    idle = check(found(status(queue(), nodes=(scheduler,))), "roles")
    assert (idle.level, idle.points) == (Level.WARNING, 20)
    busy = check(found(status(queue(queued=3), nodes=(scheduler,))), "roles")
    assert (busy.level, busy.points, busy.mend) == (Level.CRITICAL, 50, "queuectl daemon start --role worker")
    assert busy.detail == "only schedulers run, so no task starts, and 3 tasks wait"


@pytest.mark.parametrize(
    "roles", [("all",), ("all", "worker"), ("all", "scheduler"), ("worker", "scheduler"), ()]
)
def test_roles_that_make_a_whole_cost_nothing(roles: tuple[str, ...]) -> None:
    nodes = tuple(replace(NODE, id=role, role=role) for role in roles)
    assert check(found(status(queue(queued=3), nodes=nodes)), "roles").points == 0


def test_a_role_that_only_a_silent_daemon_has_is_missing() -> None:
    gone = replace(NODE, id="b", role="scheduler", alive=False)
    health = found(status(queue(), nodes=(replace(NODE, role="worker"), gone)))
    assert check(health, "roles").level is Level.WARNING


def test_a_transport_that_does_not_answer_is_critical() -> None:
    health = found(status(queue(), nodes=(replace(NODE, transport_up=False),)))
    assert (health.score, health.level) == (75, Level.CRITICAL)


@pytest.mark.parametrize(
    ("wait", "points", "level"),
    [
        (None, 0, Level.OK),
        (599_999, 0, Level.OK),
        (600_000, 10, Level.WARNING),
        (1_500_000, 18, Level.WARNING),
        (2_400_000, 25, Level.CRITICAL),
        (10**12, 25, Level.CRITICAL),
    ],
)
def test_the_longest_wait_costs_points_in_proportion(wait: int | None, points: int, level: Level) -> None:
    backlog = check(found(status(queue(queued=1, oldest_wait_ms=wait))), "backlog")
    assert (backlog.points, backlog.level) == (points, level)


def test_what_a_person_has_paused_is_no_backlog() -> None:
    paused = queue(paused=True, queued=1, oldest_wait_ms=10**9)
    assert check(found(status(paused)), "backlog").points == 0


def test_what_mends_a_backlog_depends_on_what_is_in_the_way() -> None:
    def mend(**fields: Any) -> str | None:
        nodes = fields.pop("nodes", (NODE,))
        return check(
            found(status(queue(queued=1, oldest_wait_ms=10**7, **fields), nodes=nodes)), "backlog"
        ).mend

    assert mend() == "queuectl daemon scale 16"
    assert mend(nodes=()) == "queuectl daemon start"
    assert mend(block=Block(Reason.RATE_LIMIT, None)) == "queuectl queue show high"


def test_failures_count_from_ten_runs_on() -> None:
    few = check(found(status(queue(recent=Recent(9, 9, 0)))), "failures")
    assert (few.points, few.detail) == (0, "9 of 9 runs of the last 15 minutes failed, too few to judge")
    many = check(
        found(status(queue(recent=Recent(10, 1, 9)), queue("low_priority", recent=Recent(10, 9, 9)))),
        "failures",
    )
    assert (many.value, many.level, many.points) == (0.5, Level.CRITICAL, 25)


def test_dead_letters_cost_points_from_a_hundred_on() -> None:
    assert check(found(status(queue(), dead_letters=99)), "dead letters").points == 0
    assert check(found(status(queue(), dead_letters=100)), "dead letters").points == 6
    assert check(found(status(queue(), dead_letters=10_001)), "dead letters").level is Level.CRITICAL


def test_late_schedules_and_those_with_a_problem_are_told() -> None:
    late = found(status(queue()), Surroundings(lag=Lag("daily", 300_000)))
    assert (check(late, "schedules").level, check(late, "schedules").mend) == (
        Level.CRITICAL,
        "queuectl schedule show daily",
    )
    troubled = found(status(queue(), schedule_problems=(ScheduleProblem("feed", "404", NOW),)))
    assert (check(troubled, "schedules").points, check(troubled, "schedules").detail) == (6, "feed: 404")
    assert check(found(status(queue()), Surroundings(lag=Lag("daily", 5_000))), "schedules").points == 0


def test_a_full_queue_is_critical() -> None:
    full = check(found(status(queue(queued=10, max_size=10))), "room")
    assert (full.level, full.points, full.mend) == (Level.CRITICAL, 15, "queuectl queue set high max_size=20")
    assert check(found(status(queue(queued=8, max_size=10))), "room").points == 0


def test_a_disk_costs_points_below_its_limits() -> None:
    def disk(free: int) -> HealthCheck:
        return check(found(status(queue()), Surroundings((Disk("/x", free),))), "disk")

    assert (disk(GIB).points, disk(GIB).level) == (0, Level.OK)
    assert (disk(GIB - 1).points, disk(GIB - 1).level) == (12, Level.WARNING)
    assert (disk(GIB // 4 - 1).points, disk(GIB // 4 - 1).level) == (30, Level.CRITICAL)
    assert disk(0).mend == "queuectl cleanup --days 30"


def test_limits_are_those_that_are_set() -> None:
    strict = Limits(wait_ms=1_000, failure_rate=0.01, dead_letters=1, schedule_lag_ms=10, disk_free=100 * GIB)
    state = status(queue(oldest_wait_ms=2_000, recent=Recent(100, 2, 98)), dead_letters=1)
    health = found(state, Surroundings((Disk("/", 90 * GIB),), Lag("daily", 20)), strict)
    assert {each.name for each in health.penalties} == {
        "backlog",
        "failures",
        "dead letters",
        "schedules",
        "disk",
    }


def test_a_database_that_does_not_answer_leaves_nothing() -> None:
    health = unreachable(NOW, "it is gone", "start it")
    assert (health.score, health.level) == (0, Level.CRITICAL)


@given(
    st.lists(st.integers(0, 10**10), max_size=3),
    st.integers(0, 10**5),
    st.integers(0, 10**12),
    st.integers(0, 10**9),
    st.integers(0, 1000),
)
def test_the_score_is_what_the_points_leave(
    waits: list[int], letters: int, free: int, lag: int, failed: int
) -> None:
    queues = [queue(queued=1, oldest_wait_ms=wait, recent=Recent(1000, failed, 0)) for wait in waits]
    health = found(status(*queues, dead_letters=letters), Surroundings((Disk("/", free),), Lag("s", lag)))
    assert health.score == max(0, 100 - sum(each.points for each in health.checks))
    for each in health.checks:
        assert 0 <= each.points <= each.most
        assert (each.points == 0) == (each.level is Level.OK)
        assert each.level is Level.OK or each.mend


@pytest.mark.parametrize(
    ("counts", "level"),
    [
        (DeliveryCounts(7, 0, 0), Level.OK),
        (DeliveryCounts(7, 2, 0, NOW - 60_000), Level.OK),
        (DeliveryCounts(7, 2, 0, NOW - 600_000), Level.WARNING),
        (DeliveryCounts(0, 0, 1), Level.WARNING),
    ],
)
def test_articles_that_their_webhook_does_not_get_are_told_when_that_lasts(
    counts: DeliveryCounts, level: Level
) -> None:
    one = check(found(status(queue()), Surroundings(deliveries=counts)), "webhook")
    assert (one.level, one.points) == (level, 0 if level is Level.OK else 10)
    assert one.mend == (None if level is Level.OK else "queuectl articles deliveries")


def test_without_a_webhook_the_health_does_not_speak_of_one() -> None:
    assert "webhook" not in {each.name for each in found(status(queue())).checks}
