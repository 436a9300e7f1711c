"""A few crash points of every scenario; ``make crash-points`` goes through all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.crash_points.enumeration import SCENARIOS, die_at, points_of, props
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
