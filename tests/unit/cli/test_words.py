"""Durations, ages and counts in few words."""

from __future__ import annotations

import pytest

from queuectl.cli.render.words import brief, clock, count, duration, per_minute, wider


@pytest.mark.parametrize(
    ("ms", "long", "short", "watch"),
    [
        (None, "-", "-", None),
        (-5, "0 ms", "0 s", "0:00"),
        (850, "850 ms", "0 s", "0:00"),
        (9_960, "9.9 s", "9 s", "0:09"),
        (59_900, "59 s", "59 s", "0:59"),
        (185_000, "3 min 05 s", "3 min", "3:05"),
        (3_723_000, "1 h 02 min", "1 h", "1:02:03"),
        (90_000_000, "1 d 01 h", "1 d", "25:00:00"),
    ],
)
def test_a_duration_in_few_words(ms: int | None, long: str, short: str, watch: str | None) -> None:
    assert duration(ms) == long
    assert brief(ms) == short
    if ms is not None:
        assert clock(ms) == watch


def test_a_number_with_its_noun() -> None:
    assert count(1, "task") == "1 task"
    assert count(1200, "task") == "1,200 tasks"
    assert count(2, "task is", "tasks are") == "2 tasks are"


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (20, "; there may be more: --limit 200"),
        (5_000, "; there may be more: --limit 10000"),
        (10_000, ""),
    ],
)
def test_more_is_proposed_only_where_it_may_be_asked_for(limit: int, said: str) -> None:
    assert wider(limit, 10_000) == said


def test_a_pace_in_few_words() -> None:
    assert [per_minute(each) for each in (0, 0.6, 1, 1.4, 2, 12_000)] == [
        "0 runs/min", "1 run/min", "1 run/min", "1 run/min", "2 runs/min", "12,000 runs/min",
    ]  # fmt: skip
