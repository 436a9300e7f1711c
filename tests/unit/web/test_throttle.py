"""How often somebody may guess a password."""

from __future__ import annotations

from queuectl_daemon.web.throttle import FREE_FAILURES, Throttle


class Clock:
    """A clock that stands until it is put on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_some_failures_are_free_and_then_each_doubles_the_wait() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(FREE_FAILURES + 4):
        throttle.failed(["address a"])
        waits.append(throttle.wait(["address a"]))
        clock.now += waits[-1]
    assert waits[: FREE_FAILURES - 1] == [0.0] * (FREE_FAILURES - 1)
    assert waits[FREE_FAILURES - 1 :] == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_wait_has_an_end_and_failures_are_forgotten() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(100):
        throttle.failed(["user ann"])
    assert throttle.wait(["user ann", "user ben"]) == 300.0
    clock.now += 1_000
    assert throttle.wait(["user ann"]) == 0.0
    throttle.failed(["user ann"])
    assert throttle.wait(["user ann"]) == 0.0


def test_a_right_password_makes_up_for_wrong_ones() -> None:
    throttle = Throttle(Clock())
    for _ in range(50):
        throttle.failed(["user ann"])
    throttle.succeeded(["user ann"])
    assert throttle.wait(["user ann"]) == 0.0


def test_ten_thousand_guessers_take_no_more_memory_than_is_meant() -> None:
    throttle = Throttle(Clock())
    for number in range(25_000):
        throttle.failed([f"user {number}"])
    assert len(throttle._failures) == 10_000
