"""Bugs planted into the core are found by the simulation, and every one of them has a harness that looks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.planted.catalogue import PLANTS, Plant
from tests.faults.planted.planting import changed

_ROOT = Path(__file__).parents[2]
_SIMULATED = [plant for plant in PLANTS if not plant.tests]
_SEEDS = 60


@pytest.mark.parametrize("plant", _SIMULATED, ids=[plant.name for plant in _SIMULATED])
def test_the_simulation_finds_a_planted_bug(plant: Plant) -> None:
    command = [sys.executable, "-m", "tests.faults.planted", plant.name, "--here", "--seeds", str(_SEEDS)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 1, f"not found within {_SEEDS} seeds: {plant.says}\n{done.stderr}"
    assert "which broke" in done.stdout


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_planted_bug_fits_into_the_tree_and_names_who_finds_it(plant: Plant) -> None:
    for file in {edit.file for edit in plant.edits}:
        source = (_ROOT / file).read_text()
        assert changed(plant, file, source) != source
        compile(changed(plant, file, source), file, "exec")
    assert [name for name in plant.tests if not (_ROOT / name).is_file()] == []


def test_all_the_bugs_of_the_list_are_planted() -> None:
    assert [plant.name for plant in PLANTS] == [f"P{number}" for number in range(1, 25)]
