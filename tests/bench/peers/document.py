"""Puts a kept run into docs/benchmarks.md, between two marks, so that no figure is ever copied by hand."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peers.results import Results
from tests.bench.peers.tables import behind, markdown, reasons
from tests.bench.stage import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- peers: written by make bench-peers -->", "<!-- peers: end -->"

_ALONE = 0.10  # of the machine taken by others, at most, for figures that tell something


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
        f" fsync {machine['fsync_ms']} ms; {told(machine['rounds'])}; lost is what was not done within"
        f" {machine['lost_after']:g} s; others took up to {others:.0%} of the machine meanwhile."
    )
    if others > _ALONE:
        facts += " The machine was not left alone: the figures show that everything works and tell little about speed."
    versions = dict.fromkeys(
        f"{each.versions}" for each in results.records if each.versions and each.peer != "queuectl"
    )
    parts = [
        facts,
        "Versions: " + "; ".join(versions) + ".",
        markdown(results),
        "\n".join(f"- {line}" for line in reasons(results)),
        "Who is ahead of queuectl, column by column, and how many times:",
        "\n".join(f"- {line}" for line in behind(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def told(rounds: int) -> str:
    """Return of how many rounds the figures are."""
    return "figures of one round" if rounds == 1 else f"medians of {rounds} rounds"
