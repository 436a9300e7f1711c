"""What has taken long is left alone for long, and what is quick is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from queuectl_daemon import rest
from queuectl_daemon.rest import Rest


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass, which goes by nothing else here."""
    now = [100.0]
    monkeypatch.setattr(rest, "monotonic", lambda: now[0])

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    return pass_by


def test_the_rest_is_many_times_as_long_as_what_was_done(advance: Callable[[float], None]) -> None:
    rests = Rest()
    assert rests.is_over
    with rests.after():
        advance(0.25)
    advance(4.7)
    assert not rests.is_over
    advance(0.2)
    assert rests.is_over


def test_a_halt_in_the_middle_does_not_count_for_more_than_a_long_look(
    advance: Callable[[float], None],
) -> None:
    rests = Rest()
    with rests.after():
        advance(600)
    assert rests.is_over, "it has rested meanwhile"


def test_the_rest_is_at_least_so_long_and_comes_after_a_failure_too(advance: Callable[[float], None]) -> None:
    rests = Rest(2.0)
    with pytest.raises(OSError, match="away"), rests.after():
        raise OSError("away")
    advance(1.9)
    assert not rests.is_over
    advance(0.2)
    assert rests.is_over
