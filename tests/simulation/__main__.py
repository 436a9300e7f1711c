"""Run seeds: ``python -m tests.simulation 1..2000`` or one of them with everything that happens: ``… 17 --tell``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.running import run
from tests.simulation.shrinking import shrink
from tests.simulation.weather import ALL_FAULTS, KINDS, TASKS, Plan


def main() -> int:
    """Run what was asked for; the status is 1 if a promise was broken."""
    asked = _arguments()
    plans = [Plan(seed, asked.tasks, asked.faults, asked.without) for seed in asked.seeds]
    began, broken, faults = time.monotonic(), 0, Counter[str]()
    if asked.tell:
        run(plans[0], trace=lambda line: print(line))  # noqa: T201
    for plan, is_broken, happened in _outcomes(plans, asked.jobs):
        faults += happened
        if is_broken:
            broken += 1
            result = run(plan)
            sys.stdout.write(f"{(result if asked.whole else shrink(result)).told()}\n\n")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(faults.items()))}\n")
    sys.stdout.write(
        f"{len(plans)} runs in {seconds:.1f} s, {len(plans) / seconds:.1f} a second; {broken} broken\n"
    )
    return 1 if broken else 0


def _outcomes(plans: list[Plan], jobs: int) -> Iterator[tuple[Plan, bool, Counter[str]]]:
    """Yield of each plan whether it broke a promise, and the faults that happened."""
    if jobs < 2 or len(plans) < 2:
        yield from map(_outcome, plans)
        return
    with ProcessPoolExecutor(jobs) as pool:
        found: Iterable[tuple[Plan, bool, Counter[str]]] = pool.map(_outcome, plans, chunksize=4)
        yield from found


def _outcome(plan: Plan) -> tuple[Plan, bool, Counter[str]]:
    result = run(plan)
    return plan, bool(result.breaches), result.faults


def _seeds(text: str) -> range:
    """Return the seeds that are asked for, of which there must be one at least."""
    first, _, last = text.partition("..")
    try:
        seeds = range(int(first), int(last or first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds:
        raise argparse.ArgumentTypeError(
            f"there is no seed in {text!r}; give one, such as 17, or many: 1..2000"
        )
    return seeds


def _kinds(text: str) -> frozenset[str]:
    """Return the kinds of faults that are named; one that is none would leave out nothing."""
    kinds = frozenset(filter(None, text.split(",")))
    if strange := sorted(kinds - set(KINDS)):
        raise argparse.ArgumentTypeError(f"{strange[0]!r} is no kind of fault; there are {', '.join(KINDS)}")
    return kinds


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=_seeds, help="one seed, or the first and the last of many: 1..2000")
    parser.add_argument("--tasks", type=int, default=TASKS, help="so many tasks are submitted in a run")
    parser.add_argument("--faults", type=int, default=ALL_FAULTS, help="only so many faults happen")
    parser.add_argument(
        "--without",
        type=_kinds,
        default=frozenset(),
        help=f"kinds of faults that do not happen, of {', '.join(KINDS)}",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many processes run seeds")
    parser.add_argument("--whole", action="store_true", help="do not make a run smaller that fails")
    parser.add_argument("--tell", action="store_true", help="tell everything that happens")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
