"""How results are shown and kept: a table on the terminal, and a JSON file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Bound, Figure

Results = dict[str, Sequence[Figure]]


def table(results: Results) -> Table:
    """Return the table of all figures with their bounds and verdicts."""
    drawn = Table(title="queuectl, measured", title_justify="left", header_style="bold")
    drawn.add_column("measure")
    drawn.add_column("what")
    drawn.add_column("median", justify="right")
    drawn.add_column("lowest to highest", justify="right")
    drawn.add_column("bound", justify="right")
    drawn.add_column("")
    for name, figures in results.items():
        for place, each in enumerate(figures):
            drawn.add_row(
                "" if place else name,
                each.what,
                shown(each.value, each.unit),
                _spread(each),
                _bound(each.bound, each.unit),
                each.verdict,
                style="" if each.verdict in {"", "held"} else "red",
                end_section=place == len(figures) - 1,
            )
    return drawn


def markdown(results: Results) -> str:
    """Return the same table for a document."""
    lines = ["| measure | what | median | lowest to highest | bound | |", "|---|---|---:|---:|---:|---|"]
    for name, figures in results.items():
        for place, each in enumerate(figures):
            cells = (
                "" if place else name,
                each.what,
                shown(each.value, each.unit),
                _spread(each),
                _bound(each.bound, each.unit),
                each.verdict,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def keep(folder: Path, machine: dict[str, Any], results: Results, failures: dict[str, str]) -> Path:
    """Write everything to a new file in ``folder`` and return it."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    content = {
        "measured_at": now.isoformat(timespec="seconds"),
        "machine": machine,
        "results": {name: [each.as_json() for each in figures] for name, figures in results.items()},
        "failures": failures,
    }
    file = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return file


def draw_machine(console: Console, machine: dict[str, Any]) -> None:
    """Show the machine's facts in a few lines."""
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']},"
        f" fsync {machine['fsync_ms']} ms, load {machine['load_before'][0]}",
        f"{machine['python']}; {machine['postgres']}; {machine['redis']}; {machine['sqlite']}",
        f"commit {machine['commit']}",
        "the machine's time that others took meanwhile: "
        + ", ".join(f"{name} {share:.0%}" for name, share in machine["others"].items()),
        sep="\n",
        markup=False,
        highlight=False,
    )


def shown(value: float, unit: str) -> str:
    """Return a value as people read it, with its unit."""
    return f"{_number(value, unit)} {unit}"


def _number(value: float, unit: str) -> str:
    digits = 0 if value >= 100 or unit == "tasks" else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def _spread(each: Figure) -> str:
    if len(each.samples) < 2:
        return ""
    return f"{_number(min(each.samples), each.unit)} to {_number(max(each.samples), each.unit)}"


def _bound(bound: Bound | None, unit: str) -> str:
    if bound is None:
        return ""
    return ("≥ " if bound.at_least else "≤ ") + f"{bound.limit:,g} {unit}"
