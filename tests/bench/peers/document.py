"""Puts a kept run into docs/benchmarks.md, between two marks, so that no figure is ever copied by hand."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peers.results import Results
from tests.bench.peers.tables import behind, markdown, reasons
from tests.bench.stage import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: written by make bench-peers -->", "<!-- peers: end -->"


def write(results: Results, document: Path = DOCUMENT) -> None:
    """Replace what stands between the marks.

    Raises:
        ValueError: The marks are not there.
    """
    text = document.read_text()
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{document.name} has no place for the table: the marks {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n{section(results)}\n{END}{after}")


def section(results: Results) -> str:
    """Return the table with the facts that it depends on, its gaps, and where queuectl is behind."""
    machine = results.machine
    others = max(machine["others"].values(), default=0.0)
    facts = (
        f"Measured on {results.measured_at[:10]} with `{machine['called']}`: {machine['processor']},"
        f" {machine['cores']} cores, {machine['memory_gb']} GB, {machine['python']},"
        f" {machine['postgres'].split(',')[0]}, {machine['redis']},"
        f" fsync {machine['fsync_ms']} ms; medians of {machine['rounds']} rounds;"
        f" others took up to {others:.0%} of the machine meanwhile."
    )
    versions = dict.fromkeys(
        f"{each.versions}" for each in results.records if each.versions and each.peer != "queuectl"
    )
    parts = [
        facts,
        "Versions: " + "; ".join(versions) + ".",
        markdown(results),
        "\n".join(f"- {line}" for line in reasons(results)),
        "Who is ahead, column by column, and by how much:",
        "\n".join(f"- {line}" for line in behind(results)),
    ]
    return "\n\n".join(part for part in parts if part)
