"""Charts and values as pages show them."""

from __future__ import annotations

import re

import pytest

from queuectl_daemon.web.pages import charts
from queuectl_daemon.web.pages.page import Reader, Show, address
from queuectl_daemon.web.pages.words import chosen_language


@pytest.fixture
def show() -> Show:
    """Give the manner of an English reader."""
    return Show(Reader("en", "auto", "Asia/Shanghai"))


def test_bars_are_as_high_as_their_numbers(show: Show) -> None:
    del show
    drawn = str(charts.bars([[("good", 50.0)], [("good", 100.0), ("bad", 0.0)]], ["a", "b"], "title"))
    heights = [float(each) for each in re.findall(r'<rect[^>]* height="([\d.]+)"', drawn)]
    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)


def test_charts_of_nothing_can_be_drawn() -> None:
    for drawn in (charts.bars([], [], ""), charts.lines([("a", [])], [], ""), charts.progress([], "")):
        assert str(drawn).startswith("<svg")


def test_titles_of_charts_are_text() -> None:
    assert "<script>" not in str(charts.bars([], ["<script>"], "<script>"))
    assert 'class="&#34;x"' in str(charts.progress([('"x', 0.5)], "t"))


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1_500, "1.5 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min"),
     (90_000_000, "1 d 1 h"), (-5, "0 ms"), (None, "–")],
)  # fmt: skip
def test_durations_have_their_leading_units(show: Show, ms: int | None, text: str) -> None:
    assert show.duration(ms) == text


def test_numbers_and_times(show: Show) -> None:
    assert [show.number(each) for each in (None, 0, 1234567, 2.5, 99.96, 123.4)] == [
        "–", "0", "1,234,567", "2.5", "100.0", "123",
    ]  # fmt: skip
    assert show.time(1_800_000_000_000) == "2027-01-15 16:00:00"
    assert show.time(None) == "–"


def test_addresses_leave_out_what_has_no_value() -> None:
    assert (
        address("/tasks", {"state": ["a", "b"], "url": None}, sort="", host="x&y")
        == "/tasks?state=a&state=b&host=x%26y"
    )
    assert address("/tasks") == "/tasks"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("en;q=0.1, zh;q=0.9", "zh"),
        ("de-DE,de", "en"),
        ("zh;q=oops", "zh"),
        ("," * 1000, "en"),
    ],
)
def test_the_language_is_the_one_that_is_liked_best(header: str, language: str) -> None:
    assert chosen_language(header) == language
