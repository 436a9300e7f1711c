"""Run the parsers on made-up inputs: ``python -m tests.fuzz --inputs 1000000 --seed 7``."""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys

from rich.console import Console
from rich.table import Table

from tests.fuzz.run import Feeding, Finding, parsers, share_of

_ROUND = 20_000
_PATIENCE = 120.0
"""Seconds without an end of an input, after which the process says where it is and gives up."""


def main() -> int:
    """Run what was asked for; return 1 if there was a finding."""
    options = _options()
    seed = options.seed or str(random.SystemRandom().randrange(10**6))
    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False, markup=False)
    with parsers() as every:
        if strange := sorted(set(options.only or ()) - {each.name for each in every}):
            sys.exit(f"there is no parser {strange[0]!r}; they are {', '.join(each.name for each in every)}")
        console.print(f"{options.inputs:,} inputs, SEED={seed}")
        feedings = [Feeding(each, seed) for each in every if not options.only or each.name in options.only]
        _feed_in_rounds(console, feedings, options.inputs)
    faulthandler.cancel_dump_traceback_later()
    _show(console, feedings)
    return 0 if all(each.is_flat and not each.findings for each in feedings) else 1


def _feed_in_rounds(console: Console, feedings: list[Feeding], inputs: int) -> None:
    """Give every parser its share of each round, so that whoever stops it early has seen something of all."""
    done, told = 0, dict.fromkeys((each.parser.name for each in feedings), 0)
    while done < inputs:
        size = min(_ROUND, inputs - done)
        for each in feedings:
            each.feed(share_of(each.parser, size), _watch)
            for finding in each.findings[told[each.parser.name] :]:
                _tell(console, finding)
            told[each.parser.name] = len(each.findings)
        done += size
        seconds = sum(each.seconds for each in feedings)
        console.print(f"{done:,} inputs, {sum(told.values())} findings, {seconds:,.0f} s of the processor")


def _show(console: Console, feedings: list[Feeding]) -> None:
    table = Table("parser", "inputs", "processor (s)", "each (ms)", "grown (MiB)", "findings")
    for each in feedings:
        table.add_row(
            each.parser.name,
            f"{each.inputs:,}",
            f"{each.seconds:.0f}",
            f"{each.seconds / each.inputs * 1000:.2f}",
            f"{each.growth / 2**20:.0f}",
            str(len(each.findings)),
        )
    console.print(table)
    flat = all(each.is_flat for each in feedings)
    console.print(
        f"{sum(each.inputs for each in feedings):,} inputs, {sum(len(each.findings) for each in feedings)} findings,"
        f" memory {'flat' if flat else 'NOT flat'}"
    )


def _watch() -> None:
    faulthandler.dump_traceback_later(_PATIENCE, exit=True)


def _tell(console: Console, finding: Finding) -> None:
    console.rule(f"{finding.parser}: {finding.fault.what} in {finding.fault.place}")
    console.print(
        f"SEED={finding.seed}, input {finding.number}; made small, as a line of tests/fuzz/found.txt:"
    )
    console.print(f"{finding.parser}: {finding.data!r}", soft_wrap=True)
    console.print(finding.fault.told, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many in all; 100000 if not given")
    parser.add_argument("--seed", help="of a run that is to be repeated")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these parsers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
