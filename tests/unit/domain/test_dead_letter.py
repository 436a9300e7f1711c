"""Kinds of failure: errors that differ in numbers, ids, addresses and quotations only are of one kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.dead_letter import dead_letter_number, error_shape, failure_key
from queuectl.errors import DeadLetterNotFoundError


@pytest.mark.parametrize(
    ("error", "shape"),
    [
        (None, ""),
        ("", ""),
        ("never", "never"),
        ("took 30.5 s of 12,000", "took <n> s of <n>"),
        ("https://a.test/x?y=1 answered 404 Not Found", "<url> answered 404 Not Found"),
        ("HTTP 503 after 3 tries", "HTTP 503 after <n> tries"),
        ("KeyError: 'title of 3'", "KeyError: <text>"),
        ('no field "a \\" b" here', "no field <text> here"),
        ("文章《雨水花园》不存在", "文章<text>不存在"),
        ("can't read the page's title", "can't read the page's title"),
        ("object 0x7f3a2b at 3fa94c12deadbeef", "object <id> at <id>"),
        ("task_12 of batch_3: 123e4567-e89b-12d3-a456-426614174000", "<id> of <id>: <id>"),
        ("first line 1\nsecond line", "first line <n>"),
    ],
)
def test_what_differs_from_one_occurrence_to_the_next_is_blanked(error: str | None, shape: str) -> None:
    assert error_shape(error) == shape


@given(st.text(max_size=3000))
def test_any_error_has_a_short_shape_of_one_line(error: str) -> None:
    shape = error_shape(error)
    assert len(shape) <= 160
    assert len(shape.splitlines()) <= 1


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_two_numbers_make_no_difference(one: int, other: int) -> None:
    assert error_shape(f"row {one} is locked") == error_shape(f"row {other} is locked")


def test_a_kind_is_named_by_its_cause_too() -> None:
    assert failure_key("crashed", "gone") != failure_key("refused", "gone")
    assert len(failure_key("crashed", "gone")) == 8


@pytest.mark.parametrize("text", ["", "-1", "1.0", "task_1", "٣", "1" * 19, "0x1"])
def test_what_is_no_number_names_no_letter(text: str) -> None:
    with pytest.raises(DeadLetterNotFoundError):
        dead_letter_number(text)
