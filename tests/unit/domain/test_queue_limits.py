"""What people may write for a queue's limits: every mistake is named, in one line, before anything happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.admission import QueueRules
from queuectl.domain.queue_limits import LIMITS, LimitChange, changes, read_limits, written
from queuectl.domain.rate import RateLimit, parse_rate
from queuectl.errors import InvalidInputError


def test_texts_and_numbers_mean_the_same() -> None:
    said: dict[str, object] = {
        "max_size": "200", "rate_limit": "150/h", "concurrency": "3", "host_gap": "0.5", "host_concurrency": "2",
        "task_timeout": "600", "memory_limit": "512", "max_retries": "0", "retry_backoff": "1.5",
    }  # fmt: skip
    meant: dict[str, object] = {
        "max_size": 200, "rate_limit": "150/hour", "concurrency": 3, "host_gap": 0.5, "host_concurrency": 2,
        "task_timeout": 600, "memory_limit": 512, "max_retries": 0, "retry_backoff": 1.5,
    }  # fmt: skip
    assert set(said) == set(LIMITS)
    assert read_limits(said) == read_limits(meant)
    assert read_limits(said)["rate_limit"] == RateLimit(150, 3_600_000)


@pytest.mark.parametrize("key", LIMITS)
@pytest.mark.parametrize("nothing", [None, "none", " None "])
def test_every_limit_can_be_taken_away(key: str, nothing: object) -> None:
    assert read_limits({key: nothing}) == {key: None}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_size", "-5"),
        ("max_size", 0),
        ("max_size", "2.5"),
        ("max_size", True),
        ("max_size", ""),
        ("rate_limit", "150/fortnight"),
        ("rate_limit", "0/s"),
        ("rate_limit", "-3/s"),
        ("rate_limit", 150),
        ("concurrency", "0"),
        ("host_gap", "0"),
        ("host_gap", "nan"),
        ("host_gap", "inf"),
        ("host_gap", "86401"),
        ("task_timeout", "ten"),
        ("memory_limit", "15"),
        ("max_retries", "-1"),
        ("retry_backoff", [1]),
    ],
)
def test_what_is_no_limit_is_refused(key: str, value: object) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"^nothing was changed: {key} is .*, accepted is"
    ) as refusal:
        read_limits({key: value})
    assert refusal.value.exit_code == 2
    assert refusal.value.hint


def test_all_mistakes_are_named_together_with_what_was_meant() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_limits({"max_size": "5", "rate_limt": "4/s", "concurrency": "-1", "host_gap": "x" * 200})
    message = refusal.value.message
    assert "'rate_limt' is no limit, did you mean rate_limit?" in message
    assert "concurrency is '-1'" in message
    assert "max_size" not in message
    assert "\n" not in message
    assert len(message) < 400


def test_no_limit_at_all_is_a_mistake() -> None:
    with pytest.raises(InvalidInputError, match="no limit is given"):
        read_limits({})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_size": st.integers(1, 10**9),
            "rate_limit": st.builds(
                lambda count, unit: f"{count}/{unit}", st.integers(1, 9_999_999), st.sampled_from("smhd")
            ),
            "host_gap": st.floats(0.001, 86_400).map(lambda value: float(f"{value:g}")),
            "max_retries": st.integers(0, 1000),
        },
    ).filter(bool)
)
def test_what_is_written_can_be_given_back(said: dict[str, Any]) -> None:
    values = read_limits(said)
    assert read_limits({key: written(value) for key, value in values.items()}) == values


def test_only_what_differs_is_a_change() -> None:
    before = QueueRules("low_priority", max_size=5, rate_limit=parse_rate("5/s"))
    values = read_limits({"max_size": 5, "rate_limit": "none", "concurrency": 2})
    assert changes(before, values) == [
        LimitChange("rate_limit", "5/s", "none"),
        LimitChange("concurrency", "none", "2"),
    ]


# How starts are counted in time.


@given(st.sampled_from(["5/s", "10/m", "150/h", "1000/d"]), st.integers(0, 2**45))
def test_a_stamp_is_never_early_and_by_a_thousandth_of_the_period_late_at_the_most(
    text: str, at: int
) -> None:
    limit = parse_rate(text)
    assert limit is not None
    assert 0 <= limit.stamp(at) - at < max(1, limit.period_ms // 1000)


@pytest.mark.parametrize(
    ("rate", "gap", "guard"),
    [(None, None, None), ("5/s", None, 20), ("10/m", None, 1000), (None, 10.0, 200), ("5/h", 0.1, 20)],
)
def test_the_guard_follows_the_shortest_span_that_is_to_be_kept(
    rate: str | None, gap: float | None, guard: int | None
) -> None:
    assert QueueRules("low_priority", rate_limit=parse_rate(rate), host_gap=gap).start_guard_ms == guard
