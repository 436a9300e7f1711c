"""A few crash points of every scenario; ``make crash-points`` goes through all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.crash_points.enumeration import SCENARIOS, die_at, points_of, props, trace_of
from tests.faults.crash_points.scenario import Props
from tests.support.chance import chooser, rounds

FEW = rounds(3)
"""Points of each scenario in one run of the tests, drawn anew each time."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Props]:
    with props() as found:
        yield found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_or_half_done_wherever_the_process_dies(shared: Props, name: str) -> None:
    scenario = SCENARIOS[name]
    points = points_of(scenario, shared)
    assert len(points) > 20, f"{len(points)} points are too few to be true"
    died = [die_at(scenario, shared, point) for point in chooser().sample(points, min(FEW, len(points)))]
    assert any(died), "no process was killed"


@pytest.mark.parametrize("name", ["submit", "batch", "cancel", "import"])
def test_nothing_is_promised_before_it_is_on_the_disk(shared: Props, name: str) -> None:
    # What a death of the machine would lose, and one of the process does not: so it is the order that counts.
    unsettled, promises = 0, 0
    for call in trace_of(SCENARIOS[name], shared).calls:
        file = call.file.rpartition("/")[2]
        if call.name == "pwrite64" and file == "queuectl.db-wal":
            unsettled += 1
        elif call.name in ("fdatasync", "fsync") and file == "queuectl.db-wal":
            unsettled = 0
        elif call.name == "write" and file.startswith("out-"):
            promises += 1
            assert not unsettled, (
                f"{unsettled} writes were not on the disk when the command told of its success"
            )
    assert promises, "the command told nothing"
