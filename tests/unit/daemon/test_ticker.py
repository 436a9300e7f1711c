"""The daemon's bell: at intervals, at a moment, and through a wall clock that is changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from queuectl.clock import now_ms
from queuectl.errors import StorageError
from queuectl_daemon.ticker import Ticker
from tests.support.waiting import wait_until


class Clocks:
    """A wall clock and one that never steps back."""

    def __init__(self) -> None:
        self.wall = 1_000_000
        self.elapsed = 5.0

    def pass_by(self, seconds: float, *, jump: int = 0) -> None:
        self.elapsed += seconds
        self.wall += round(seconds * 1000) + jump


@pytest.fixture
def clocks() -> Clocks:
    """Give clocks that agree."""
    return Clocks()


@pytest.fixture
def ticker(clocks: Clocks) -> Iterator[Ticker]:
    """Give a running ticker."""
    ticker = Ticker(wall=lambda: clocks.wall, elapsed=lambda: clocks.elapsed)
    ticker.start()
    yield ticker
    ticker.stop()


def test_it_rings_at_a_moment_that_may_be_past(ticker: Ticker) -> None:
    rung = threading.Event()
    ticker.at(now_ms() - 60_000, "late", rung.set)
    assert rung.wait(30)


def test_a_later_wish_of_the_same_name_replaces_the_earlier(ticker: Ticker) -> None:
    rung, other = threading.Event(), threading.Event()
    ticker.at(now_ms() + 60_000, "it", other.set)
    ticker.at(now_ms() + 10, "it", rung.set)
    assert rung.wait(30)
    assert not other.is_set()


def test_what_has_to_succeed_is_repeated_until_it_has(ticker: Ticker) -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(len(calls))
        if len(calls) < 3:
            raise StorageError("not now")

    ticker.until_done(0.01, "it", work)
    wait_until(lambda: ticker._scheduler.get_job("it") is None, within=30, describing="its end")
    assert calls == [0, 1, 2]


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000, -86_400_000])
def test_a_clock_that_jumps_does_not_stop_what_is_periodic(ticker: Ticker, clocks: Clocks, jump: int) -> None:
    rung = threading.Event()
    ticker.every(3600, "periodic", rung.set)
    clocks.pass_by(0.5)
    assert not ticker.keep_time()
    clocks.pass_by(0.5, jump=jump)
    assert ticker.keep_time()
    assert rung.wait(30), "it would have been silent for an hour"
    clocks.pass_by(0.5)
    assert not ticker.keep_time()


def test_a_clock_that_is_a_little_off_is_no_jump(ticker: Ticker, clocks: Clocks) -> None:
    for _ in range(100):
        clocks.pass_by(0.5, jump=100)
        assert not ticker.keep_time()
