"""Frames from a child: whatever bytes come, the daemon gets a frame, nothing, or the one error for garbage."""

from __future__ import annotations

import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl.domain.outcome import Outcome, Verdict
from queuectl_daemon.runner.frames import FROM_CHILD, Channel, FromChild, GarbageError, Line, Progress, Result
from tests.unit.runner.test_outcomes import ARTICLE


def received(data: bytes) -> list[FromChild | None]:
    """Return what a daemon gets from a child that sends ``data`` and hangs up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        channel = Channel(ours, FROM_CHILD)
        frames: list[FromChild | None] = []
        while not frames or frames[-1] is not None:
            frames.append(channel.receive())
        return frames


def framed(*frames: object) -> bytes:
    parts = [msgspec.json.encode(frame) for frame in frames]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def test_frames_come_in_their_order_however_they_are_cut():
    outcome = Outcome(Verdict.SUCCEEDED, '{"a":"文"}', article=ARTICLE)
    frames = [Progress(0.5, "half"), Line(20, "line"), Result.of(outcome, "left threads behind")]

    assert received(framed(*frames)) == [*frames, None]
    assert Result.of(outcome, None).outcome() == outcome


def test_a_frame_that_is_cut_short_is_the_end():
    assert received(framed(Line(20, "line"))[:-1]) == [None]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_garbage(data):
    try:
        assert received(data)[-1] is None
    except GarbageError:
        return


@given(
    st.recursive(
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.sampled_from(["result", "line", "progress", "hello"]),
        lambda inner: st.lists(inner, max_size=8),
        max_leaves=10,
    )
)
def test_any_json_is_a_frame_or_garbage(value):
    try:
        received(framed(value))
    except GarbageError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        framed(["result", "succeeded", 1, None, None, None, None, None]),
        framed(["result", "splendid", None, None, None, None, None, None]),
        framed(["job", 1, 2]),
        framed({"type": "line"}),
        b"\0\0\0\x0b" + b'["line",1e9',
        b"\0\0\xff\xff" + b"[" * 0xFFFF,
        b"\0\0\0\x0d" + b'["line",1,"\xff"',
    ],
)
def test_what_does_not_fit_is_garbage(data):
    with pytest.raises(GarbageError):
        received(data)


def test_text_that_has_no_utf8_form_is_not_sent():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="surrogates"):
        Channel(ours, FROM_CHILD).send(Line(20, "\ud800"))
