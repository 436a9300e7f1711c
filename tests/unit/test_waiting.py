"""Waiting on a condition: what comes back, and what is said when it never becomes true."""

from __future__ import annotations

import pytest

from tests.support.waiting import wait_until


def test_it_returns_the_first_true_value() -> None:
    values = iter([None, 0, "", "ready"])
    assert wait_until(lambda: next(values)) == "ready"


def test_it_looks_at_least_once_however_short_the_time() -> None:
    assert wait_until(lambda: 7, within=0) == 7


def test_it_says_what_it_waited_for_and_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.01 s for: the daemon; the last value was \[\]"):
        wait_until(list, within=0.01, describing="the daemon")


def test_an_error_of_the_condition_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0)
