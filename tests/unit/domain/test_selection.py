"""Selections and the places in their lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.lifecycle import State
from queuectl.domain.selection import _KEYS, Cursor, Selection, Sort, cursor_in
from queuectl.errors import InvalidInputError


@given(st.sampled_from(list(Sort)), st.lists(st.integers(-(2**62), 2**62), min_size=3, max_size=3))
def test_a_place_is_read_as_it_was_written(sort: Sort, keys: list[int]) -> None:
    cursor = Cursor(sort, tuple(keys[: _KEYS[sort]]))
    assert cursor_in(str(cursor), sort) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "created", "created:", "created:x", "created:1:2", "due:1", "nothing:1", "created:1e3", "created:" + "9" * 30,
     "created:9999999999999999999", "created:1\n; DROP", "创建:1"],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    sort = Sort.DUE if text.startswith("due") else Sort.CREATED
    with pytest.raises(InvalidInputError, match="not a place") as refusal:
        cursor_in(text, sort)
    assert refusal.value.hint


def test_a_place_in_another_order_says_which_one() -> None:
    with pytest.raises(InvalidInputError, match="sorted by finished") as refusal:
        cursor_in("finished:12:3", Sort.CREATED)
    assert refusal.value.hint == "add --sort finished"


def test_only_a_selection_without_any_narrowing_matches_everything() -> None:
    assert Selection().matches_everything
    assert Selection(limit=3).matches_everything
    for narrow in (
        Selection(ids=(1,)),
        Selection(host=""),
        Selection(since=0),
        Selection(batch=0),
        Selection(after=1),
    ):
        assert not narrow.matches_everything


def test_states_are_filled_in_only_where_none_are_said() -> None:
    states = {State.DEAD, State.CANCELLED}
    assert Selection(host="a").narrowed(states) == Selection(host="a", states=(State.CANCELLED, State.DEAD))
    assert Selection(ids=(1,)).narrowed(states) == Selection(ids=(1,))
    assert Selection(states=(State.QUEUED,)).narrowed(states) == Selection(states=(State.QUEUED,))
