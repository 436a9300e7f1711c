"""``make faults``: make runs by their seeds, in several processes, and say what was seen."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from time import monotonic

from tests.conftest import pytest_configure
from tests.faults.chaos.draw import draw
from tests.faults.chaos.run import make
from tests.faults.chaos.stage import Arena


def main() -> int:
    """Make the runs; the status is 1 if one of them broke a promise."""
    options = _options()
    pytest_configure()
    if options.jobs > 1:
        return _shared_out(options)
    arena = Arena()
    rows: Counter[str] = Counter()
    broken = tasks = 0
    begun = monotonic()
    try:
        for seed in range(options.seed, options.seed + options.runs * options.step, options.step):
            drawn = draw(seed, options.tasks)
            rows.update({each.fault.row for each in drawn.blows})
            try:
                result = make(drawn, arena)
            except AssertionError as error:
                broken += 1
                _say(f"BROKEN {error}")
            else:
                tasks += result.tasks
                _say(
                    f"{drawn}; {result.attempts} runs, {result.unanswered} unanswered, {result.seconds:.1f} s"
                )
    finally:
        arena.close()
    faults = ", ".join(f"{row} {count}" for row, count in sorted(rows.items()))
    _say(f"{options.runs} runs, {tasks} tasks, {broken} broken, {monotonic() - begun:.0f} s; {faults}")
    return 1 if broken else 0


def _shared_out(options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "tests.faults.chaos", "--jobs", "1", "--tasks", str(options.tasks)]
    shares = [len(range(first, options.runs, options.jobs)) for first in range(options.jobs)]
    workers = [
        subprocess.Popen(
            [*command, "--seed", str(options.seed + first), "--step", str(options.jobs), "--runs", str(share)]
        )
        for first, share in enumerate(shares)
        if share
    ]
    return max(each.wait() for each in workers)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others follow")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--step", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
