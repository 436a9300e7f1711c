"""What comes out of Redis is either a pair of numbers that the database can look up, or nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queuectl_daemon.transport import _decoded

LARGEST = 2**63 - 1


@given(task=st.integers(0, LARGEST), fence=st.integers(0, LARGEST))
def test_a_message_comes_back_as_it_went(task: int, fence: int) -> None:
    assert _decoded(f"{task}.{fence}".encode()) == (task, fence)


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b".",
            b"1",
            b"1.",
            b".1",
            b"1.1.1",
            b"1..1",
            b" 1.1",
            b"1.1 ",
            b"1.1\n",
            b"+1.1",
            b"-1.1",
            b"1.-1",
        ),
        *(b"1_0.1", b"0x1.1", b"1e3.1", b"1,1", b"\x001.1", b"1.\xff", "１.１".encode(), "١.١".encode()),
        *(b"9223372036854775808.1", b"1.9223372036854775808", b"9" * 39 + b".1", b"9" * 5000 + b".1"),
    ],
)
def test_garbage_is_nothing(body: bytes) -> None:
    assert _decoded(body) is None


@given(st.binary(max_size=60))
def test_no_body_does_harm(body: bytes) -> None:
    _assert_harmless(body)


def test_ten_thousand_mangled_messages_do_no_harm() -> None:
    chance = random.Random(20_000)
    for _ in range(10_000):
        body = bytearray(f"{chance.randrange(10**6)}.{chance.randrange(100)}".encode())
        for _ in range(chance.randrange(1, 4)):
            where = chance.randrange(len(body) + 1)
            body[where : where + chance.randrange(2)] = chance.choice(
                [b"", b".", b"-", b"9" * 30, bytes([chance.randrange(256)]), body]
            )
        _assert_harmless(bytes(body))


def _assert_harmless(body: bytes) -> None:
    pair = _decoded(body)
    if pair is not None:
        assert all(0 <= number <= LARGEST for number in pair)
