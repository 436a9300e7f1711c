"""A run beside the peers: kept and read again, shown with its gaps, and put into the document."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.bench.peers import document, tables
from tests.bench.peers.arithmetic import Losses
from tests.bench.peers.columns import COLUMNS, MEASURE_OF, MEASURES
from tests.bench.peers.contenders import BASE, CONTENDERS, PEERS, chosen
from tests.bench.peers.results import Record, Results, newest, read

MACHINE: dict[str, Any] = {
    "processor": "A processor",
    "cores": 2,
    "memory_gb": 4,
    "python": "CPython 3.11",
    "postgres": "PostgreSQL 15, fsync on",
    "redis": "Valkey 9",
    "fsync_ms": 0.2,
    "rounds": 2,
    "lost_after": 90,
    "called": "make bench-peers",
    "others": {"round 1": 0.25, "round 2": 0.5},
}


def record(title: str, peer: str, settings: str, *rounds: dict[str, float]) -> Record:
    """Return a record of these rounds."""
    made = Record(title, peer, settings, versions=f"{peer} 1")
    for samples in rounds:
        made.note_round(samples)
    return made


@pytest.fixture
def results() -> Results:
    ours = record("queuectl on SQLite", "queuectl", "durable", {"drain": 400}, {"drain": 900, "latency": 2})
    ours.disasters["kill"] = Losses(0, 8, 1)
    ours.cannot["flush"] = "has nothing in Redis"
    base = record("bare Dramatiq", "dramatiq", "fast", {"drain": 100}, {"drain": 300, "latency": 1})
    base.cannot["bulk"] = "no call for many"
    ill = record("Huey", "huey", "fast", {"drain": 1_300.4, "submit": 12.34})
    ill.failures["urgent"] = "ContenderError: it | ended"
    absent = Record("BullMQ", "bullmq", "fast", failures={"": "needs node"})
    return Results("2026-01-02T03:04:05+00:00", MACHINE, [ours, base, ill, absent])


def test_every_column_belongs_to_a_measure() -> None:
    assert {MEASURE_OF.get(column.key, column.key) for column in COLUMNS} <= set(MEASURES)


def test_the_base_is_one_of_the_contenders_and_no_two_have_one_name() -> None:
    assert BASE in CONTENDERS
    assert len({each.name for each in CONTENDERS}) == len(CONTENDERS)


def test_contenders_are_chosen_by_tool() -> None:
    assert {each.peer for each in chosen(["rq", "celery"])} == {"rq", "celery"}
    assert chosen([]) == list(CONTENDERS)
    with pytest.raises(ValueError, match="no such peer: sidekiq; there are queuectl, dramatiq"):
        chosen(["rq", "sidekiq"])


def test_every_tool_but_the_project_itself_has_both_settings() -> None:
    for peer in PEERS[1:]:
        assert {"fast", "durable"} == {each.settings for each in CONTENDERS if each.peer == peer}, peer


def test_a_kept_run_reads_back_as_it_was(results: Results, tmp_path: Path) -> None:
    file = results.keep(tmp_path / "kept")
    assert file.name == "peers-20260102T030405Z.json"
    assert read(file) == results
    assert newest(file.parent) == file
    told = json.loads(file.read_text())["records"]
    assert told[0]["medians"]["drain"] == 650
    assert told[0]["against_bare_dramatiq"]["drain"] == 3.5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"records": [1], "measured_at": "", "machine": {}}'])
def test_another_file_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json does not hold"):
        read(file)


def test_without_a_kept_run_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="measure first: make bench-peers"):
        newest(tmp_path)


def test_cells_have_the_figure_the_dash_or_the_failure(results: Results) -> None:
    keys = [*(column.key for column in COLUMNS), "kill", "flush"]

    def cells(place: int) -> dict[str, str]:
        return dict(zip(keys, tables.cells(results, results.records[place]), strict=True))

    ours, base, ill, absent = (cells(place) for place in range(4))
    assert (ours["drain"], ours["latency"], ours["kill"], ours["flush"]) == (
        "650 3.5×",
        "2.0 2.0×",
        "0 · 8 · 1",
        "–",
    )
    assert (base["drain"], base["bulk"], base["submit"]) == ("200", "–", "")
    assert (ill["drain"], ill["submit"], ill["urgent"], ill["overtaken"]) == (
        "1,300 13.0×",
        "12.3",
        "failed",
        "failed",
    )
    assert set(absent.values()) == {"failed"}


def test_every_gap_has_its_reason(results: Results) -> None:
    results.records[2].cannot["bulk"] = "no call for many"
    assert tables.reasons(results) == [
        "FLUSHALL: – (has nothing in Redis): queuectl on SQLite",
        "bulk: – (no call for many): bare Dramatiq; Huey",
        "urgent: failed (ContenderError: it | ended): Huey, fast",
        "everything: failed (needs node): BullMQ, fast",
    ]


def test_who_is_ahead_is_said_whichever_way_better_lies(results: Results) -> None:
    assert tables.behind(results) == [
        "no-ops, 1/s, queuectl on SQLite: durable nobody; fast Huey 2.0 ×",
        "idle, p50 ms, queuectl on SQLite: durable nobody; fast bare Dramatiq 2.0 ×",
    ]


def test_the_table_shows_every_contender(results: Results) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(tables.table(results))
    shown = console.export_text()
    for each in results.records:
        assert each.name in shown


def test_the_document_gets_the_table_between_its_marks_and_keeps_the_rest(
    results: Results, tmp_path: Path
) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    document.write(results, file)
    once = file.read_text()
    document.write(results, file)
    assert file.read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "| **queuectl on SQLite, durable** |" in once
    assert "medians of 2 rounds; lost is what was not done within 90 s; others took up to 50%" in once
    widths = {line.replace("\\|", "").count("|") for line in once.splitlines() if line.startswith("|")}
    assert widths == {len(COLUMNS) + 4}


@pytest.mark.parametrize(("share", "told"), [(0.5, True), (0.02, False)])
def test_the_document_says_when_the_machine_was_not_left_alone(
    results: Results, share: float, told: bool
) -> None:
    machine = {**MACHINE, "others": {"round 1": share}}
    text = document.section(replace(results, machine=machine))
    assert ("was not left alone" in text) is told


def test_a_document_without_marks_is_left_alone(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    file.write_text("nothing here\n")
    with pytest.raises(ValueError, match=r"benchmarks\.md has no place for the table"):
        document.write(results, file)
    assert file.read_text() == "nothing here\n"


def test_the_projects_document_has_a_place_for_the_table() -> None:
    text = document.DOCUMENT.read_text()
    assert text.count(document.BEGIN) == text.count(document.END) == 1
    assert text.index(document.BEGIN) < text.index(document.END)
