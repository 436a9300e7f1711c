"""The figures of the bench of peers, from notes that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.peers.arithmetic import Losses, losses, middle, overtaken, proportion, rate, waits
from tests.bench.peers.witness import Witness

MS = 1_000_000


def test_a_rate_is_from_the_first_to_the_last_and_counts_each_task_once() -> None:
    assert rate({"a": [0], "b": [10 * MS, 900 * MS], "c": [20 * MS]}) == pytest.approx(100)


@pytest.mark.parametrize("moments", [{}, {"a": [5]}, {"a": [5], "b": [5]}])
def test_too_few_notes_make_no_rate(moments: dict[str, list[int]]) -> None:
    with pytest.raises(ValueError, match="make no rate"):
        rate(moments)


def test_a_wait_ends_with_the_first_start() -> None:
    assert waits({"a": 0, "b": 10 * MS}, {"a": [3 * MS, 99 * MS], "b": [12 * MS]}) == [3.0, 2.0]


def test_those_are_overtaking_who_began_between_submission_and_start() -> None:
    assert overtaken(10, 20, {"before": [9], "between": [11, 30], "late": [20]}) == 1


def test_losses_tell_the_lost_from_the_cut_short_and_from_the_doubled() -> None:
    begun = {"fine": [1], "cut": [1, 5], "doubled": [1, 5], "lost": [1]}
    ended = {"fine": [2], "cut": [6], "doubled": [2, 6]}
    found = losses([*begun, "never begun"], begun, ended)
    assert found == Losses(lost=2, again=1, twice=1)
    assert str(found) == "2 · 1 · 1"
    assert str(replace(found, stuck=True)) == "2 · 1 · 1 stuck"


def test_a_task_of_nobodys_changes_no_losses() -> None:
    assert losses(["a"], {"a": [1], "b": [1, 2]}, {"a": [2], "b": [1, 2]}) == Losses(0, 0, 0)


def test_the_median_is_of_the_rounds_that_brought_something() -> None:
    assert middle([None, 1.0, 9.0, 2.0]) == 2.0
    assert middle([None, None]) is None
    assert middle([]) is None


def test_a_proportion_is_formed_within_each_round() -> None:
    # The second round was slow for both; medians of each side would say 2.5 times.
    assert proportion([400, 20, 500], [100, 10, 200]) == 2.5
    assert proportion([400, None, 500], [100, 10, None]) == 4.0
    assert proportion([None], [100]) is None
    assert proportion([400], []) is None


def test_the_witness_reads_on_where_it_stopped_and_waits_for_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "witness"
    witness = Witness(file)
    assert witness.begun("nap") == {}
    file.write_text("b nap-1 10\ne nap-1 30\nb low-1 11\nb nap-2 4")
    assert witness.begun("nap") == {"nap-1": [10]}
    with file.open("a") as more:
        more.write("0\nb nap-1 50\nb urgent-1-0 60\n")
    assert witness.begun("nap") == {"nap-1": [10, 50], "nap-2": [40]}
    assert witness.ended("nap") == {"nap-1": [30]}
    assert witness.begun("low") == {"low-1": [11]}
    assert witness.begun("urgent") == {"urgent-1-0": [60]}
