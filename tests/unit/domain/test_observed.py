"""What transactions leave behind for the statistics, and how it is cut into parts."""

from __future__ import annotations

from queuectl.domain.lifecycle import Move
from queuectl.domain.observed import Observed
from tests.support.factories import NOW, claimed, ending


def busy() -> Observed:
    """Return what was done to ten hosts: a submission, a failure of its own kind, and an end each."""
    found = Observed()
    for number in range(10):
        found.count("submitted", NOW, "low_priority", f"{number}.test")
        found.fail(NOW, "low_priority", "exhausted", f"error {number}", buried=True)
        found.end(ending(claimed(id=number, host=f"{number}.test"), Move.SUCCEED, finished_at=NOW + 100))
    return found


def whole(parts: list[Observed]) -> tuple[object, object]:
    """Return what parts say together."""
    found = Observed()
    for part in parts:
        found.merge_text(part.text())
    found.fold()
    return {key: dict(seen.counts) for key, seen in found.seen.items()}, found.failures


def test_parts_are_small_and_say_together_what_the_whole_says() -> None:
    parts = list(busy().parts(3))
    assert [len(part.seen) for part in parts] == [3, 3, 3, 1]
    assert [len(part.failures) for part in parts] == [3, 3, 3, 1]
    assert whole(parts) == whole([busy()])


def test_many_failures_of_one_host_are_cut_too_and_what_is_small_stays_one() -> None:
    found = Observed()
    for number in range(7):
        found.fail(NOW, "low_priority", "exhausted", f"error {number}", buried=False)
    assert [len(part.failures) for part in found.parts(3)] == [3, 3, 1]
    assert len(list(busy().parts(100))) == 1
    assert list(Observed().parts(3)) == []
