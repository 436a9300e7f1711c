"""Text from outside can neither steer the terminal nor hide."""

from __future__ import annotations

import json
import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.cli.render.grid import Column, Grid
from queuectl.cli.render.safe import cut, safe, width
from queuectl.domain.visible import visible_json

EVIL = {
    "escape": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "bell": "\a",
    "one-byte CSI": "\x9b31m",
    "delete": "a\x7fb",
    "line": "a\nb\r\nc",
    "separators": "a\u2028b\u2029c\x85d",
    "turned": "\u202egnp.exe\u2066x\u2069",
    "zero width": "pay\u200bpal\u2060\ufeff",
    "tag": "\U000e0041\U000e007f",
    "half": "\ud800",
    "markup": "[/red][bold]x",
}


@pytest.mark.parametrize("text", EVIL.values(), ids=EVIL)
def test_nothing_invisible_is_left(text: str) -> None:
    shown = safe(text)
    assert all(unicodedata.category(mark) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for mark in shown)
    assert safe(shown) == shown


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("文章《雨水花园》", "naïve café", "emoji 🎉", "a\\b", "العربية", "[red]"):
        assert safe(text) == text


@given(st.text(alphabet=st.characters(), max_size=40))
def test_no_text_moves_the_cursor_or_starts_a_line(text: str) -> None:
    screen = pyte.Screen(500, 3)
    stream = pyte.Stream(screen)
    stream.feed("A" + safe(text))
    assert screen.cursor.y == 0
    assert screen.title == ""
    assert screen.display[0].startswith("A")
    assert screen.display[1].strip() == ""
    assert not any(cell.fg != "default" or cell.bold for cell in screen.buffer[0].values())


@given(st.recursive(st.text(alphabet=st.characters()), lambda inner: st.lists(inner), max_leaves=5))
def test_json_stays_the_same_document(value: object) -> None:
    text = json.dumps({"value": value}, ensure_ascii=False, indent=2)
    shown = visible_json(text)
    assert json.loads(shown) == {"value": value}
    assert safe(shown.replace("\n", "")) == shown.replace("\n", "")


def test_a_text_is_cut_to_the_columns_of_a_terminal() -> None:
    assert width("雨水ab") == 6
    assert width("e\u0301") == 1
    assert cut("雨水花园的文章", 9) == "雨水花..."
    assert cut("abc", 3) == "abc"
    assert safe("x" * 100, 10) == "xxxxxxx..."


def test_columns_stay_aligned_under_wide_characters() -> None:
    grid = Grid(
        (Column("TITLE"), Column("N", "right"), Column("URL")), [["雨水", "1", "a"], ["abcdef", "22", "b"]]
    )
    lines = grid.plain()
    assert [width(line) for line in lines] == [width(lines[0]), width(lines[1]), width(lines[2])]
    assert lines == ["TITLE    N  URL", "雨水     1  a", "abcdef  22  b"]


def test_a_narrow_terminal_takes_from_the_flexible_columns_only() -> None:
    from rich.console import Console

    grid = Grid(
        (Column("ID"), Column("URL", flexible=True)), [["task_123456", "https://example.com/" + "x" * 80]]
    )
    console = Console(width=40, color_system=None, markup=False)
    with console.capture() as captured:
        console.print(grid.rich(40))
    assert all(width(line.rstrip()) <= 40 for line in captured.get().splitlines())
    assert "task_123456" in captured.get()
