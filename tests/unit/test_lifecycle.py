"""The table of moves holds together, and the diagram in ARCHITECTURE.md draws exactly that table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queuectl.domain.lifecycle import FINAL, MOVES, OPEN, WAITING, Move, State, allows, sources

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"

_ARROW = re.compile(r"\s*(?P<source>\[\*\]|\w+)\s*-->\s*(?P<target>\[\*\]|\w+)(?:\s*:\s*(?P<move>\w+))?\s*")
_OUTSIDE = "[*]"

Arrow = tuple[str, str, str]


def arrows_of_the_table() -> set[Arrow]:
    """Return the table as arrows (source, target, move)."""
    return {
        (source, target, move)
        for move, (froms, targets) in MOVES.items()
        for source in (froms or {_OUTSIDE})
        for target in targets
    }


def drawn(text: str) -> tuple[list[Arrow], list[str]]:
    """Return the arrows of the one state diagram in a text, and the states from which it leads out.

    Whatever else stands in the diagram is an error, so that no arrow is overlooked.
    """
    blocks = re.findall(r"(?ms)^```mermaid\s*\n(\s*stateDiagram-v2\b.*?)^```", text)
    assert len(blocks) == 1, f"ARCHITECTURE.md has {len(blocks)} state diagrams instead of one"
    arrows: list[Arrow] = []
    ends: list[str] = []
    for line in blocks[0].splitlines()[1:]:
        if not line.strip() or line.strip().startswith(("%%", "direction ", "note ")):
            continue
        match = _ARROW.fullmatch(line)
        assert match, f"this line of the diagram is no arrow: {line!r}"
        if match["target"] == _OUTSIDE:
            assert match["move"] is None, f"nothing moves a task out of the diagram: {line!r}"
            ends.append(match["source"])
        else:
            assert match["move"], f"this arrow has no move: {line!r}"
            arrows.append((match["source"], match["target"], match["move"]))
    return arrows, ends


def test_the_diagram_draws_every_move_and_no_other() -> None:
    arrows, _ = drawn(ARCHITECTURE.read_text())
    assert set(arrows) == arrows_of_the_table()
    assert len(arrows) == len(set(arrows)), "an arrow is drawn twice"


def test_the_diagram_ends_where_tasks_end() -> None:
    _, ends = drawn(ARCHITECTURE.read_text())
    assert sorted(ends) == sorted(FINAL)


@pytest.mark.parametrize(
    "text",
    [
        "no diagram",
        "```mermaid\nstateDiagram-v2\n  queued --> running\n```\n",
        "```mermaid\nstateDiagram-v2\n  queued -> running: claim\n```\n",
        "```mermaid\nstateDiagram-v2\n  dead --> [*]: cleanup\n```\n",
        "```mermaid\nstateDiagram-v2\n```\n" * 2,
    ],
)
def test_a_diagram_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(AssertionError):
        drawn(text)


def test_every_state_is_reached_from_a_submission() -> None:
    reached = set(MOVES[Move.SUBMIT][1])
    while (
        more := {target for froms, targets in MOVES.values() for target in targets if froms & reached}
        - reached
    ):
        reached |= more
    assert reached == set(State)


def test_every_open_state_leads_to_every_end() -> None:
    for start in OPEN:
        reached = {start}
        while (
            more := {target for froms, targets in MOVES.values() for target in targets if froms & reached}
            - reached
        ):
            reached |= more
        assert reached >= FINAL, f"a task that is {start} cannot come to {FINAL - reached}"


def test_only_a_person_brings_a_task_back_from_its_end() -> None:
    leaving = {move for move in Move if sources(move) & FINAL}
    assert leaving == {Move.REQUEUE, Move.RESTORE}
    assert not allows(Move.REQUEUE, State.SUCCEEDED)
    assert sources(Move.RESTORE) == {State.CANCELLED}


def test_every_move_has_its_line_in_the_table() -> None:
    assert set(MOVES) == set(Move)
    assert all(targets for _, targets in MOVES.values())
    assert [move for move in Move if not sources(move)] == [Move.SUBMIT]


def test_only_a_claim_makes_a_task_run() -> None:
    assert [move for move, (_, targets) in MOVES.items() if State.RUNNING in targets] == [Move.CLAIM]


def test_every_open_task_can_be_cancelled_and_no_other() -> None:
    assert sources(Move.CANCEL) == OPEN


def test_the_sets_of_states_divide_them_all() -> None:
    assert set(State) == FINAL | OPEN
    assert not FINAL & OPEN
    assert OPEN - {State.RUNNING} == WAITING


@pytest.mark.parametrize("move", list(Move))
def test_a_move_is_allowed_from_its_sources_alone(move: Move) -> None:
    assert {state for state in State if allows(move, state)} == sources(move)
