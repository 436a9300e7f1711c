"""Keys are known by what terminals send, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.cli.render.keys import KeyReader

SENT = {
    b"\x1b[A": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[H": "home",
    b"\x1b[Z": "back tab",
    b"\r": "enter",
    b"\t": "tab",
    b"\x7f": "backspace",
    b"q": "q",
    "茶".encode(): "茶",
    b" ": " ",
}


def keys_of(*pieces: bytes) -> list[str]:
    reader = KeyReader()
    return [key for piece in pieces for key in reader.feed(piece)] + reader.finish()


@pytest.mark.parametrize(("sent", "key"), SENT.items(), ids=SENT.values())
def test_a_key_is_known_whole_and_in_pieces(sent: bytes, key: str) -> None:
    assert keys_of(sent) == [key]
    assert keys_of(*(bytes([each]) for each in sent)) == [key]


def test_a_lone_escape_is_a_key_once_nothing_follows() -> None:
    reader = KeyReader()
    assert reader.feed(b"\x1b") == []
    assert reader.unfinished
    assert reader.finish() == ["escape"]
    assert not reader.unfinished


def test_an_escape_before_another_key_is_both() -> None:
    assert keys_of(b"\x1bq") == ["escape", "q"]


@pytest.mark.parametrize("sent", [b"\x1b[1;5A", b"\x1b[24~", b"\x1b[200~", b"\x01", b"\x1b[?1;2c"])
def test_keys_without_a_meaning_are_dropped(sent: bytes) -> None:
    assert keys_of(sent) == []


@given(st.lists(st.sampled_from(sorted(SENT)), max_size=20), st.data())
def test_no_key_is_lost_however_they_are_cut(sent: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert keys_of(*pieces) == [SENT[each] for each in sent]


@given(st.lists(st.binary(max_size=8), max_size=8))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    for key in keys_of(*pieces):
        assert key
        assert "\x1b" not in key
