"""``make crash-points``: go through the crash points of one scenario or of all, and say what was seen."""

from __future__ import annotations

import argparse
import sys
import time

from tests.conftest import pytest_configure
from tests.faults.crash_points.enumeration import SCENARIOS, Outcome, die_at, points_of, props
from tests.faults.crash_points.scenario import Props
from tests.support.strace import Point


def main() -> int:
    """Go through the points; the status is 1 if a promise was broken at one."""
    options = _options()
    pytest_configure()
    names = list(SCENARIOS) if options.scenario == "all" else [options.scenario]
    broken = 0
    with props() as shared:
        for name in names:
            begun = time.monotonic()
            outcome = _enumerate(name, shared, options)
            broken += len(outcome.breaches)
            sys.stdout.write(
                f"{name}: {outcome.points} points, every {options.stride}. tried: {outcome.deaths} deaths,"
                f" {outcome.survived} came to their end first, {len(outcome.breaches)} breaches,"
                f" {time.monotonic() - begun:.0f} s\n"
            )
            sys.stdout.flush()
    return 1 if broken else 0


def _enumerate(name: str, shared: Props, options: argparse.Namespace) -> Outcome:
    scenario = SCENARIOS[name]
    every = [options.point] if options.point else points_of(scenario, shared)
    outcome = Outcome(points=len(every))
    for point in every[options.first :: options.stride]:
        try:
            died = die_at(scenario, shared, point)
        except AssertionError as error:
            outcome.breaches.append(str(error))
            sys.stdout.write(f"{name} at {point}: {error}\n")
            sys.stdout.flush()
        else:
            outcome.deaths += died
            outcome.survived += not died
    return outcome


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash-points", description=__doc__)
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--point", type=Point.parse)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
