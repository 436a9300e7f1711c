"""Run the benchmark: ``python -m tests.bench``, or some of it with ``--only``."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from rich.console import Console

from tests.bench import report
from tests.bench.catalogue import MEASURES, Measure
from tests.bench.machine import facts
from tests.bench.others import Others
from tests.bench.stage import ROOT, Stage

RESULTS = ROOT / "bench-results"


def main() -> int:
    """Measure what was asked for; return 1 if something could not be measured."""
    options = _options()
    # Into a file or a pipe, too, the table is as wide as it needs to be.
    console = Console(width=None if sys.stdout.isatty() else 130)
    if options.list:
        for measure in MEASURES:
            console.print(f"{measure.name:10}{measure.about}", highlight=False)
        return 0
    chosen = [each for each in MEASURES if not options.only or each.name in options.only]
    results: report.Results = {}
    failures: dict[str, str] = {}
    progress = Console(stderr=True)
    with (
        progress.status("starting") as status,
        Stage(
            rounds=options.rounds,
            quick=options.quick,
            long=options.long,
            say=status.update,
            patience=options.patience,
        ) as stage,
    ):
        others: dict[str, float] = {}
        machine = facts(stage.folder()) | {
            "quick": options.quick,
            "long": options.long,
            "rounds": options.rounds,
            "others": others,
        }
        for measure in chosen:
            meanwhile = Others()
            _measure(measure, stage, results, failures)
            others[measure.name] = round(meanwhile.share(), 3)
    report.draw_machine(console, machine)
    console.print(report.table(results))
    for name, reason in failures.items():
        console.print(f"{name} could not be measured: {reason}", style="red", markup=False)
    if options.markdown:
        console.print(report.markdown(results), markup=False, highlight=False, soft_wrap=True)
    kept = report.keep(RESULTS, machine, results, failures)
    console.print(f"kept in {kept.relative_to(ROOT)}", highlight=False)
    return 1 if failures else 0


def _measure(measure: Measure, stage: Stage, results: report.Results, failures: dict[str, str]) -> None:
    try:
        results[measure.name] = measure.run(stage)
    except Exception as error:  # noqa: BLE001  one measure that cannot be made must not cost the others
        failures[measure.name] = f"{type(error).__name__}: {error}"
        sys.stderr.write(traceback.format_exc())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the measures")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=_names(), help="measure only these")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; 3 if not given")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    length.add_argument(
        "--long", action="store_true", help="10,000,000 tasks for backlog, ten minutes each for snapshot"
    )
    parser.add_argument(
        "--patience", type=float, default=0.0, help="wait this long (s) before each round for a quiet machine"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table for a document too")
    return parser.parse_args()


def _names() -> Sequence[str]:
    return [measure.name for measure in MEASURES]


if __name__ == "__main__":
    sys.exit(main())
