"""A moment of what ``make kill-cycles`` and ``make soak`` do for hours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.chaos.stage import Arena
from tests.faults.endurance.cycles import Cycles, Tally
from tests.faults.endurance.soak import soak
from tests.support.chance import chooser, rounds


@pytest.fixture
def arena() -> Iterator[Arena]:
    found = Arena()
    yield found
    found.close()


@pytest.mark.timeout(300)
def test_a_home_survives_a_row_of_kills(arena: Arena) -> None:
    tally = Tally()
    cycles = rounds(25)
    Cycles(arena, chooser().randrange(10**6), tally).run(cycles)
    assert tally.daemons == cycles
    assert tally.tasks >= cycles


@pytest.mark.timeout(300)
def test_two_nodes_under_load_keep_their_promises_and_their_size(arena: Arena) -> None:
    told = soak(arena, seconds=8, rate=40, seed=chooser().randrange(10**6), every=2)
    assert "tasks" in told
