"""Measure queuectl beside its peers: ``python -m tests.bench.peers``, or some of it with ``--only`` and ``--peers``."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from rich.console import Console

from tests.bench.__main__ import RESULTS
from tests.bench.peers import document, tables
from tests.bench.peers.columns import MEASURES
from tests.bench.peers.contenders import CONTENDERS, PEERS, chosen
from tests.bench.peers.results import Results, newest, read
from tests.bench.peers.rounds import Run, prepared
from tests.bench.peers.sizes import FULL, QUICK, SHORT
from tests.bench.stage import ROOT

_WIDTH = 190
_SHORT_MINUTES = 14.0


def main() -> int:
    """Do what was asked for; return 1 if a contender failed at something."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    try:
        if options.list:
            _list(console)
            return 0
        if options.write_doc is not None:
            return _write(console, Path(options.write_doc) if options.write_doc else newest(RESULTS))
        contenders = chosen(_words(options.peers, PEERS))
        wanted = _words(options.only, MEASURES) or list(MEASURES)
    except (ValueError, OSError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    progress = Console(stderr=True)
    with progress.status("starting") as status:
        environments, missing = prepared(contenders, status.update)
        if options.prepare:
            for title, why in missing.items():
                console.print(f"{title}: {why}", markup=False, highlight=False)
            return 1 if missing else 0
        sizes = QUICK if options.quick else SHORT if options.short else FULL
        run = Run(contenders, environments, missing, sizes, wanted)
        called = " ".join(
            ["make bench-peers", *([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])]
        )
        results = run.measure(
            rounds=options.rounds,
            minutes=options.minutes or (_SHORT_MINUTES if options.short else math.inf),
            appendfsync=options.appendfsync,
            patience=options.patience,
            say=status.update,
            called=called,
        )
    _show(console, results)
    kept = results.keep(RESULTS)
    console.print(f"kept in {kept.relative_to(ROOT)}", highlight=False)
    return 1 if any(record.failures for record in results.records) else 0


def _show(console: Console, results: Results) -> None:
    machine = results.machine
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, fsync {machine['fsync_ms']} ms,"
        f" load {machine['load_before'][0]}; {machine['python']}; {machine['postgres']}; {machine['redis']}",
        *(f"{name}: {meaning}" for name, meaning in machine["settings"].items()),
        "the machine's time that others took meanwhile: "
        + ", ".join(f"{name} {share:.0%}" for name, share in machine["others"].items()),
        sep="\n",
        markup=False,
        highlight=False,
    )
    console.print(tables.table(results))
    for line in (*tables.reasons(results), "", *tables.behind(results)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(document.told(machine["rounds"]), highlight=False)


def _write(console: Console, file: Path) -> int:
    document.write(read(file))
    console.print(f"{document.DOCUMENT.relative_to(ROOT)} has the table of {file.name}", highlight=False)
    return 0


def _list(console: Console) -> None:
    for name, about in MEASURES.items():
        console.print(f"{name:10}{about}", highlight=False)
    for each in CONTENDERS:
        console.print(f"{each.peer:14}{each.name}", highlight=False)


def _words(given: list[str] | None, known: object) -> list[str]:
    """Return names that were given apart or with commas.

    Raises:
        ValueError: One of them is not known.
    """
    names = [name for word in given or [] for name in word.split(",") if name]
    unknown = [name for name in names if name not in known]  # type: ignore[operator]
    if unknown:
        raise ValueError(f"not known: {', '.join(unknown)}; --list says what there is")
    return names


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the measures and the contenders")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure only these, with commas or apart")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="only these tools, with commas or apart")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; 3 if not given")
    parser.add_argument(
        "--minutes",
        type=float,
        help="begin no round that would not end within these; 14 with --short, else as long as it takes",
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--short", action="store_true", help="sizes for three rounds in a quarter of an hour")
    sizes.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    parser.add_argument(
        "--appendfsync", choices=("always", "everysec"), default="always", help="of the durable Redis"
    )
    parser.add_argument(
        "--patience", type=float, default=0.0, help="wait this long (s) before each round for a quiet machine"
    )
    parser.add_argument("--prepare", action="store_true", help="only make the environments of the tools")
    parser.add_argument(
        "--write-doc",
        nargs="?",
        const="",
        metavar="FILE",
        help="put a kept run, else the newest, into the document",
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


if __name__ == "__main__":
    # What would lead queuectl to somebody's database or home has no business here.
    for name in [name for name in os.environ if name.startswith("QUEUECTL_")]:
        del os.environ[name]
    sys.exit(main())
