"""Plant bugs and tell who finds them: ``python -m tests.faults.planted [P1 P2 …] [--seeds 200]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.planted.catalogue import PLANTS, Plant
from tests.faults.planted.planting import ROOT, plant_here, tests_fail

_TASKS = 80


def main() -> int:
    """Plant what was asked for; the status is 1 if a bug was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted", description=__doc__)
    parser.add_argument("names", nargs="*", help="bugs, all by default")
    parser.add_argument("--seeds", type=int, default=300, help="so many seeds of the simulation at the most")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if strange := sorted(set(asked.names) - {plant.name for plant in PLANTS}):
        parser.error(f"there is no planted bug {strange[0]}; they are {PLANTS[0].name} to {PLANTS[-1].name}")
    chosen = [plant for plant in PLANTS if not asked.names or plant.name in asked.names]
    if asked.here:
        return _simulate(chosen[0], asked.seeds)
    missed = 0
    for plant in chosen:
        began = time.monotonic()
        found = _find(plant, asked.seeds)
        missed += found is None
        sys.stdout.write(
            f"{plant.name:4} {found or 'NOT FOUND'}, {time.monotonic() - began:.0f} s: {plant.says}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - missed} of {len(chosen)} planted bugs were found\n")
    return 1 if missed else 0


def _find(plant: Plant, seeds: int) -> str | None:
    """Return who found a bug, and how; None if nobody did."""
    if plant.tests:
        with tempfile.TemporaryDirectory(prefix="planted-") as folder:
            return f"by {', '.join(plant.tests)}" if tests_fail(plant, Path(folder)) else None
    # In a process of its own, in which nothing is imported yet.
    command = [sys.executable, "-m", "tests.faults.planted", plant.name, "--here", "--seeds", str(seeds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() or None if done.returncode == 1 else None


def _simulate(plant: Plant, seeds: int) -> int:
    """Run seeds with the bug until a promise is broken, and say which; the status is 1 then, as of any failed run."""
    plant_here(plant)
    from tests.simulation.running import run
    from tests.simulation.weather import Plan

    for number in range(seeds):
        seed = plant.first + number
        try:
            broken = sorted({breach.invariant for breach in run(Plan(seed, _TASKS)).breaches})
        except Exception as error:  # noqa: BLE001  whatever breaks down with the bug and not without it has found it
            broken = [type(error).__name__]
        if broken:
            sys.stdout.write(f"by seed {seed}, the {number + 1}. run, which broke {', '.join(broken)}\n")
            return 1
    return 0


sys.exit(main())
