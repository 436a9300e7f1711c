"""Text from outside as it is shown, logged and stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.visible import is_storable, storable, visible


@given(st.text(st.characters()))
def test_a_visible_line_has_nothing_that_acts_on_a_terminal(text):
    line = visible(text, 1000)

    line.encode()
    assert not set(line) & set(
        map(chr, [*range(9), *range(10, 32), *range(127, 160), 0x202E, 0x2028, 0x200B])
    )


def test_ordinary_text_stays_as_it_is():
    assert visible("text 文字 with accents: é", 100) == "text 文字 with accents: é"


def test_control_characters_become_readable():
    assert (
        visible("\x1b[2J\n\t\x9b\u202e\ud800\U000e0041", 100)
        == "\\x1b[2J\\n\\t\\x9b\\u202e\\ud800\\U000e0041"
    )


def test_a_long_line_is_cut():
    assert visible("x" * 50, 10) == "x" * 9 + "…"


@given(st.text(st.characters()), st.integers(10, 100))
def test_a_storable_text_is_accepted_by_a_database_and_bounded(text, longest):
    stored = storable(text, longest)

    assert "\0" not in stored.encode().decode()
    assert len(stored) <= longest * 6 + 50


def test_of_a_long_text_both_ends_are_kept():
    assert storable("a" * 50 + "b" * 50, 20) == "a" * 10 + "\n[80 characters left out]\n" + "b" * 10


@given(text=st.text() | st.text(alphabet="a\x00\ud800é"))
def test_a_storable_text_is_told_from_one_that_is_not(text):
    assert is_storable(text) == (storable(text) == text)
